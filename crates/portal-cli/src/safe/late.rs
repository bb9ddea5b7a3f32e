//! Portals that appeared after being reported as not created (rule 11).

use portal_http::client::Client;
use portal_model::name::is_same_name;
use portal_model::{ListPortals, Portal};
use schemars::JsonSchema;
use serde::Serialize;

use crate::safe::intent_log::{Entry, IntentLog, State};
use crate::terminal::printer::Printer;

/// Returns the `entries` of one org that were reported as not created after a doubt, but whose
/// portal is in `portals`. A later create of the same name explains the portal.
pub(crate) fn appeared<'a>(entries: &'a [Entry], portals: &[Portal]) -> Vec<&'a Entry> {
    let explains = |entry: &Entry| {
        let end = entry.history.end.as_ref();
        entry.state() != State::Receipt || end.is_some_and(|end| end.ending.is_done())
    };
    let is_explained = |late: &Entry| {
        let begun = late.history.begun.time();
        let later = entries.iter().filter(|entry| entry.history.begun.time() > begun);
        let mut of_name = later.filter(|entry| is_same_name(entry.name(), late.name()));
        of_name.any(explains)
    };
    let is_there =
        |late: &Entry| portals.iter().any(|portal| is_same_name(&portal.name, late.name()));
    let late = entries.iter().filter(|entry| entry.may_appear_late());
    late.filter(|entry| is_there(entry) && !is_explained(entry)).collect()
}

/// The message about an entry.
pub(crate) fn text(entry: &Entry) -> String {
    format!(
        "{} exists now although an earlier create of it was reported as not created or given up \
         (begun {}): it took effect late, or somebody else created it",
        entry.name(),
        begun(entry)
    )
}

/// The portal exists, although an earlier create of it was reported as not created.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "appeared_late")]
pub(crate) struct Appeared<'a> {
    name: &'a str,
    /// The profile whose org it is about; null without one.
    profile: Option<&'a str>,
    #[schemars(extend("const" = "appeared_late"))]
    outcome: &'static str,
    /// When the create was begun.
    #[schemars(extend("format" = "date-time"))]
    begun: String,
}

impl<'a> Appeared<'a> {
    pub(crate) fn new(entry: &'a Entry) -> Self {
        Self {
            name: entry.name(),
            profile: entry.history.whose.place.profile(),
            outcome: "appeared_late",
            begun: begun(entry),
        }
    }
}

fn begun(entry: &Entry) -> String {
    humantime::format_rfc3339_seconds(entry.history.begun.time()).to_string()
}

/// Lists the org's portals if one of `entries` may have appeared late, and returns those that did.
/// If the list fails, the next run tries again.
pub(crate) async fn list_appeared<'a>(client: &Client, entries: &'a [Entry]) -> Vec<&'a Entry> {
    if !entries.iter().any(Entry::may_appear_late) {
        return Vec::new();
    }
    match client.call(&ListPortals).await {
        Ok(portals) => appeared(entries, &portals),
        Err(_) => Vec::new(),
    }
}

/// Prints a warning for each of `entries` that appeared late.
pub(crate) async fn warn(log: &IntentLog, client: &Client, entries: &[Entry], printer: &Printer) {
    for entry in list_appeared(client, entries).await {
        printer.warning(text(entry));
        note(log, entry).await;
    }
}

/// Records that the user was informed: the entry becomes a receipt of the portal and is not reported
/// again.
pub(crate) async fn note(log: &IntentLog, entry: &Entry) {
    if let Err(error) = log.appeared(entry).await {
        tracing::warn!(%error, "the intent log was not updated");
    }
}
