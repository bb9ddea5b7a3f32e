//! [`InFlight`]: a call in a task of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use portal_ledger::EntryId;
use portal_model::flow::Activity;
use portal_model::outcome::NotDone;
use portal_model::{Flow, Operation, Outcome, PortalName};
use tokio::sync::watch;

use super::SafeClient;
use super::call::{Call, Preview, PreviewError};
use crate::client::drive::Running;

/// How a call ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ended {
    /// What is true.
    pub outcome: Outcome,
    /// Its entry in the ledger, if it has one.
    pub entry: Option<EntryId>,
    /// What else came to light.
    pub notes: Vec<Note>,
}

/// Something that the outcome does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {}

/// A call in progress; a future of how it ended.
///
/// # Cancel safety
/// The call runs in a task of its own. Dropping this does not stop it, so a caller who hangs up
/// leaves nothing in doubt; [`stop`](Self::stop) stops it.
#[derive(Debug)]
#[must_use = "its outcome says whether the portal exists"]
pub struct InFlight(Running);

impl InFlight {
    /// Returns what the call is doing, updated with every change.
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.0.activity()
    }

    /// Stops the call, as for Ctrl-C. The outcome follows soon. It is unknown if a request is in
    /// flight or an earlier attempt is in doubt.
    pub fn stop(&self) {
        self.0.stop();
    }
}

impl Future for InFlight {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        let outcome = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(Ended { outcome, entry: None, notes: Vec::new() })
    }
}

/// The calls of a client and its clones.
#[derive(Debug, Default)]
pub(super) struct Operations;

pub(super) fn start(call: Call) -> InFlight {
    let version = call.safe.client.version();
    let flow = Flow::new(call.operation, call.policy, version);
    InFlight(call.safe.client.perform(flow, ()))
}

pub(super) fn recover(safe: &SafeClient, _: &EntryId) -> InFlight {
    safe.create(PortalName::parse("unnamed").unwrap_or_else(|error| unreachable!("{error}")))
        .start()
}

#[expect(clippy::unused_async, reason = "it will list")]
pub(super) async fn preview(call: Call) -> Result<Preview, PreviewError> {
    let name = call.operation.names().next().and_then(|name| PortalName::parse(name).ok());
    let name = name.unwrap_or_else(|| unreachable!("a create"));
    Ok(Preview {
        entry: None,
        portals: None,
        outcome: Outcome::NotCreated { name, why: NotDone::Stopped },
    })
}
