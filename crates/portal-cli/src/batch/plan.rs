//! [`Plan`]: what was done of a file, what is there, what is in doubt, and what is left.
//!
//! A row is its profile and its first name: the ledger has what earlier runs did about it, under that
//! key, whatever else the file had then. Data only, so that a plan shown, a plan run and a report are
//! the same.

use std::collections::{HashMap, HashSet};

use portal_ledger::{EndingKind, Entry};
use portal_model::identity::SameOrg;
use portal_model::outcome::{Conflict, Doubt, NotDone, Origin, Unverified};
use portal_model::{ApiError, Operation, Org, OrgIdentity, Outcome, Portal, PortalName};

use super::rows::{self, Row};

/// The rows of a file, and the state of each.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rows: Vec<Row>,
    pub(crate) states: Vec<State>,
    /// Rows in doubt that the file does not have any more.
    pub(crate) dropped: Vec<Entry>,
    /// How many portals of rows exist that this ledger did not make.
    pub(crate) foreign: usize,
    /// The orgs of rows that were created earlier.
    pub(crate) earlier: Vec<OrgIdentity>,
    /// The keys of all portals that this ledger has the creates or renames of.
    made: HashSet<String>,
}

/// What is known of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// It is to be created. `note`: what came of it last time.
    Left { note: Option<String> },
    /// The same of a row whose org could not be looked at, and why.
    Unchecked(String),
    /// An attempt of it may have taken effect, which is determined first.
    InDoubt(Box<Entry>),
    /// It created its portal in an earlier run.
    Earlier(Box<Outcome>),
    /// What came of it in this run, or why nothing is sent.
    Ended(Box<Outcome>),
}

impl Plan {
    /// The plan as far as the ledger has it. `entries` are those of the profiles, newest first, and all
    /// that are unfinished; `org` is the one that a profile states.
    pub(crate) fn new<'o>(
        rows: Vec<Row>,
        entries: &[Entry],
        org: impl Fn(&str) -> Option<&'o Org>,
    ) -> Self {
        // By key: those of rows, and creates of the same profile and name without a key.
        let (mut own, mut others) = (HashMap::new(), HashMap::new());
        let mut made = HashSet::new();
        for entry in entries {
            match (&entry.operation, &entry.key, &entry.label) {
                (Operation::Create(_), Some(key), _) => {
                    own.entry(key.clone()).or_insert(entry);
                }
                (Operation::Create(create), None, Some(label)) => {
                    others.entry(rows::key(label, create.name.as_str())).or_insert(entry);
                }
                _ => {}
            }
            if let Some(label) = entry.label.as_ref().filter(|_| has_portal(entry)) {
                made.insert(rows::key(label, entry.name()));
            }
        }
        let mut earlier = Vec::new();
        let state = |row: &Row| {
            let key = row.key();
            let other = others.get(&key).copied().filter(|other| other.is_in_doubt());
            let Some(entry) = own.get(&key).copied().or(other) else {
                return State::Left { note: None };
            };
            let state = state(row, entry, org(&row.profile));
            if matches!(state, State::Earlier(_)) {
                earlier.push(entry.org.clone());
            }
            state
        };
        let states = rows.iter().map(state).collect();
        let keys: HashSet<String> = rows.iter().map(Row::key).collect();
        let dropped = entries.iter().filter(|entry| is_dropped(entry, &keys)).cloned().collect();
        Self { rows, states, dropped, foreign: 0, earlier, made }
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

    /// Blocks a row in doubt whose profile leads to another org than when it was begun. With `same_org`
    /// it is the same one unless both ids are known.
    pub(crate) fn identify(&mut self, index: usize, now: &OrgIdentity, same_org: bool) {
        let Some(State::InDoubt(entry)) = self.states.get(index) else { return };
        let is_moved = match entry.org.compare(now) {
            SameOrg::Yes => false,
            SameOrg::No => true,
            // That it is absent in what may be another org would prove nothing.
            SameOrg::Unknown => !same_org,
        };
        if !is_moved {
            return;
        }
        if entry.key.is_some() {
            let outcome = blocked(entry, Conflict::LabelMoved);
            self.end(index, outcome);
        } else if let Some(state) = self.states.get_mut(index) {
            // A create without a key is of this row only if it is of the same org.
            *state = State::Left { note: None };
        }
    }

    /// Ends a row that the list of its org's portals decides. A doubt is determined by a list of its own.
    pub(crate) fn list(&mut self, index: usize, portals: &[Portal], allow_another: bool) {
        let (Some(row), Some(State::Left { .. })) = (self.rows.get(index), self.states.get(index))
        else {
            return;
        };
        let (name, create) = (row.name.clone(), row.create());
        if let Some(portal) = portals.iter().find(|portal| create.includes(&portal.name)) {
            let is_own = self.made.contains(&rows::key(&row.profile, &portal.name));
            self.foreign += usize::from(!is_own);
            let (portal, origin, taken) = (portal.clone(), Origin::Preexisting, Vec::new());
            self.end(index, Outcome::Present { portal, origin, taken });
        } else if let Some(portal) = portals.first().filter(|_| !allow_another) {
            self.end(index, Outcome::OrgHasPortal { name, portal: portal.clone() });
        }
    }

    /// Ends a row of an org in which every create is rejected with `error`.
    pub(crate) fn reject(&mut self, index: usize, error: &ApiError) {
        if let (Some(row), Some(State::Left { .. })) =
            (self.rows.get(index), self.states.get(index))
        {
            self.end(index, Outcome::Rejected { name: row.name.clone(), error: error.clone() });
        }
    }

    /// Notes that the org of a row could not be looked at.
    pub(crate) fn leave_unchecked(&mut self, index: usize, why: &str) {
        if let Some(state @ State::Left { .. }) = self.states.get_mut(index) {
            *state = State::Unchecked(why.to_owned());
        }
    }
}

/// The state by the last entry of a row whose profile states `org`.
fn state(row: &Row, entry: &Entry, org: Option<&Org>) -> State {
    let is_created = has_portal(entry);
    if !is_created && !entry.is_in_doubt() {
        return State::Left { note: entry.ending().and_then(|ending| ending.cause.clone()) };
    }
    let is_moved = org.zip(entry.org.org()).is_some_and(|(now, then)| now.id != then.id);
    if is_moved && entry.key.is_none() {
        State::Left { note: None }
    } else if is_moved {
        State::Ended(Box::new(blocked(entry, Conflict::LabelMoved)))
    } else if !row.create().includes(entry.name()) {
        State::Ended(Box::new(blocked(entry, Conflict::NameDropped)))
    } else if is_created {
        State::Earlier(Box::new(created(entry, row)))
    } else {
        State::InDoubt(Box::new(entry.clone()))
    }
}

/// Whether its portal is the doing of the operation.
fn has_portal(entry: &Entry) -> bool {
    entry.ending().is_some_and(|ending| ending.kind.is_own())
}

/// Whether it is a row in doubt of a file, and none of `keys`.
fn is_dropped(entry: &Entry, keys: &HashSet<String>) -> bool {
    let (Operation::Create(create), Some(label), Some(key)) =
        (&entry.operation, &entry.label, &entry.key)
    else {
        return false;
    };
    entry.is_in_doubt() && *key == rows::key(label, create.name.as_str()) && !keys.contains(key)
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
