//! [`Plan`]: what was done of a file, what is there, what is in doubt, and what is left.
//!
//! A row is its profile and its first name: the ledger has what earlier runs did about it, under that
//! key, whatever else the file had then. Data only, so that a plan shown, a plan run and a report are
//! the same.

use std::collections::{HashMap, HashSet};

use portal_ledger::{EndingKind, Entry};
use portal_model::flow::Intent;
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
    /// The keys of all portals that this ledger has the creates or renames of.
    made: HashSet<String>,
}

/// What is known of a row before anything is sent for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// It created its portal earlier.
    Created(Box<Entry>),
    /// Its profile leads to another org than the one where it was created or left in doubt.
    Moved { entry: Box<Entry>, now: Box<OrgIdentity> },
    /// It was created or left in doubt under a fallback that it does not have any more.
    Dropped(Box<Entry>),
    /// An attempt of it may have taken effect, which is determined first.
    InDoubt(Box<Entry>),
    /// Its portal exists, and was not created by it.
    Exists {
        portal: Box<Portal>,
        /// Whether the ledger has the create or rename that made it.
        is_known: bool,
    },
    /// Its org has another portal.
    OrgHasPortal(Box<Portal>),
    /// The service rejects every create.
    NotPermitted(Box<ApiError>),
    /// It would be created.
    New(New),
}

/// A row that would be created.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct New {
    /// What came of it last time: what the service said, or why nothing was sent.
    pub(crate) last: Option<String>,
    /// Why its org could not be looked at.
    pub(crate) unchecked: Option<String>,
}

/// What the ledger has of a row.
#[derive(Clone, Copy, Default)]
struct Found<'a> {
    /// The last entry with its key.
    own: Option<&'a Entry>,
    /// The last create of its profile and name without a key, such as that of `portal create`.
    other: Option<&'a Entry>,
}

impl Plan {
    /// The plan as far as the ledger has it. `entries` are those of the profiles, newest first, and all
    /// that are unfinished; `org` is the one that a profile states.
    pub(crate) fn new<'o>(
        rows: Vec<Row>,
        entries: &[Entry],
        org: impl Fn(&str) -> Option<&'o Org>,
    ) -> Self {
        let mut found = HashMap::<String, Found<'_>>::new();
        for entry in entries {
            let Operation::Create(create) = &entry.operation else { continue };
            if let Some(key) = &entry.key {
                found.entry(key.clone()).or_default().own.get_or_insert(entry);
            } else if let Some(label) = &entry.label {
                let key = rows::key(label, create.name.as_str());
                found.entry(key).or_default().other.get_or_insert(entry);
            }
        }
        let state = |row: &Row| {
            let state = found.get(&row.key()).copied().unwrap_or_default().state(row);
            match (state.entry(), org(&row.profile)) {
                (Some(entry), Some(org)) => {
                    let now = entry.org.clone().with_org(Some(org.clone()));
                    state.in_org(&now, true)
                }
                _ => state,
            }
        };
        let states = rows.iter().map(state).collect();
        let is_own = |entry: &&Entry| has_portal(entry);
        let made = entries
            .iter()
            .filter(is_own)
            .filter_map(|entry| Some(rows::key(entry.label.as_ref()?, entry.name())));
        let made = made.collect();
        let keys: HashSet<String> = rows.iter().map(Row::key).collect();
        let dropped = entries.iter().filter(|entry| is_dropped(entry, &keys)).cloned().collect();
        Self { rows, states, dropped, made }
    }

    pub(crate) fn update(&mut self, index: usize, update: impl FnOnce(State) -> State) {
        if let Some(state) = self.states.get_mut(index) {
            *state = update(state.clone());
        }
    }

    /// Completes the state of a row by the list of its org's portals. A doubt is determined by a list of
    /// its own.
    pub(crate) fn list(&mut self, index: usize, portals: &[Portal], allow_another: bool) {
        let (Some(row), Some(state @ State::New(_))) =
            (self.rows.get(index), self.states.get_mut(index))
        else {
            return;
        };
        let create = row.create();
        if let Some(portal) = portals.iter().find(|portal| create.includes(&portal.name)) {
            let is_known = self.made.contains(&rows::key(&row.profile, &portal.name));
            *state = State::Exists { portal: Box::new(portal.clone()), is_known };
        } else if let Some(portal) = portals.first().filter(|_| !allow_another) {
            *state = State::OrgHasPortal(Box::new(portal.clone()));
        }
    }

    /// The rows for which something may be sent, in the order of the file.
    pub(crate) fn left(&self) -> impl Iterator<Item = (usize, &Row)> {
        let rows = self.rows.iter().enumerate().zip(&self.states);
        rows.filter_map(|(row, state)| state.may_be_sent().then_some(row))
    }
}

