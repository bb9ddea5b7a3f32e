//! [`Plan`]: what was done of a file, what is there, what is in doubt, and what is left.
//!
//! A row is its profile and its first name: under that key the ledger decides what its run would come to,
//! whatever else the file had when it was begun.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use portal_ledger::{
    ClaimRequest, Clock, Entry, EntryId, Filter, Ledger, Preview, Wanted, previews,
};
use portal_model::identity::SameOrg;
use portal_model::outcome::{Conflict, Doubt, NotDone, Origin, Unverified};
use portal_model::{Operation, Outcome};
use tracing::Instrument as _;

use super::orgs::{Org, Seen, see};
use super::rows::{self, Row, State};
use crate::org::ledger;
use crate::report::failure::Failure;

/// Orgs that are looked at at once.
const AT_ONCE: usize = 16;

/// The rows of a file with the state of each, and what carries it out.
pub(crate) struct Plan {
    pub(crate) rows: Vec<Row>,
    /// The orgs of rows for which something may be sent, in the order of the file.
    pub(crate) orgs: Vec<Org>,
    ledger: Ledger,
    /// What the ledger has as unfinished, newest first.
    unfinished: Vec<Entry>,
    /// Whether new credentials of a profile lead to the same org, as the user states.
    is_same_org: bool,
    /// Fingerprints of credentials that lead to different orgs, as the user states.
    distinct: Arc<BTreeSet<String>>,
}

impl Plan {
    /// The plan as far as the ledger has it: nothing is requested.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) async fn new(
        rows: Vec<Row>,
        mut orgs: Vec<Org>,
        ledger: Ledger,
        is_same_org: bool,
        are_distinct: bool,
    ) -> Result<Self, Failure> {
        let mut distinct = Arc::default();
        if are_distinct {
            distinct =
                Arc::new(orgs.iter().map(|org| org.identity().fingerprint().to_owned()).collect());
            for org in &mut orgs {
                org.safe = org.safe.clone().with_distinct_orgs(Arc::clone(&distinct));
            }
        }
        let mut filter = Filter::default();
        filter.is_unfinished = true;
        let unfinished = ledger::entries_of(&ledger, &filter).await?;
        let mut plan = Self { rows, orgs, ledger, unfinished, is_same_org, distinct };
        plan.ask().await?;
        Ok(plan)
    }

    /// Completes the plan by what the orgs show: identifies each, lists its portals, and, with `probes`,
    /// sends it a create without a name.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) async fn look(&mut self, probes: bool) -> Result<(), Failure> {
        let looks = stream::iter(std::mem::take(&mut self.orgs)).map(|org| {
            let profile = org.target.place.profile().map(ToOwned::to_owned);
            async move { Org { seen: see(&org.safe, probes).await, ..org } }
                .instrument(tracing::debug_span!("batch", profile))
        });
        self.orgs = looks.buffered(AT_ONCE).collect().await;
        self.ask().await
    }

    /// Asks the ledger what the runs of the rows would come to.
    async fn ask(&mut self) -> Result<(), Failure> {
        let Self { rows, orgs, .. } = self;
        let mut claims = Vec::new();
        for org in orgs.iter() {
            let identity = org.identity();
            for row in org.rows.iter().filter_map(|row| rows.get(*row)) {
                let wanted = Wanted::Do(row.create.clone().into());
                let mut claim = ClaimRequest::new(EntryId::new(""), identity.clone(), wanted);
                claim.label = Some(row.profile.clone());
                claim.key = Some(row.key.clone());
                claim.policy = org.safe.client().policy().clone();
                claim.distinct_from = Arc::clone(&self.distinct);
                claims.push((claim, org.seen.portals.as_deref()));
            }
        }
        let previews = previews(&self.ledger, &claims, &Clock::system().now()).await;
        let previews = previews.map_err(|error| ledger::unreadable(error.to_string()))?;
        let mut previews = previews.into_iter();
        for org in orgs.iter_mut() {
            let identity = org.identity();
            let compared = |entry: &Entry| entry.org.compare(&identity);
            for index in &org.rows {
                if let Some((row, preview)) = rows.get_mut(*index).zip(previews.next()) {
                    row.state = state(row, &org.seen, preview, compared, self.is_same_org);
                }
            }
            org.rows.retain(|row| rows.get(*row).is_some_and(Row::is_left));
        }
        orgs.retain(|org| !org.rows.is_empty());
        Ok(())
    }

    /// The rows for which something may be sent, in the order of the file.
    pub(crate) fn left(&self) -> impl Iterator<Item = (usize, &Row)> {
        self.rows.iter().enumerate().filter(|(_, row)| row.is_left())
    }

    /// Ends rows that were run.
    pub(crate) fn end(&mut self, outcomes: Vec<(usize, Outcome)>) {
        for (row, outcome) in outcomes {
            if let Some(row) = self.rows.get_mut(row) {
                row.state = State::Ended(outcome.into());
            }
        }
    }

    /// How many portals of rows exist that this ledger knows nothing of.
    pub(crate) fn foreign(&self) -> usize {
        let is_foreign = |row: &&Row| {
            matches!(row.outcome(), Some(Outcome::Present { origin: Origin::Preexisting, .. }))
        };
        self.rows.iter().filter(is_foreign).count()
    }

    /// Rows in doubt that the file does not have any more.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = &Entry> {
        let keys: HashSet<_> = self.rows.iter().map(|row| row.key.as_str()).collect();
        self.unfinished.iter().filter(move |entry| {
            let first = entry.operation.target().as_str();
            let key = entry.label.as_ref().map(|label| rows::key(label, first));
            let is_of_row = matches!(entry.operation, Operation::Create(_)) && entry.key == key;
            entry.is_in_doubt() && key.is_some_and(|key| is_of_row && !keys.contains(key.as_str()))
        })
    }
}

