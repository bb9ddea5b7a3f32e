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
use portal_model::{ApiError, Operation, Org, OrgIdentity, Outcome, Portal, PortalName};

use super::rows::{self, Row};

/// The rows of a file, and the state of each.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rows: Vec<Row>,
    pub(crate) states: Vec<State>,
    /// How many portals of rows exist that this ledger knows nothing of.
    pub(crate) foreign: usize,
    /// The orgs of rows that were created earlier.
    pub(crate) earlier: Vec<OrgIdentity>,
    history: History,
}

/// What the ledger has, newest first.
#[derive(Debug)]
struct History {
    entries: Vec<Entry>,
    /// Their places by name: the first that was wanted, and the last.
    by_name: HashMap<String, Vec<usize>>,
    /// The places of those by which something may be done yet.
    unfinished: Vec<usize>,
}

/// What is known of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// It is to be created. `note`: what came of it last time.
    Left { note: Option<String> },
    /// The same of a row whose org could not be looked at, and why.
    Unchecked(String),
    /// An attempt of it, or of another operation about its names, may have taken effect, which is
    /// determined first.
    InDoubt(Box<Entry>),
    /// It created its portal in an earlier run.
    Earlier(Box<Outcome>),
    /// What came of it in this run, or why nothing is sent.
    Ended(Box<Outcome>),
}

impl History {
    fn new(entries: Vec<Entry>) -> Self {
        let mut by_name = HashMap::<String, Vec<usize>>::new();
        let mut unfinished = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            unfinished.extend(entry.is_unfinished().then_some(place));
            let first = entry.operation.names().next().unwrap_or_default();
            for name in HashSet::from([first, entry.name()].map(name_key)) {
                by_name.entry(name).or_default().push(place);
            }
        }
        Self { entries, by_name, unfinished }
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

    /// One by which something may be done yet about the names of a row, in what may be its org: by another
    /// credential, or with one of them as a fallback.
    fn undecided(&self, row: &Row, org: Option<&OrgIdentity>) -> Option<&Entry> {
        let create = row.create();
        let concerns = |entry: &&Entry| {
            create.names().any(|name| entry.operation.concerns(name.as_str()))
                || create.includes(entry.name())
        };
        let may_be_here =
            |entry: &&Entry| org.is_none_or(|org| entry.org.compare(org) != SameOrg::No);
        let entries = self.unfinished.iter().filter_map(|place| self.entries.get(*place));
        entries.filter(may_be_here).find(concerns)
    }

    /// The entry that a row goes on from: a profile may have another name since, or two lead to one org.
    fn last(&self, row: &Row, org: Option<&OrgIdentity>) -> Option<&Entry> {
        // One that was asked for otherwise, and is there, is for the list to show.
        let counts = |entry: &Entry| is_of_row(entry) || entry.key.is_none() && entry.is_in_doubt();
        let is_same = |entry: &Entry| match &entry.operation {
            Operation::Create(create) => create.name.is_same_as(row.name.as_str()) && counts(entry),
            Operation::Rename(_) => false,
        };
        let mut all = self.of(row.name.as_str(), &row.profile, org);
        all.retain(|entry| is_same(entry));
        // What ended without a portal says nothing of one that came before.
        all.iter().find(|entry| may_be_own(entry)).or(all.first()).copied()
    }
}

