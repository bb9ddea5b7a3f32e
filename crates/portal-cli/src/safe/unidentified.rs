//! The failure of a command whose org cannot be determined: nothing is sent (rule 10).

use portal_http::client::ClientError;

use crate::org::identity::Identity;
use crate::org::place::Place;
use crate::org::target::Target;
use crate::report::call_error;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::safe::intent_log::{Entry, IntentLog, State};

/// Returns the failure of a create or rename of `names`, the requested name first, whose org could
/// not be determined because of `error`. `done` is `created` or `renamed`.
///
/// A portal that an earlier run left in doubt there is still in doubt.
pub(crate) async fn unidentified(
    log: &IntentLog,
    target: &Target,
    names: &[String],
    done: &str,
    error: &ClientError,
) -> Failure {
    let (known, place) = (&target.declared_identity(), &target.place);
    let failure = call_error::unidentified(error);
    let name = names.first().map_or("the portal", String::as_str);
    let why = &failure.report.message;
    let (exit, message) = match unfinished(log, known, place, names).await {
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
            format!("it is not known whether {name} was {done}, nothing was sent now: {error:#}"),
        ),
    };
    failure.message(message).exit(exit)
}

/// Returns what is unfinished there about one of `names`.
///
/// # Errors
/// If that cannot be read.
async fn unfinished(
    log: &IntentLog,
    known: &Identity,
    place: &Place,
    names: &[String],
) -> anyhow::Result<Option<Entry>> {
    let found = log.about(known, names).await?;
    if let Some(file) = found.unreadable.into_iter().find(|file| file.is_of(known, names)) {
        return Err(file.error.context(format!("cannot read {}", file.path.display())));
    }
    Ok(found.entries.into_iter().find(|entry| {
        (entry.is_in(known) || entry.history.whose.place == *place)
            && names.iter().any(|name| entry.has_name(name))
            && entry.state() != State::Receipt
    }))
}
