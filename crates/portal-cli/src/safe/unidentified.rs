//! Nothing is sent if it cannot be determined which org this is (rule 10).

use crate::org::identity::Identity;
use crate::org::place::Place;
use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorReport, Failure};
use crate::safe::intent_log::{IntentLog, State};

/// The failure of an effect on the portals `names`, the first of which is wanted, in a place whose
/// org could not be determined because of `failure`. `known` is what is known of the org without
/// asking the service; `done` is `created` or `renamed`.
///
/// If an earlier run left one of the portals in doubt there, it is in doubt still.
pub(crate) async fn unidentified(
    log: &IntentLog,
    known: &Identity,
    place: &Place,
    names: &[String],
    done: &str,
    failure: Failure,
) -> Failure {
    let name = names.first().map_or("the portal", String::as_str);
    let report = *failure.report;
    let why = &report.message;
    let earlier = log.about(known, names).await.map(|found| {
        found.entries.into_iter().find(|entry| {
            (entry.is_in(known, place) || entry.history.whose.place == *place)
                && names.iter().any(|name| entry.has_name(name))
                && entry.state() != State::Receipt
        })
    });
    let (exit, message) = match earlier {
        Ok(None) => (failure.exit, format!("{name} was not {done}, nothing was sent: {why}")),
        Ok(Some(entry)) => (
            ExitClass::Unknown,
            format!(
                "{} is in doubt from an earlier run; nothing was sent now: {why}",
                entry.name()
            ),
        ),
        Err(error) => (
            ExitClass::Unknown,
            format!("it is not known whether {name} was {done}, nothing was sent now: {error}"),
        ),
    };
    Failure::new(exit, ErrorReport { message, ..report })
}