/// The state of a row by what its run would come to. `compared` is whether an entry is of its org.
fn state(
    row: &mut Row,
    seen: &Seen,
    preview: Preview,
    compared: impl Fn(&Entry) -> SameOrg,
    is_same_org: bool,
) -> State {
    let Preview { mut entry, undecided, outcome, .. } = preview;
    let operation = Operation::from(row.create.clone());
    // Under the key of another profile of the org, from where the row goes on.
    let of_another = undecided.into_iter().find(|other| {
        let is_same = operation.is_same_as(&other.operation) && compared(other) == SameOrg::Yes;
        is_same && other.is_in_doubt() && !entry.as_ref().is_some_and(Entry::may_be_own)
    });
    if let Some((other, key)) = of_another.and_then(|it| Some((it.clone(), it.key?))) {
        row.key = key;
        entry = Some(other);
    }
    // Done with other credentials, in what may be another org.
    let elsewhere = entry.as_ref().filter(|entry| {
        let is_of_row = entry.key.as_ref() == Some(&row.key) && entry.may_be_own();
        is_of_row && !is_same_org && compared(entry) == SameOrg::Unknown
    });
    match (outcome, elsewhere) {
        // That it is absent there would prove nothing.
        (_, Some(entry)) if seen.identity.is_some() => State::Moved(moved(entry, row).into()),
        (Outcome::NotCreated { why: NotDone::Preview, .. }, _) => {
            let ending = entry.as_ref().and_then(Entry::ending);
            seen.state(row, ending.and_then(|ending| ending.cause.clone()))
        }
        (outcome, Some(_)) if outcome.is_ours() => seen.state(row, None),
        (outcome, _) => State::Known(created(outcome, row).into()),
    }
}

impl Seen {
    /// The state of a row that the ledger and the list leave open.
    fn state(&self, row: &Row, note: Option<String>) -> State {
        match (&self.rejection, &self.unchecked) {
            (Some(error), _) => {
                let (name, error) = (row.create.name.clone(), error.clone());
                State::Known(Outcome::Rejected { name, error }.into())
            }
            (None, Some(why)) => State::Unchecked(why.clone()),
            (None, None) => State::Left { note },
        }
    }
}

/// A row that the ledger has as created is created, with the name of its portal by now.
fn created(outcome: Outcome, row: &Row) -> Outcome {
    match outcome {
        Outcome::Present { origin: Origin::CreatedEarlier { is_own: true, .. }, portal, taken } => {
            let name = portal.name.parse().unwrap_or_else(|_| row.create.name.clone());
            Outcome::Created { name, taken }
        }
        outcome => outcome,
    }
}

/// The outcome of a row whose profile may lead to another org than when it was begun.
fn moved(entry: &Entry, row: &Row) -> Outcome {
    let (name, conflict) = (entry.name().to_owned(), Conflict::LabelMoved);
    if entry.is_in_doubt() {
        let why = Unverified::Conflict(conflict);
        return Outcome::Unknown { name, doubt: Doubt::Earlier, why };
    }
    let why = NotDone::Conflict { conflict, name };
    Outcome::NotCreated { name: row.create.name.clone(), why }
}

#[cfg(test)]
mod tests;
