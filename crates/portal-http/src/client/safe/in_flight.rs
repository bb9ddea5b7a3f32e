//! [`InFlight`]: an operation in a task of its own.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use portal_ledger::{ClaimRequest, Ended, EntryId, Wanted, end_unclaimed, run};
use portal_model::flow::{Activity, Policy};
use portal_model::identity::SameOrg;
use portal_model::outcome::{Doubt, NotDone, Unverified};
use portal_model::{Operation, OrgIdentity, Outcome};
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::client::SafeClient;
use super::host::ClientHost;

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

/// What to do.
pub(super) struct Work {
    pub(super) wanted: Wanted,
    pub(super) policy: Policy,
    pub(super) key: Option<String>,
    /// The name that it is about.
    pub(super) name: String,
}

impl Work {
    /// Asks for it.
    pub(super) fn request(self, safe: &SafeClient, id: EntryId, org: OrgIdentity) -> ClaimRequest {
        let mut request = ClaimRequest::new(id, org, self.wanted);
        request.label.clone_from(&safe.label);
        request.key = self.key;
        request.policy = self.policy;
        request.distinct_from = safe.distinct_from.clone();
        request.about = safe.about.clone();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        request.about.wall_time = since_1970.ok().map(|time| time.as_secs());
        request
    }
}

/// Starts it in a task of its own.
pub(super) fn start(safe: SafeClient, work: Work) -> InFlight {
    let (activity, watched) = watch::channel(Activity::Authenticating);
    let stop = watch::Sender::new(false);
    let effect = match &work.wanted {
        Wanted::Do(Operation::Create(_)) => "create",
        Wanted::Do(_) => "rename",
        Wanted::Recover(_) => "recover",
    };
    let span =
        tracing::info_span!("operation", effect, name = work.name, entry = tracing::field::Empty);
    let name = work.name.clone();
    let task = Task { safe, work, activity, stop: stop.clone() };
    InFlight { task: tokio::spawn(task.run().instrument(span)), name, activity: watched, stop }
}

struct Task {
    safe: SafeClient,
    work: Work,
    activity: watch::Sender<Activity>,
    /// Stays open if the caller drops its handle.
    stop: watch::Sender<bool>,
}

impl Task {
    async fn run(self) -> Ended {
        let (safe, stop) = (self.safe.clone(), self.stop.clone());
        let operation = safe.operations.begin();
        let ended = Box::pin(self.perform()).await;
        drop(stop);
        let (outcome, entry) = (ended.outcome.kind(), ended.entry.as_ref());
        tracing::info!(%outcome, entry = entry.map(EntryId::as_str), "ended");
        if let Some(entry) = &ended.entry
            && !ended.outcome.is_certain()
        {
            operation.is_in_doubt(entry.clone());
        }
        ended
    }

    async fn perform(self) -> Ended {
        let id = EntryId::random();
        let begun = match &id {
            Err(error) => Err(NotDone::NotRecorded(error.to_string())),
            Ok(id) => {
                tracing::Span::current().record("entry", id.as_str());
                tokio::select! {
                    biased;
                    () = self.stopped() => Err(NotDone::Stopped),
                    begun = self.begin() => begun,
                }
            }
        };
        let (client, stopped) = (self.safe.client.clone(), self.stopped());
        let id = id.unwrap_or_else(|_| EntryId::new(""));
        let unknown = self.safe.identity.unknown(&client);
        let mut request = self.work.request(&self.safe, id, unknown);
        let ledger = &self.safe.ledger;
        let turn = begun.map(|(org, turn)| {
            request.org = org;
            turn
        });
        let api = self.safe.identity.api(&client, &request.org);
        let mut host = ClientHost::new(client.0.clone(), api, self.activity);
        match turn {
            Ok(_turn) => run(ledger, request, client.version(), &mut host, stopped).await,
            Err(why) => end_unclaimed(ledger, request, why, &mut host).await,
        }
    }

    /// Waits until it may claim.
    async fn begin(&self) -> Result<(OrgIdentity, Option<OwnedMutexGuard<()>>), NotDone> {
        let org = self.safe.identify().await?;
        if let Wanted::Recover(id) = &self.work.wanted
            && let Ok(Some(entry)) = self.safe.ledger.entry(id).await
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
        let takes_turns =
            matches!(self.work.wanted, Wanted::Do(_)) && !self.work.policy.allow_another;
        let turns = &self.safe.client.0.turns;
        let turn = if takes_turns { Some(turns.clone().lock_owned().await) } else { None };
        Ok((org, turn))
    }

    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let operations = self.safe.operations.clone();
        operations.stopped(self.stop.subscribe(), self.activity.subscribe())
    }
}
