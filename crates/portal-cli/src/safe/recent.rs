//! Later renames, and what lists may not show yet of creates and renames of a moment ago.

use std::time::Duration;

use portal_model::flow::Intent;
use portal_model::name::is_same_name;

use crate::safe::intent_log::{Ending, Entry};

/// Whether a later rename among the `entries` of its org gave the portal of `entry` another name: its
/// outcome is history.
pub(crate) fn is_superseded(entry: &Entry, entries: &[&Entry]) -> bool {
    let mut later = entries.iter().filter(|later| is_later(later, entry));
    later.any(|later| released(later).is_some_and(|old| is_same_name(old, entry.name())))
}

/// Returns the renames among the `entries` of one org that released a name which `is_wanted`, and
/// which no later entry gave to a portal again: a list may still show it.
pub(crate) fn renames_of<'a>(
    entries: &[&'a Entry],
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<&'a Entry> {
    let is_free = |rename: &Entry, old: &str| {
        let mut later = entries.iter().filter(|later| is_later(later, rename) && is_done(later));
        !later.any(|later| is_same_name(later.name(), old))
    };
    let is_of =
        |entry: &&&Entry| released(entry).is_some_and(|old| is_wanted(old) && is_free(entry, old));
    entries.iter().filter(is_of).copied().collect()
}

/// How long a list that lags by at most `list_lag` may still miss the effect of `entry`.
pub(crate) fn until_listed(entry: &Entry, list_lag: Duration) -> Duration {
    match entry.history.end.as_ref().map(|end| &end.ending) {
        Some(Ending::Created { .. } | Ending::Renamed) => {
            list_lag.saturating_sub(entry.attempt_age())
        }
        // Without effect, or on a list already.
        _ => Duration::ZERO,
    }
}

/// The name that `entry` released, if it is a rename that took effect.
fn released(entry: &Entry) -> Option<&str> {
    match &entry.history.intent {
        Intent::Rename(rename) if is_done(entry) => Some(&rename.old),
        _ => None,
    }
}

fn is_done(entry: &Entry) -> bool {
    entry.history.end.as_ref().is_some_and(|end| end.ending.is_done())
}

fn is_later(entry: &Entry, than: &Entry) -> bool {
    entry.history.begun.time() > than.history.begun.time()
}