impl Found<'_> {
    /// The state, wherever the row's profile leads.
    fn state(self, row: &Row) -> State {
        let Some(entry) = self.own.or(self.other.filter(|other| other.is_in_doubt())) else {
            return State::New(New::default());
        };
        let is_created = has_portal(entry);
        if !is_created && !entry.is_in_doubt() {
            let last = entry.ending().and_then(|ending| ending.cause.clone());
            State::New(New { last, ..New::default() })
        } else if !row.create().includes(entry.name()) {
            State::Dropped(Box::new(entry.clone()))
        } else if is_created {
            State::Created(Box::new(entry.clone()))
        } else {
            State::InDoubt(Box::new(entry.clone()))
        }
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

impl State {
    /// Whether running the row may send its create.
    pub(crate) fn may_be_sent(&self) -> bool {
        match self {
            Self::InDoubt(_) | Self::New(_) => true,
            Self::Created(_)
            | Self::Moved { .. }
            | Self::Dropped(_)
            | Self::Exists { .. }
            | Self::OrgHasPortal(_)
            | Self::NotPermitted(_) => false,
        }
    }

    /// The org of a row that was created earlier.
    pub(crate) fn created_in(&self) -> Option<&OrgIdentity> {
        match self {
            Self::Created(entry) => Some(&entry.org),
            _ => None,
        }
    }

    /// What the ledger has of its portal, or of what may have created it.
    fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Created(entry)
            | Self::Moved { entry, .. }
            | Self::Dropped(entry)
            | Self::InDoubt(entry) => Some(entry),
            Self::Exists { .. } | Self::OrgHasPortal(_) | Self::NotPermitted(_) | Self::New(_) => {
                None
            }
        }
    }

    /// The outcome of a row for which nothing needs to be sent, or may be.
    pub(crate) fn outcome(&self, row: &Row) -> Option<Outcome> {
        let name = row.name.clone();
        match self {
            Self::Created(entry) => Some(created(entry, row)),
            Self::Exists { portal, .. } => Some(Outcome::Present {
                portal: (**portal).clone(),
                origin: Origin::Preexisting,
                taken: Vec::new(),
            }),
            Self::OrgHasPortal(portal) => {
                Some(Outcome::OrgHasPortal { name, portal: (**portal).clone() })
            }
            Self::NotPermitted(error) => Some(Outcome::Rejected { name, error: (**error).clone() }),
            Self::Moved { entry, .. } => Some(blocked(entry, row, Conflict::LabelMoved)),
            Self::Dropped(entry) => Some(blocked(entry, row, Conflict::NameDropped)),
            Self::InDoubt(_) | Self::New(_) => None,
        }
    }

    /// The state if the row's profile leads to `now`. With `same_org` that is the same org as before
    /// unless both ids are known.
    #[must_use]
    pub(crate) fn in_org(self, now: &OrgIdentity, same_org: bool) -> Self {
        let Some(entry) = self.entry() else { return self };
        let is_moved = match entry.org.compare(now) {
            SameOrg::Yes => false,
            SameOrg::No => true,
            // That it is absent in what may be another org would prove nothing.
            SameOrg::Unknown => !same_org && matches!(self, Self::InDoubt(_)),
        };
        if !is_moved {
            return self;
        }
        match entry.key {
            Some(_) => Self::Moved { entry: Box::new(entry.clone()), now: Box::new(now.clone()) },
            // A create without a key is of this row only if it is of the same org.
            None => Self::New(New::default()),
        }
    }

    /// The state if creates are rejected with `error`.
    #[must_use]
    pub(crate) fn without_permission(self, error: &ApiError) -> Self {
        match self {
            Self::New(_) => Self::NotPermitted(Box::new(error.clone())),
            state => state,
        }
    }

    /// The state if the org could not be looked at.
    #[must_use]
    pub(crate) fn unchecked(self, why: &str) -> Self {
        match self {
            Self::New(new) => Self::New(New { unchecked: Some(why.to_owned()), ..new }),
            state => state,
        }
    }
}

/// The outcome of a row that the ledger has as created.
fn created(entry: &Entry, row: &Row) -> Outcome {
    let taken = match &entry.intent {
        Some(Intent::Create(intent)) => intent.taken.clone(),
        _ => Vec::new(),
    };
    let has_appeared = entry.ending().is_some_and(|ending| ending.kind == EndingKind::Appeared);
    if has_appeared {
        let portal = Portal::new(entry.name());
        return Outcome::Present { portal, origin: Origin::Appeared, taken };
    }
    let is_it = |name: &&PortalName| name.is_same_as(entry.name());
    let name = row.create().names().find(is_it).unwrap_or(&row.name).clone();
    Outcome::Created { name, taken }
}

/// The outcome of a row that contradicts what the ledger has.
fn blocked(entry: &Entry, row: &Row, conflict: Conflict) -> Outcome {
    let name = entry.name().to_owned();
    if entry.is_in_doubt() {
        Outcome::Unknown { name, doubt: Doubt::Earlier, why: Unverified::Conflict(conflict) }
    } else {
        let why = NotDone::Conflict { conflict, name };
        Outcome::NotCreated { name: row.name.clone(), why }
    }
}

#[cfg(test)]
mod tests;
