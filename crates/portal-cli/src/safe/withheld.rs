//! Failures of a create or a rename before anything is sent.

use std::fmt::Display;
use std::time::Duration;

use portal_model::CreateOperation;

use crate::org::place::Place;
use crate::report::exit::ExitClass;
use crate::report::failure::{Details, ErrorKind, Failure};
use crate::safe::intent_log::Entry;

/// Another process is creating this portal.
pub(super) fn in_progress(wish: &CreateOperation, place: &Place) -> Failure {
    let name = &wish.name;
    let message = format!("{name} is in progress in another process; nothing was sent");
    Failure::new(ErrorKind::InProgress, message).hint(format!(
        "wait for that process, then run `portal recover {name}{}`",
        place.arguments()
    ))
}

/// Another create in the org did not end in time.
pub(super) fn org_busy(wish: &CreateOperation, is_in_doubt: bool) -> Failure {
    let why = "another create in this org did not end before the deadline";
    let failure = Failure::new(ErrorKind::OrgBusy, why)
        .hint("wait for it and run the same command again, or lengthen `--deadline`");
    not_created(wish, is_in_doubt, failure)
}

/// The effect of the discarded create `entry` may still appear for the time `left`.
pub(super) fn discarded(wish: &CreateOperation, entry: &Entry, left: Duration) -> Failure {
    let (name, seconds) = (entry.name(), whole_seconds(left));
    let why = format!(
        "the outcome of {name} was discarded, and its portal may still appear in this org for \
         {seconds} s"
    );
    let failure = Failure::new(ErrorKind::OrgInDoubt, why).hint(format!(
        "run the same command again in {seconds} s, lengthen `--deadline`, or pass \
         `--allow-another` to create a second one"
    ));
    let failure = failure.details(Details::SafeAfter { safe_after: seconds });
    not_created(wish, entry.concerns(wish), failure)
}

/// A list may still show the old name of `rename` for the time `left`.
pub(super) fn unlisted(
    wish: &CreateOperation,
    is_in_doubt: bool,
    rename: &Entry,
    old: &str,
    left: Duration,
) -> Failure {
    let (new, seconds) = (rename.name(), whole_seconds(left));
    let why = format!(
        "{old} was renamed to {new} a moment ago, and the org's list may still show it for \
         {seconds} s"
    );
    let failure = Failure::new(ErrorKind::OrgBusy, why)
        .hint(format!("run the same command again in {seconds} s, or lengthen `--deadline`"));
    not_created(wish, is_in_doubt, failure)
}

/// The create was [`withheld`].
pub(super) fn not_created(wish: &CreateOperation, is_in_doubt: bool, why: Failure) -> Failure {
    withheld(&wish.name, "created", is_in_doubt, why)
}

/// Nothing was sent for the reason `why`: `name` was not `done`, or, if an earlier request is in doubt,
/// that is not known. `done` is `created` or `renamed`.
pub(crate) fn withheld(name: impl Display, done: &str, is_in_doubt: bool, why: Failure) -> Failure {
    let reason = &why.report.message;
    if is_in_doubt {
        let so_far = format!("it is not known whether {name} was {done}, nothing was sent now");
        let message = format!("{so_far}: {reason}");
        return why.message(message).exit(ExitClass::Unknown);
    }
    let message = format!("{name} was not {done}, nothing was sent: {reason}");
    why.message(message)
}

/// Rounds up.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
