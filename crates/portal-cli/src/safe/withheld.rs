//! Failures of a create before anything is sent.

use portal_model::CreateOperation;
use std::time::Duration;

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
    withheld(
        wish,
        is_in_doubt,
        ErrorKind::OrgBusy,
        "another create in this org did not end before the deadline",
        "wait for it and run the same command again, or lengthen `--deadline`".to_owned(),
    )
}

/// The effect of the discarded create `entry` may still appear for the time `left`.
pub(super) fn discarded(wish: &CreateOperation, entry: &Entry, left: Duration) -> Failure {
    let seconds = whole_seconds(left);
    let failure = withheld(
        wish,
        entry.concerns(wish),
        ErrorKind::OrgInDoubt,
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
    failure.details(Details::SafeAfter { safe_after: seconds })
}

/// A list may still show the old name of `rename` for the time `left`.
pub(super) fn unlisted(
    wish: &CreateOperation,
    is_in_doubt: bool,
    rename: &Entry,
    old: &str,
    left: Duration,
) -> Failure {
    let seconds = whole_seconds(left);
    withheld(
        wish,
        is_in_doubt,
        ErrorKind::OrgBusy,
        &format!(
            "{old} was renamed to {} a moment ago, and the org's list may still show it for \
             {seconds} s",
            rename.name()
        ),
        format!("run the same command again in {seconds} s, or lengthen `--deadline`"),
    )
}

/// The create was withheld for the reason `why`. `is_in_doubt` tells whether an earlier one of the
/// name may have taken effect.
pub(super) fn withheld(
    wish: &CreateOperation,
    is_in_doubt: bool,
    kind: ErrorKind,
    why: &str,
    hint: String,
) -> Failure {
    let name = &wish.name;
    let (exit, message) = if is_in_doubt {
        let so_far = format!("it is not known whether {name} was created, nothing was sent now");
        (ExitClass::Unknown, format!("{so_far}: {why}"))
    } else {
        (ExitClass::Unavailable, format!("{name} was not created, nothing was sent: {why}"))
    };
    Failure::new(kind, message).exit(exit).hint(hint)
}

/// Rounds up.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
