//! Determines the outcome of a dead process's intent by lists alone (rule 9).

use std::io;
use std::time::Duration;

use portal_http::client::{Client, Running};
use portal_model::flow::{Activity, Intent};
use portal_model::outcome::{NotDone, Origin};
use portal_model::{Outcome, Portal};
use tokio::sync::watch;

use crate::safe::intent_log::{Ending, Entry, IntentLog, OpenIntent, State, Taken};
use crate::sys::signal::raised;
use crate::terminal::printer::Printer;

/// The outcome of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recovered {
    Create(Outcome),
    Rename(Outcome),
}

impl Recovered {
    pub(crate) fn is_certain(&self) -> bool {
        match self {
            Self::Create(outcome) | Self::Rename(outcome) => outcome.is_certain(),
        }
    }

    /// The recorded outcome of an entry that took effect and was not delivered.
    pub(crate) fn recorded(entry: &Entry) -> Option<Self> {
        let end = entry.history.end.as_ref().filter(|_| entry.state() == State::Undelivered)?;
        match (&entry.history.intent, &end.ending) {
            (Intent::Create(intent), Ending::Created { .. }) => {
                let (name, taken) = (intent.name.clone(), intent.taken.clone());
                Some(Self::Create(Outcome::Created { name, taken }))
            }
            (Intent::Create(intent), Ending::Present { name, origin }) => {
                // A baseline without an attempt belongs to a create that made none.
                let origin = match origin {
                    Origin::Preexisting => Origin::Undetermined,
                    origin => origin.clone(),
                };
                let (portal, taken) = (Portal::new(name.as_str()), intent.taken.clone());
                Some(Self::Create(Outcome::Present { portal, origin, taken }))
            }
            (Intent::Rename(intent), Ending::Renamed) => {
                let (old, new) = (intent.old.clone(), intent.new.clone());
                Some(Self::Rename(Outcome::Renamed { old, new }))
            }
            _ => None,
        }
    }
}

/// Determines the outcome of `entry`, whose file `intent` holds.
pub(crate) async fn recover(
    client: &Client,
    entry: &Entry,
    intent: OpenIntent,
    stop: &mut watch::Receiver<bool>,
    show: &mut impl FnMut(watch::Receiver<Activity>),
) -> Recovered {
    if let Some(recorded) = Recovered::recorded(entry) {
        return recorded;
    }
    let horizon = client.policy().processing_time.saturating_sub(entry.since_end());
    match entry.history.intent.clone() {
        Intent::Rename(rename) => {
            let flow = client.recover_flow(rename, horizon);
            Recovered::Rename(finish(client.perform(flow, intent), stop, show).await)
        }
        Intent::Create(create) => {
            let flow = client.recover_flow(create, horizon);
            Recovered::Create(finish(client.perform(flow, intent), stop, show).await)
        }
        // This version has no other effect.
        other => {
            let why = NotDone::NotRecorded("unknown effect".to_owned());
            Recovered::Create(Outcome::NotCreated { name: other.name().clone(), why })
        }
    }
}

/// The result of [`determine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Determined {
    /// The outcome is certain, or another process is determining it.
    Certain,
    Unknown,
}

/// Determines the outcome of an intent in doubt that blocks another one, and prints notes.
pub(crate) async fn determine(
    log: &IntentLog,
    client: &Client,
    entry: &Entry,
    printer: &Printer,
    stop: &mut watch::Receiver<bool>,
    show: &mut impl FnMut(watch::Receiver<Activity>),
) -> io::Result<Determined> {
    let (entry, intent) = match log.take(entry).await? {
        Taken::Held(entry, intent) if entry.state() == State::InDoubt => (entry, intent),
        Taken::Held(..) | Taken::InProgress | Taken::Gone => return Ok(Determined::Certain),
    };
    let name = entry.name();
    printer.note(format_args!("{name} is in doubt in this org; determining its outcome first"));
    let recovered = recover(client, &entry, intent, stop, show).await;
    if !recovered.is_certain() {
        return Ok(Determined::Unknown);
    }
    printer.note(format_args!("{name}: {}", in_a_word(&recovered)));
    Ok(Determined::Certain)
}

fn in_a_word(recovered: &Recovered) -> String {
    match recovered {
        Recovered::Create(Outcome::Present { .. }) => "the portal exists".to_owned(),
        Recovered::Create(outcome) => outcome.kind().as_str().replace('_', " "),
        Recovered::Rename(Outcome::Renamed { .. }) => "renamed".to_owned(),
        Recovered::Rename(_) => "not renamed".to_owned(),
    }
}

/// Waits for the outcome. A raised flag stops the flow, which then ends soon.
pub(crate) async fn finish(
    mut running: Running,
    stop: &mut watch::Receiver<bool>,
    show: &mut impl FnMut(watch::Receiver<Activity>),
) -> Outcome {
    show(running.activity());
    tokio::select! {
        biased;
        outcome = &mut running => return outcome,
        () = raised(stop) => running.stop(),
    }
    running.await
}

/// How long the flow waited to verify the outcome, if it rests on that.
pub(crate) fn verified_after(client: &Client) -> Duration {
    let policy = client.policy();
    policy.processing_time.saturating_add(policy.list_lag)
}
