//! An entry of the ledger in words, and as an object.

use std::time::{Duration, SystemTime};

use portal_ledger::{EndingKind, Entry, State};
use portal_model::Operation;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::report::activity::about;

/// An earlier create or rename, newest first. `entry` is all that the ledger has of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "history")]
pub(crate) struct EntryObject<'a> {
    /// The portal's name: with fallbacks the one that was tried last, of a rename the new one.
    name: &'a str,
    /// The profile that it was begun with; null without one.
    profile: Option<&'a str>,
    #[schemars(extend("enum" = ["create", "rename"]))]
    effect: &'static str,
    /// Of a rename.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_name: Option<&'a str>,
    state: EntryState,
    /// When it was begun, by the clock of that machine.
    #[schemars(extend("format" = "date-time"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<String>,
    #[schemars(with = "Map<String, Value>")]
    entry: &'a Entry,
}

/// What came of it. `open`: it is under way, or its process has ended before the outcome was known.
/// `unknown`: a request may have taken effect; `portal recover` determines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EntryState {
    Open,
    Created,
    Renamed,
    Appeared,
    Present,
    NotCreated,
    NotRenamed,
    Unknown,
}

impl<'a> EntryObject<'a> {
    pub(crate) fn new(entry: &'a Entry) -> Self {
        let (effect, old_name) = match &entry.operation {
            Operation::Rename(rename) => ("rename", Some(rename.old.as_str())),
            _ => ("create", None),
        };
        let begun = begun(entry).map(|time| humantime::format_rfc3339_seconds(time).to_string());
        let (name, profile) = (entry.name(), entry.label.as_deref());
        Self { name, profile, effect, old_name, state: EntryState::of(entry), begun, entry }
    }

    /// `AcmePortal`, `created`, `3 minutes ago`, `org Acme Inc. (7000)`: cells of a table.
    pub(crate) fn cells(&self, now: SystemTime) -> [String; 4] {
        let name = match self.old_name {
            Some(old) => format!("{old} → {}", self.name),
            None => self.name.to_owned(),
        };
        let begun = begun(self.entry).map(|time| ago(time, now)).unwrap_or_default();
        [name, self.what(), begun, self.place()]
    }

    /// What was done, in the past tense.
    fn what(&self) -> String {
        let is_asked_for = self.entry.operation.names().next() == Some(self.name);
        let words = match self.state {
            EntryState::Open if self.entry.attempts == 0 => "begun; nothing was sent",
            EntryState::Open => "sent; the outcome was not determined",
            EntryState::Created if is_asked_for => "created",
            EntryState::Created => return format!("created instead of {}", self.first()),
            EntryState::Renamed => "renamed",
            EntryState::Appeared => "appeared after a lost response",
            EntryState::Present if self.old_name.is_some() => "had the new name",
            EntryState::Present => "existed",
            EntryState::NotCreated => "not created",
            EntryState::NotRenamed => "not renamed",
            EntryState::Unknown => "in doubt",
        };
        match self.entry.ending().and_then(|ending| ending.cause.as_deref()) {
            Some(cause) => format!("{words}: {cause}"),
            None => words.to_owned(),
        }
    }

    fn first(&self) -> &'a str {
        self.entry.operation.names().next().unwrap_or_default()
    }

    fn place(&self) -> String {
        let org = self.entry.org.org();
        match (&self.profile, org) {
            (Some(profile), Some(org)) => format!("{profile}, org {org}"),
            (Some(profile), None) => (*profile).to_owned(),
            (None, _) => self.entry.org.to_string(),
        }
    }
}

impl EntryState {
    pub(crate) fn of(entry: &Entry) -> Self {
        let is_rename = matches!(entry.operation, Operation::Rename(_));
        match &entry.state {
            State::Open(_) => Self::Open,
            State::Ended { ending, .. } => match ending.kind {
                EndingKind::Created => Self::Created,
                EndingKind::Renamed => Self::Renamed,
                EndingKind::Appeared => Self::Appeared,
                EndingKind::Present => Self::Present,
                EndingKind::NotDone if is_rename => Self::NotRenamed,
                EndingKind::NotDone => Self::NotCreated,
                // An ending that this version does not know proves nothing.
                _ => Self::Unknown,
            },
        }
    }
}

/// When an entry was begun, by the wall clock: for people, never for a decision.
fn begun(entry: &Entry) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(entry.about.wall_time?))
}

/// `3 minutes ago`; in its own words what was begun in the future of this clock.
fn ago(time: SystemTime, now: SystemTime) -> String {
    match now.duration_since(time) {
        Ok(time) => format!("{} ago", about(time)),
        Err(_) => humantime::format_rfc3339_seconds(time).to_string(),
    }
}
