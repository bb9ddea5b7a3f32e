//! [`InFlight`]: an operation in a task of its own.

use std::future::{Future, IntoFuture};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use portal_ledger::{Ended, EntryId, Wanted, end_unclaimed, run};
use portal_model::flow::Activity;
use portal_model::identity::SameOrg;
use portal_model::outcome::{Doubt, NotDone, Unverified};
use portal_model::{Operation, OrgIdentity, Outcome};
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::call::Call;
use super::operations::stopped;

/// An operation in progress; a future of how it ended.
///
/// # Cancel safety
/// It runs in a task of its own. Dropping this does not stop it, so a caller who hangs up leaves
/// nothing in doubt; [`stop`](Self::stop) stops it.
///
/// # Panics
/// If it is polled again after it has ended, as the future of an async function does: in a loop with
/// `select!`, leave the loop or fuse it.
#[derive(Debug)]
#[must_use = "its outcome says whether the portal exists"]
pub struct InFlight {
    task: JoinHandle<Ended>,
    name: String,
    activity: watch::Receiver<Activity>,
    stop: watch::Sender<bool>,
}

impl InFlight {
    /// Returns what is being done, updated with every change.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// let create = portals.create("AcmePortal".parse()?).start();
    /// let mut activity = create.activity();
    /// tokio::spawn(async move {
    ///     while activity.changed().await.is_ok() {
    ///         println!("{:?}", *activity.borrow());
    ///     }
    /// });
    /// assert!(create.await.outcome.is_ours());
    /// # Ok(())
    /// # }
    /// ```
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.activity.clone()
    }

    /// Stops it, as for Ctrl-C. The outcome follows soon. It is unknown if a request is in flight or
    /// an earlier attempt is in doubt.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// let create = portals.create("AcmePortal".parse()?).start();
    /// create.stop();
    /// assert!(!create.await.outcome.exists());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Future for InFlight {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        let ended = ready!(Pin::new(&mut self.task).poll(context));
        Poll::Ready(ended.unwrap_or_else(|_| {
            // A panic, or the end of the runtime: what it had done by then, nobody can ask the ledger.
            let (doubt, why) = (Doubt::InProgress, Unverified::Stopped);
            Outcome::Unknown { name: mem::take(&mut self.name), doubt, why }.into()
        }))
    }
}

impl Call {
    /// Starts the call in a task of its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use portal_http::client::SafeClient;
    /// # use portal_http::ledger::Ledger;
    /// # let server = portal_http::server::LocalServer::start().await?;
    /// # let portals = SafeClient::new(server.client(), Ledger::in_memory());
    /// use std::time::Duration;
    ///
    /// // A web request waits as long as it likes, and the call goes on.
    /// let mut call = portals.create("AcmePortal".parse()?).start();
    /// match tokio::time::timeout(Duration::from_secs(5), &mut call).await {
    ///     Ok(ended) => println!("{}", ended.outcome),
    ///     Err(_) => println!("still at it: {:?}", *call.activity().borrow()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> InFlight {
        let (activity, watched) = watch::channel(Activity::Authenticating);
        let stop = watch::Sender::new(false);
        let effect = match &self.wanted {
            Wanted::Do(Operation::Create(_)) => "create",
            Wanted::Do(_) => "rename",
            Wanted::Recover(_) => "recover",
        };
        let name = self.name.clone();
        let span = tracing::info_span!("operation", effect, name, entry = tracing::field::Empty);
        let task = Task { call: self, activity, stop: stop.clone() };
        let task = tokio::spawn(task.run().instrument(span));
        InFlight { task, name, activity: watched, stop }
    }
}

impl IntoFuture for Call {
    type Output = Outcome;
    type IntoFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.start().await.outcome })
    }
}

struct Task {
    call: Call,
    activity: watch::Sender<Activity>,
    /// Stays open if the caller drops its handle.
    stop: watch::Sender<bool>,
}

impl Task {
    async fn run(self) -> Ended {
        // Until it has ended, it counts as running and can be stopped.
        let (_running, _stop) = (self.call.safe.operations.begin(), self.stop.clone());
        let ended = Box::pin(self.perform()).await;
        let (outcome, entry) = (ended.outcome.kind(), ended.entry.as_ref());
        tracing::info!(%outcome, entry = entry.map(EntryId::as_str), "ended");
        ended
    }

    async fn perform(self) -> Ended {
        let begun = tokio::select! {
            biased;
            () = self.stopped() => Err(NotDone::Stopped),
            begun = self.begin() => begun,
        };
        let (safe, stopped) = (self.call.safe.clone(), self.stopped());
        match begun {
            Ok((id, org, _turn)) => {
                let mut host = safe.host(&org, self.activity);
                let request = self.call.request(id, org);
                run(&safe.ledger, request, safe.client.version(), &mut host, stopped).await
            }
            Err(why) => {
                let (id, org) = (EntryId::new(""), safe.unknown_org());
                let mut host = safe.host(&org, self.activity);
                end_unclaimed(&safe.ledger, self.call.request(id, org), why, &mut host).await
            }
        }
    }

    /// Waits until it may claim: under which id, in which org, and as long as it holds its turn.
    async fn begin(&self) -> Result<(EntryId, OrgIdentity, Option<OwnedMutexGuard<()>>), NotDone> {
        let Call { safe, wanted, policy, .. } = &self.call;
        let id = EntryId::random().map_err(|error| NotDone::NotRecorded(error.to_string()))?;
        tracing::Span::current().record("entry", id.as_str());
        let org = safe.identify().await?;
        if let Wanted::Recover(id) = wanted
            && let Ok(Some(entry)) = safe.ledger.entry(id).await
            && entry.org.compare(&org) != SameOrg::Yes
        {
            // The list of another org would say nothing of it.
            return Err(NotDone::OtherOrg {
                expected: entry.org.to_string(),
                found: org.to_string(),
            });
        }
        // In one process, operations of an org take turns fairly before they claim, unless the org may
        // have several portals: between processes they have to ask again and again.
        let takes_turns = matches!(wanted, Wanted::Do(_)) && !policy.allow_another;
        let turns = &safe.client.0.turns;
        let turn = if takes_turns { Some(turns.clone().lock_owned().await) } else { None };
        Ok((id, org, turn))
    }

    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let by_shutdown = self.call.safe.operations.begin();
        stopped(self.stop.subscribe(), by_shutdown, self.activity.subscribe())
    }
}
