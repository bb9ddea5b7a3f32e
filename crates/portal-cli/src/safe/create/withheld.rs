//! Failures of a create before anything is sent.

use serde_json::json;

use super::wish::Wish;
use crate::org::place::Place;
use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorReport, Failure};
use crate::safe::intent_log::Entry;

/// Another process is creating this portal.
pub(super) fn in_progress(wish: &Wish, place: &Place) -> Failure {
    let name = &wish.name;
    let message = format!("{name} is in progress in another process; nothing was sent");
    Failure::new(ExitClass::Unknown, ErrorReport::new("in_progress", message)).hint(format!(
        "wait for that process, then run `portal recover {name}{}`",
        place.arguments()
    ))
}

/// Another create in the org did not end in time.
pub(super) fn org_busy(wish: &Wish) -> Failure {
    withheld(
        wish,
        "org_busy",
        "another create in this org did not end before the deadline",
        "wait for it and run the same command again, or lengthen `--deadline`".to_owned(),
    )
}

/// The effect of the discarded create `entry` may still appear for `seconds`.
pub(super) fn discarded(wish: &Wish, entry: &Entry, seconds: u64) -> Failure {
    let withheld = if wish.concerns(entry) { unknown } else { withheld };
    let mut failure = withheld(
        wish,
        "org_in_doubt",
        &format!(
            "the outcome of {} was discarded, and its portal may still appear in this org for \
             {seconds} s",
            entry.name()
        ),
        format!(
            "run the same command again in {seconds} s, lengthen `--deadline`, or pass \
             `--allow-another` to create a second one"
        ),
    );
    failure.report.details = Some(json!({ "safe_after": seconds }));
    failure
}

/// The create was withheld because an earlier one of the name may have taken effect: `why`.
pub(super) fn unknown(wish: &Wish, kind: &'static str, why: &str, hint: String) -> Failure {
    let name = &wish.name;
    let message =
        format!("it is not known whether {name} was created, nothing was sent now: {why}");
    Failure::new(ExitClass::Unknown, ErrorReport::new(kind, message)).hint(hint)
}

/// The create was withheld for the reason `why`.
pub(super) fn withheld(wish: &Wish, kind: &'static str, why: &str, hint: String) -> Failure {
    let message = format!("{} was not created, nothing was sent: {why}", wish.name);
    Failure::new(ExitClass::Unavailable, ErrorReport::new(kind, message)).hint(hint)
}
