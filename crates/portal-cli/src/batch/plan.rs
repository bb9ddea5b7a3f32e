//! [`Plan`]: what was done of a file, what is there, what is in doubt, and what is left.
//!
//! A row is its profile and its first name: the ledger has what earlier runs did about it, under that
//! key, whatever else the file had then. Data only, so that a plan shown, a plan run and a report are
//! the same.

use std::collections::{HashMap, HashSet};

use portal_ledger::{EndingKind, Entry};
use portal_model::identity::SameOrg;
use portal_model::name::{is_same_name, name_key};
use portal_model::outcome::{Conflict, Doubt, NotDone, Origin, Unverified};
use portal_model::{ApiError, Operation, OrgIdentity, Outcome, Portal, PortalName};

use super::rows::{self, Row, State};
use crate::report::failure::Failure;

/// The rows of a file with the state of each.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rows: Vec<Row>,
    /// How many portals of rows exist that this ledger knows nothing of.
    pub(crate) foreign: usize,
    /// The orgs of rows that were created earlier, with the profile of each.
    pub(crate) earlier: Vec<(String, OrgIdentity)>,
    history: History,
}

/// What an org shows without anything being created.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) identity: Option<OrgIdentity>,
    pub(crate) portals: Vec<Portal>,
    /// The rejection of every create.
    pub(crate) rejection: Option<ApiError>,
    /// Why something about it could not be found out.
    pub(crate) unchecked: Option<Failure>,
}

/// What the ledger has, newest first.
#[derive(Debug)]
struct History {
    entries: Vec<Entry>,
    /// Their places by name: the first that was wanted, and the last.
    by_name: HashMap<String, Vec<usize>>,
    /// The places of those by which something may be done yet.
    unfinished: Vec<usize>,
    /// The places of renames that were done.
    renames: Vec<usize>,
}

impl History {
    fn new(entries: Vec<Entry>) -> Self {
        let mut by_name = HashMap::<String, Vec<usize>>::new();
        let (mut unfinished, mut renames) = (Vec::new(), Vec::new());
        for (place, entry) in entries.iter().enumerate() {
            unfinished.extend(entry.is_unfinished().then_some(place));
            let is_done = entry.ending().is_some_and(|end| end.kind == EndingKind::Renamed);
            renames.extend(is_done.then_some(place));
            let first = entry.operation.names().next().unwrap_or_default();
            for name in HashSet::from([first, entry.name()].map(name_key)) {
                by_name.entry(name).or_default().push(place);
            }
        }
        Self { entries, by_name, unfinished, renames }
    }

    /// The entries of a name that the profile has, or its org as far as that is known.
    fn of(&self, name: &str, profile: &str, org: Option<&OrgIdentity>) -> Vec<&Entry> {
        let places = self.by_name.get(&name_key(name)).into_iter().flatten();
        let entries = places.filter_map(|place| self.entries.get(*place));
        let is_of = |entry: &&Entry| {
            entry.label.as_deref() == Some(profile)
                || org.is_some_and(|org| entry.org.compare(org) == SameOrg::Yes)
        };
        entries.filter(is_of).collect()
    }

    /// Whether a portal may be the doing of an entry.
    fn knows(&self, portal: &Portal, profile: &str, org: Option<&OrgIdentity>) -> bool {
        let is_it = |entry: &&Entry| is_same_name(entry.name(), &portal.name) && entry.may_be_own();
        self.of(&portal.name, profile, org).iter().any(is_it)
    }

    /// One by which something may be done yet about the names of a row, in what may be its org: by another
    /// credential, or with one of them as a fallback.
    fn undecided(&self, row: &Row, org: Option<&OrgIdentity>) -> Option<&Entry> {
        let concerns = |entry: &&Entry| {
            row.create.names().any(|name| entry.operation.concerns(name.as_str()))
                || row.create.includes(entry.name())
        };
        let may_be_here =
            |entry: &&Entry| org.is_none_or(|org| entry.org.compare(org) != SameOrg::No);
        let entries = self.unfinished.iter().filter_map(|place| self.entries.get(*place));
        entries.filter(may_be_here).find(concerns)
    }

