//! Which org a create or rename is for, and its failure if that cannot be determined: nothing is sent
//! (rule 10).

use portal_http::client::ClientError;
use tokio::sync::watch;

use crate::org::destination::Org;
use crate::org::identity::Identity;
use crate::org::place::Place;
use crate::org::target::Target;
use crate::report::call_error;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::safe::intent_log::{Entry, IntentLog, State};
use crate::safe::withheld::withheld;
use crate::sys::signal::raised;

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
    match unfinished(log, known, place, names).await {
        Ok(None) => withheld(name, done, false, failure),
        Ok(Some(entry)) => {
            let (name, why) = (entry.name(), &failure.report.message);
            let message =
                format!("{name} is in doubt from an earlier run; nothing was sent now: {why}");
            failure.message(message).exit(ExitClass::Unknown)
        }
        Err(error) => withheld(name, done, true, failure.message(format!("{error:#}"))),
    }
}

/// Determines the org of `names`, as [`unidentified`] has them. Once the user stops, the result is
/// what is known without a request: what an earlier run left in doubt is looked up, nothing is sent.
pub(crate) async fn identify(
    log: &IntentLog,
    org: &Org,
    names: &[String],
    done: &str,
    stop: &mut watch::Receiver<bool>,
) -> Result<Identity, Failure> {
    let identified = tokio::select! {
        identified = org.identify() => identified,
        () = raised(stop) => Ok(org.known_identity()),
    };
    match identified {
        Ok(identity) => Ok(identity),
        Err(error) => Err(unidentified(log, &org.target, names, done, &error).await),
    }
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
