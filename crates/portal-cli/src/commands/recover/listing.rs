//! `--list`: what is unfinished, without sending anything.

use std::path::Path;
use std::time::Duration;

use portal_model::flow::Intent;
use schemars::JsonSchema;
use serde::Serialize;

use crate::safe::intent_log::{Entry, Moment, State};
use crate::terminal::printer::Printer;

/// A create or rename of which `portal recover` would determine the outcome.
#[derive(Serialize, JsonSchema)]
pub(in crate::commands) struct Listed<'a> {
    /// The portal's name; of a rename, the new one.
    name: &'a str,
    /// The profile whose org it is about; null without one.
    profile: Option<&'a str>,
    #[schemars(extend("enum" = ["create", "rename"]))]
    effect: &'static str,
    /// Of a rename.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_name: Option<&'a str>,
    /// `in_progress`: another process is at work on it. `in_doubt`: its process is dead, and a request
    /// may have taken effect. `not_reported`: its outcome is known, and was not printed.
    #[schemars(extend("enum" = ["in_progress", "in_doubt", "not_reported"]))]
    state: &'static str,
    /// The org in which it was begun, for people.
    org: String,
    #[schemars(extend("format" = "date-time"))]
    begun: String,
    age_seconds: u64,
    /// Of a row of a batch: the file of its journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    journal: Option<&'a Path>,
    /// Of a row of a batch, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    row: Option<usize>,
}

/// Prints a line for each.
pub(super) fn print(entries: &[&Entry], printer: &Printer) {
    printer.table(entries.iter().map(|entry| {
        let listed = Listed::new(entry);
        let age = Duration::from_secs(listed.age_seconds);
        let effect = match listed.old_name {
            Some(old) => format!("rename of {old}"),
            None => listed.effect.to_owned(),
        };
        let state = listed.state.replace('_', " ");
        let begun = format!("begun {} ago in {}", humantime::format_duration(age), listed.org);
        ([listed.name.to_owned(), format!("{effect}, {state}, {begun}")], listed)
    }));
}

impl<'a> Listed<'a> {
    fn new(entry: &'a Entry) -> Self {
        let whose = &entry.history.whose;
        let row = whose.batch_row.as_ref();
        let (effect, old_name) = match &entry.history.intent {
            Intent::Rename(rename) => ("rename", Some(rename.old.as_str())),
            _ => ("create", None),
        };
        Self {
            name: entry.name(),
            profile: whose.place.profile(),
            effect,
            old_name,
            state: match entry.state() {
                State::InProgress => "in_progress",
                State::InDoubt => "in_doubt",
                State::Undelivered | State::Receipt => "not_reported",
            },
            org: match whose.place.profile() {
                Some(profile) => format!("{} (profile {profile})", entry.identity()),
                None => entry.identity().to_string(),
            },
            begun: humantime::format_rfc3339_seconds(entry.history.begun.time()).to_string(),
            age_seconds: entry.history.begun.age(&Moment::now()).as_secs(),
            journal: row.map(|row| row.journal.as_path()),
            row: row.map(|row| row.row),
        }
    }
}