    /// The name that the portal of an entry has by now, if it was renamed since.
    fn renamed_to(&self, entry: &Entry) -> Option<&PortalName> {
        let later = self.renames.iter().rev().filter_map(|place| self.entries.get(*place));
        let here = later
            .filter(|rename| rename.order > entry.order)
            .filter(|rename| rename.org.compare(&entry.org) == SameOrg::Yes);
        here.fold(None, |now: Option<&PortalName>, rename| match &rename.operation {
            Operation::Rename(rename)
                if is_same_name(&rename.old, now.map_or(entry.name(), PortalName::as_str)) =>
            {
                Some(&rename.new)
            }
            _ => now,
        })
    }

    /// The entry that a row goes on from: a profile may have another name since, or two lead to one org.
    fn last(&self, row: &Row, org: Option<&OrgIdentity>) -> Option<&Entry> {
        // One that was asked for otherwise, and is there, is for the list to show.
        let counts = |entry: &Entry| is_of_row(entry) || entry.key.is_none() && entry.is_in_doubt();
        let wanted = row.create.name.as_str();
        let is_same = |entry: &Entry| match &entry.operation {
            Operation::Create(create) => create.name.is_same_as(wanted) && counts(entry),
            Operation::Rename(_) => false,
        };
        let mut all = self.of(wanted, &row.profile, org);
        all.retain(|entry| is_same(entry));
        // What ended without a portal says nothing of one that came before.
        all.iter().find(|entry| entry.may_be_own()).or(all.first()).copied()
    }
}

impl Plan {
    /// The plan as far as the ledger has it. `entries` are newest first; `org` is where a profile leads, as
    /// far as that is known without a request.
    pub(crate) fn new(
        rows: Vec<Row>,
        entries: Vec<Entry>,
        org: impl Fn(&str) -> Option<OrgIdentity>,
    ) -> Self {
        let history = History::new(entries);
        let mut plan = Self { rows, foreign: 0, earlier: Vec::new(), history };
        for row in &mut plan.rows {
            let Some(entry) = plan.history.last(row, None) else { continue };
            let Some(now) = org(&row.profile) else { continue };
            let is_moved =
                now.org().zip(entry.org.org()).is_some_and(|(now, then)| now.id != then.id);
            // That the portal was created is only said of the org to which the profile still leads.
            if is_moved || entry.is_in_doubt() || entry.org.compare(&now) == SameOrg::Yes {
                let renamed_to = plan.history.renamed_to(entry);
                go_on(row, entry, is_moved, renamed_to, &mut plan.earlier);
            }
        }
        plan
    }

    /// The rows for which something may be sent, in the order of the file.
    pub(crate) fn left(&self) -> impl Iterator<Item = (usize, &Row)> {
        self.rows.iter().enumerate().filter(|(_, row)| row.is_left())
    }

    /// Completes the state of a row by what its org shows. With `same_org`, what may be another org than
    /// that of an earlier run is the same.
    pub(crate) fn complete(
        &mut self,
        index: usize,
        seen: &Seen,
        allow_another: bool,
        same_org: bool,
    ) {
        let Some(row) = self.rows.get_mut(index) else { return };
        let org = seen.identity.as_ref();
        // An entry of the org may be its own, and one of another org is not.
        if let (Some(now), Some(entry)) = (org, self.history.last(row, org)) {
            let is_moved = match entry.org.compare(now) {
                SameOrg::Yes => false,
                SameOrg::No => true,
                // That it is absent in what may be another org would prove nothing.
                SameOrg::Unknown => !same_org,
            };
            let renamed_to = self.history.renamed_to(entry);
            go_on(row, entry, is_moved, renamed_to, &mut self.earlier);
        }
        // A doubt is determined by a list of its own.
        let State::Left { .. } = row.state else { return };
        let undecided = self.history.undecided(row, org);
        let is_wanted = |portal: &&Portal| row.create.includes(&portal.name);
        let name = row.create.name.clone();
        let outcome = if let Some(portal) = seen.portals.iter().find(is_wanted) {
            self.foreign += usize::from(!self.history.knows(portal, &row.profile, org));
            let origin =
                if undecided.is_some() { Origin::Undetermined } else { Origin::Preexisting };
            Outcome::Present { portal: portal.clone(), origin, taken: Vec::new() }
        } else if let Some(portal) = seen.portals.first().filter(|_| !allow_another) {
            Outcome::OrgHasPortal { name, portal: portal.clone() }
        } else if let Some(error) = &seen.rejection {
            Outcome::Rejected { name, error: error.clone() }
        } else {
            if let Some(why) = &seen.unchecked {
                row.state = State::Unchecked(why.clone());
            }
            return;
        };
        let is_create = |entry: &Entry| matches!(entry.operation, Operation::Create(_));
        row.state = match undecided {
            // Left to its run, which waits for what may be done yet (rule 11). A portal that is there stays,
            // unless a rename gives it another name.
            Some(entry) if !(outcome.exists() && is_create(entry)) => {
                State::InDoubt(Box::new(entry.clone()))
            }
            _ => State::Ended(Box::new(outcome)),
        };
    }