impl Plan {
    /// The plan as far as the ledger has it. `entries` are newest first; `org` is the one that a profile
    /// states.
    pub(crate) fn new<'o>(
        rows: Vec<Row>,
        entries: Vec<Entry>,
        org: impl Fn(&str) -> Option<&'o Org>,
    ) -> Self {
        let states = vec![State::Left { note: None }; rows.len()];
        let history = History::new(entries);
        let mut plan = Self { rows, states, foreign: 0, earlier: Vec::new(), history };
        for index in 0..plan.rows.len() {
            plan.go_on(index, None, |row, entry| {
                org(&row.profile).zip(entry.org.org()).is_some_and(|(now, then)| now.id != then.id)
            });
        }
        plan
    }

    /// Sets the state of a row by the entry that it goes on from. `is_moved`: its profile leads to
    /// another org than that of the entry.
    fn go_on(
        &mut self,
        index: usize,
        org: Option<&OrgIdentity>,
        is_moved: impl Fn(&Row, &Entry) -> bool,
    ) {
        let (Some(row), Some(state)) = (self.rows.get_mut(index), self.states.get_mut(index))
        else {
            return;
        };
        let Some(entry) = self.history.last(row, org) else { return };
        *state = state_of(row, entry, is_moved(row, entry));
        match state {
            State::Earlier(_) => self.earlier.push(entry.org.clone()),
            State::InDoubt(_) => row.key = entry.key.clone().unwrap_or_else(|| row.key.clone()),
            State::Left { .. } | State::Unchecked(_) | State::Ended(_) => {}
        }
    }

    /// The rows for which something may be sent, in the order of the file.
    pub(crate) fn left(&self) -> impl Iterator<Item = (usize, &Row)> {
        let rows = self.rows.iter().enumerate().zip(&self.states);
        rows.filter_map(|(row, state)| state.is_left().then_some(row))
    }

    /// Ends a row.
    pub(crate) fn end(&mut self, index: usize, outcome: Outcome) {
        if let Some(state) = self.states.get_mut(index) {
            *state = State::Ended(Box::new(outcome));
        }
    }

    /// Completes the state of a row whose org is known now: an entry of the org may be its own, and one of
    /// another org is not. With `same_org` what may be the same one is it.
    pub(crate) fn identify(&mut self, index: usize, now: &OrgIdentity, same_org: bool) {
        if let Some(State::Left { .. } | State::InDoubt(_)) = self.states.get(index) {
            self.go_on(index, Some(now), |_, entry| match entry.org.compare(now) {
                SameOrg::Yes => false,
                SameOrg::No => true,
                // That it is absent in what may be another org would prove nothing.
                SameOrg::Unknown => !same_org,
            });
        }
    }

    /// Ends a row that the list of its org's portals decides. A doubt is determined by a list of its own.
    pub(crate) fn list(
        &mut self,
        index: usize,
        org: Option<&OrgIdentity>,
        portals: &[Portal],
        allow_another: bool,
    ) {
        let (Some(row), Some(State::Left { .. })) = (self.rows.get(index), self.states.get(index))
        else {
            return;
        };
        let (name, create) = (row.name.clone(), row.create());
        let undecided = self.history.undecided(row, org).cloned();
        if let Some(portal) = portals.iter().find(|portal| create.includes(&portal.name)) {
            let is_it = |entry: &Entry| is_same_name(entry.name(), &portal.name);
            let known = self.history.of(&portal.name, &row.profile, org);
            let is_known = known.into_iter().any(|entry| is_it(entry) && may_be_own(entry));
            self.foreign += usize::from(!is_known);
            let origin = match undecided {
                Some(Entry { operation: Operation::Create(_), .. }) => Origin::Undetermined,
                // It may have another name by now.
                Some(rename) => return self.doubt(index, rename),
                None => Origin::Preexisting,
            };
            let (portal, taken) = (portal.clone(), Vec::new());
            self.end(index, Outcome::Present { portal, origin, taken });
        } else if let Some(portal) = portals.first().filter(|_| !allow_another) {
            match undecided {
                Some(entry) => self.doubt(index, entry),
                None => self.end(index, Outcome::OrgHasPortal { name, portal: portal.clone() }),
            }
        }
    }

    /// Leaves a row to its run, which waits for what may be done yet by `entry` (rule 11).
    fn doubt(&mut self, index: usize, entry: Entry) {
        if let Some(state) = self.states.get_mut(index) {
            *state = State::InDoubt(Box::new(entry));
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

    /// Ends a row of an org in which every create is rejected with `error`.
    pub(crate) fn reject(&mut self, index: usize, org: Option<&OrgIdentity>, error: &ApiError) {
        let (Some(row), Some(State::Left { .. })) = (self.rows.get(index), self.states.get(index))
        else {
            return;
        };
        let name = row.name.clone();
        match self.history.undecided(row, org).cloned() {
            Some(entry) => self.doubt(index, entry),
            None => self.end(index, Outcome::Rejected { name, error: error.clone() }),
        }
    }

    /// Notes that the org of a row could not be looked at.
    pub(crate) fn leave_unchecked(&mut self, index: usize, why: &str) {
        if let Some(state @ State::Left { .. }) = self.states.get_mut(index) {
            *state = State::Unchecked(why.to_owned());
        }
    }
}

/// The state of a row by the entry that it goes on from.
fn state_of(row: &Row, entry: &Entry, is_moved: bool) -> State {
    if !may_be_own(entry) {
        return State::Left { note: entry.ending().and_then(|ending| ending.cause.clone()) };
    }
    if is_moved && entry.key.is_none() {
        // A create without a key is of this row only if it is of the same org.
        State::Left { note: None }
    } else if is_moved {
        State::Ended(Box::new(blocked(entry, Conflict::LabelMoved)))
    } else if !row.create().includes(entry.name()) {
        State::Ended(Box::new(blocked(entry, Conflict::NameDropped)))
    } else if entry.is_in_doubt() {
        State::InDoubt(Box::new(entry.clone()))
    } else {
        State::Earlier(Box::new(created(entry, row)))
    }
}

/// Whether its portal is the doing of the operation, or may be.
fn may_be_own(entry: &Entry) -> bool {
    entry.is_in_doubt() || entry.ending().is_some_and(|ending| ending.kind.is_own())
}

/// Whether it was the row of a file.
fn is_of_row(entry: &Entry) -> bool {
    let (Operation::Create(create), Some(label)) = (&entry.operation, &entry.label) else {
        return false;
    };
    entry.key.as_ref() == Some(&rows::key(label, create.name.as_str()))
}

/// The outcome of a row that the ledger has as created.
fn created(entry: &Entry, row: &Row) -> Outcome {
    let taken = entry.taken().to_vec();
    if entry.ending().is_some_and(|ending| ending.kind == EndingKind::Appeared) {
        let portal = Portal::new(entry.name());
        return Outcome::Present { portal, origin: Origin::Appeared, taken };
    }
    let is_it = |name: &&PortalName| name.is_same_as(entry.name());
    let name = row.create().names().find(is_it).unwrap_or(&row.name).clone();
    Outcome::Created { name, taken }
}

/// The outcome of a row that contradicts what the ledger has.
fn blocked(entry: &Entry, conflict: Conflict) -> Outcome {
    let (name, why) = (entry.name().to_owned(), Unverified::Conflict(conflict));
    match &entry.operation {
        Operation::Create(create) if !entry.is_in_doubt() => {
            let why = NotDone::Conflict { conflict, name };
            Outcome::NotCreated { name: create.name.clone(), why }
        }
        _ => Outcome::Unknown { name, doubt: Doubt::Earlier, why },
    }
}

impl State {
    /// Whether running the row may send its create.
    pub(crate) fn is_left(&self) -> bool {
        match self {
            Self::Left { .. } | Self::Unchecked(_) | Self::InDoubt(_) => true,
            Self::Earlier(_) | Self::Ended(_) => false,
        }
    }

    /// What came of the row, unless nothing did so far. What an earlier run left in doubt is unknown.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Left { .. } | Self::Unchecked(_) => None,
            Self::InDoubt(entry) => Some(Outcome::Unknown {
                name: entry.name().to_owned(),
                doubt: Doubt::Earlier,
                why: Unverified::Stopped,
            }),
            Self::Earlier(outcome) | Self::Ended(outcome) => Some((**outcome).clone()),
        }
    }
}

#[cfg(test)]
mod tests;
