//! An entry of the ledger in words, and as an object.

use std::time::{Duration, SystemTime};

use portal_ledger::{EndingKind, Entry, Late, Moment, State};
use portal_model::{Operation, Portal};
use serde::Serialize;

use crate::report::activity::ago;
use crate::report::place::Place;

/// An earlier create or rename, newest first. `entry` is all that the ledger has of it.
#[derive(Serialize)]
pub(crate) struct EntryObject<'a> {
    /// The portal's name: with fallbacks the one that was tried last, of a rename the new one.
    name: &'a str,
    /// The profile that it was begun with; null without one.
    profile: Option<&'a str>,
    effect: &'static str,
    /// Of a rename.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_name: Option<&'a str>,
    state: EntryState,
    /// When it was begun, by the clock of that machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<String>,
    entry: &'a Entry,
    /// What its portal is called since a later rename.
    #[serde(skip)]
    by_now: Option<&'a str>,
}

/// What came of it. `begun` or `nothing_sent`: nothing was sent. `in_doubt`: a request may have taken effect; `portal
/// recover` determines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EntryState {
    Begun,
    UnderWay,
    InDoubt,
    Created,
    Renamed,
    Appeared,
    Present,
    NothingSent,
    NotCreated,
    NotRenamed,
    NameTaken,
}

impl<'a> EntryObject<'a> {
    pub(crate) fn new(entry: &'a Entry, by_now: Option<&'a str>, now: &Moment) -> Self {
        let (effect, old_name, name) = match &entry.operation {
            Operation::Rename(rename) => ("rename", Some(&*rename.old), rename.new.as_str()),
            Operation::Create(_) => ("create", None, entry.name()),
        };
        let (profile, begun) = (entry.label.as_deref(), begun_text(entry));
        let state = EntryState::of(entry, now);
        Self { name, profile, effect, old_name, state, begun, entry, by_now }
    }

    /// `AcmePortal`, `not created`, `3m ago`, `acme, org Acme Inc. (7000)`: cells of a table.
    pub(crate) fn cells(&self, now: SystemTime) -> [String; 4] {
        let name = match self.old_name {
            Some(old) => format!("{old} → {}", self.name),
            None => self.name.to_owned(),
        };
        let begun = begun(self.entry).map(|time| ago(time, now)).unwrap_or_default();
        [name, self.what().to_owned(), begun, self.place()]
    }

    /// What was done, in the past tense.
    const fn what(&self) -> &'static str {
        match self.state {
            EntryState::Begun => "begun",
            EntryState::UnderWay => "under way",
            EntryState::InDoubt => "in doubt",
            EntryState::Created => "created",
            EntryState::Renamed => "renamed",
            EntryState::Appeared => "appeared",
            EntryState::Present if self.old_name.is_some() => "had the name",
            EntryState::Present => "existed",
            EntryState::NothingSent => "nothing sent",
            EntryState::NotCreated => "not created",
            EntryState::NotRenamed => "not renamed",
            EntryState::NameTaken => "name taken",
        }
    }

    /// Below its cells: why, and what its portal is called now.
    pub(crate) fn note(&self) -> Option<String> {
        let by_now = self.by_now.map(|name| format!("renamed since: {name}"));
        let notes: Vec<_> = self.why().into_iter().chain(by_now).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }

    /// Why, if there is more to say.
    fn why(&self) -> Option<String> {
        let first = self.entry.operation.names().next().unwrap_or_default();
        let cause = self.entry.ending().and_then(|ending| ending.cause.as_deref());
        match (self.state, cause) {
            // A sentence, of which the line has the first half already.
            (_, Some(cause)) => Some(match cause.split_once(": ") {
                Some((what, why)) if what.contains(self.entry.name()) => why.to_owned(),
                _ => cause.to_owned(),
            }),
            (EntryState::Appeared, None) => Some("after a response that was lost".to_owned()),
            (EntryState::InDoubt, None) => {
                Some("its process ended before the outcome was recorded".to_owned())
            }
            (EntryState::Begun, None) => Some("nothing was sent".to_owned()),
            (EntryState::Created, None) if self.name != first => {
                Some(format!("instead of {first}"))
            }
            _ => None,
        }
    }

    fn place(&self) -> String {
        match (Place::of(self.entry), self.entry.org.org()) {
            (Place::Profile(profile), Some(org)) => format!("{profile}, org {org}"),
            (Place::Profile(profile), None) => profile,
            (Place::Local, _) => Place::Local.to_string(),
            (Place::Explicit(_), _) => self.entry.org.to_string(),
        }
    }
}

impl EntryState {
    fn of(entry: &Entry, now: &Moment) -> Self {
        let is_rename = matches!(entry.operation, Operation::Rename(_));
        match &entry.state {
            State::Open(_) if entry.is_under_way(now) => Self::UnderWay,
            State::Open(_) if entry.attempts == 0 => Self::Begun,
            State::Open(_) => Self::InDoubt,
            State::Ended { ending, .. } => match ending.kind {
                EndingKind::Created => Self::Created,
                EndingKind::Renamed => Self::Renamed,
                EndingKind::Appeared => Self::Appeared,
                EndingKind::Present => Self::Present,
                // Which says nothing of what the org has.
                EndingKind::NotDone if entry.attempts == 0 => Self::NothingSent,
                EndingKind::NotDone if is_rename => Self::NotRenamed,
                EndingKind::NotDone => Self::NotCreated,
                // A copy of the attempt may have taken it.
                EndingKind::NameTaken => Self::NameTaken,
                // An ending that this version does not know proves nothing.
                _ => Self::InDoubt,
            },
        }
    }
}

/// When an entry was begun, by the wall clock: for people, never for a decision.
pub(crate) fn begun(entry: &Entry) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(entry.about.wall_time?))
}

fn begun_text(entry: &Entry) -> Option<String> {
    begun(entry).map(|time| humantime::format_rfc3339_seconds(time).to_string())
}

/// What a later list shows against an earlier ending.
#[derive(Serialize)]
pub(crate) struct LateObject<'a> {
    name: &'a str,
    profile: Option<&'a str>,
    outcome: &'static str,
    portal: &'a Portal,
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<String>,
}

/// What a list shows against an earlier ending, in words and as an object; `None` if this version has no
/// words for it.
pub(crate) fn late<'a>(entry: &'a Entry, late: &'a Late) -> Option<(String, LateObject<'a>)> {
    let (outcome, portal) = match late {
        Late::Done(portal) => ("appeared_late", portal),
        Late::Twin(portal) => ("twin", portal),
        _ => return None,
    };
    let (name, time) = (entry.name(), begun_text(entry));
    let begun = time.as_ref().map(|time| format!(" (begun {time})")).unwrap_or_default();
    let profile = entry.label.as_deref();
    let object = LateObject { name, profile, outcome, portal, begun: time };
    let was_taken = entry.ending().is_some_and(|ending| ending.kind == EndingKind::NameTaken);
    let text = match late {
        Late::Twin(_) => format!(
            "the org has {} beside {name}: an attempt to create {name}{begun} may have taken effect \
             late",
            portal.name
        ),
        _ if was_taken => format!(
            "{name}, which an earlier run{begun} found taken, is in this org: a copy of its request \
             took the name, or somebody else did"
        ),
        _ => format!(
            "{name} exists now although an earlier run of it was reported as not done{begun}: it took \
             effect late, or somebody else did it"
        ),
    };
    Some((text, object))
}