    /// Ends rows that were run.
    pub(crate) fn end(&mut self, outcomes: Vec<(usize, Outcome)>) {
        for (row, outcome) in outcomes {
            if let Some(row) = self.rows.get_mut(row) {
                row.state = State::Ended(Box::new(outcome));
            }
        }
    }

    /// Rows in doubt that the file does not have any more.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = &Entry> {
        let keys: HashSet<_> = self.rows.iter().map(|row| row.key.as_str()).collect();
        let is_there =
            move |entry: &&Entry| !entry.key.as_deref().is_some_and(|key| keys.contains(key));
        let rows = self.history.entries.iter().filter(|entry| is_of_row(entry));
        rows.filter(|entry| entry.is_in_doubt()).filter(is_there)
    }
}

/// Sets the state of a row by the entry that it goes on from. `is_moved`: its profile leads to another org
/// than that of the entry. `earlier` gets the org of a row that was created.
fn go_on(
    row: &mut Row,
    entry: &Entry,
    is_moved: bool,
    renamed_to: Option<&PortalName>,
    earlier: &mut Vec<(String, OrgIdentity)>,
) {
    row.state = state_of(row, entry, is_moved, renamed_to);
    match row.state {
        State::Earlier(_) => earlier.push((row.profile.clone(), entry.org.clone())),
        State::InDoubt(_) => row.key = entry.key.clone().unwrap_or_else(|| row.key.clone()),
        State::Left { .. } | State::Unchecked(_) | State::Ended(_) => {}
    }
}

/// The state of a row by the entry that it goes on from.
fn state_of(row: &Row, entry: &Entry, is_moved: bool, renamed_to: Option<&PortalName>) -> State {
    if !entry.may_be_own() {
        return State::Left { note: entry.ending().and_then(|ending| ending.cause.clone()) };
    }
    if is_moved && entry.key.is_none() {
        // A create without a key is of this row only if it is of the same org.
        State::Left { note: None }
    } else if is_moved {
        State::Ended(Box::new(blocked(entry, row, Conflict::LabelMoved)))
    } else if !row.create.includes(entry.name()) {
        State::Ended(Box::new(blocked(entry, row, Conflict::NameDropped)))
    } else if entry.is_in_doubt() {
        State::InDoubt(Box::new(entry.clone()))
    } else {
        State::Earlier(Box::new(created(entry, row, renamed_to)))
    }
}

/// Whether it was the row of a file.
fn is_of_row(entry: &Entry) -> bool {
    let (Operation::Create(create), Some(label)) = (&entry.operation, &entry.label) else {
        return false;
    };
    entry.key.as_ref() == Some(&rows::key(label, create.name.as_str()))
}

/// The outcome of a row that the ledger has as created, with the name of its portal by now.
fn created(entry: &Entry, row: &Row, renamed_to: Option<&PortalName>) -> Outcome {
    let taken = entry.taken().to_vec();
    if entry.ending().is_some_and(|ending| ending.kind == EndingKind::Appeared) {
        let portal = Portal::new(renamed_to.map_or(entry.name(), PortalName::as_str));
        return Outcome::Present { portal, origin: Origin::Appeared, taken };
    }
    let is_it = |name: &&PortalName| name.is_same_as(entry.name());
    let name = renamed_to.or_else(|| row.create.names().find(is_it)).unwrap_or(&row.create.name);
    Outcome::Created { name: name.clone(), taken }
}

/// The outcome of a row that contradicts what the ledger has.
fn blocked(entry: &Entry, row: &Row, conflict: Conflict) -> Outcome {
    let name = entry.name().to_owned();
    if entry.is_in_doubt() {
        return Outcome::Unknown {
            name,
            doubt: Doubt::Earlier,
            why: Unverified::Conflict(conflict),
        };
    }
    let why = NotDone::Conflict { conflict, name };
    Outcome::NotCreated { name: row.create.name.clone(), why }
}

#[cfg(test)]
mod tests;
