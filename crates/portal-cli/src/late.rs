//! Portals that appeared after they had been reported as not created (rule 11).

use portal_http::client::Client;
use portal_model::{ListPortals, Portal};

use crate::intent_log::{Entry, IntentLog, State};
use crate::printer::Printer;

/// Of `entries` of one org, those that were reported as not created, after a doubt, and that
/// `portals` shows. A later create of the same name explains the portal.
pub(crate) fn appeared<'a>(entries: &'a [Entry], portals: &[Portal]) -> Vec<&'a Entry> {
    let explains = |entry: &Entry| {
        let end = entry.history.end.as_ref();
        entry.state() != State::Receipt || end.is_some_and(|end| end.ending.is_done())
    };
    let is_explained = |late: &Entry| {
        let begun = late.history.begun.time();
        let later = entries.iter().filter(|entry| entry.history.begun.time() > begun);
        let mut of_name = later.filter(|entry| entry.name().eq_ignore_ascii_case(late.name()));
        of_name.any(explains)
    };
    let is_there =
        |late: &Entry| portals.iter().any(|portal| portal.name.eq_ignore_ascii_case(late.name()));
    let late = entries.iter().filter(|entry| entry.may_appear_late());
    late.filter(|entry| is_there(entry) && !is_explained(entry)).collect()
}

/// The sentence about one.
pub(crate) fn text(entry: &Entry) -> String {
    format!(
        "{} exists now although an earlier create of it was reported as not created or given up \
         (begun {}): it took effect late, or somebody else created it",
        entry.name(),
        humantime::format_rfc3339_seconds(entry.history.begun.time())
    )
}

/// Lists the org's portals if one of `entries` may have appeared late, and warns of each that did.
/// A list that fails is left to the next time.
pub(crate) async fn warn(log: &IntentLog, client: &Client, entries: &[Entry], printer: &Printer) {
    if !entries.iter().any(Entry::may_appear_late) {
        return;
    }
    let Ok(portals) = client.call(&ListPortals).await else { return };
    for entry in appeared(entries, &portals) {
        printer.warning(text(entry));
        // It counts as a receipt of the portal from now on, and is not mentioned again.
        if let Err(error) = log.appeared(entry).await {
            tracing::warn!(%error, "the intent log was not updated");
        }
    }
}
