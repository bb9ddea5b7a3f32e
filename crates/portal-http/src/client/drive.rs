//! [`Running`]: performs the steps of a [`Flow`] in a task of its own.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use portal_model::Outcome;
use portal_model::flow::{Activity, Event, Flow, Intent, Jitter, NoResponse, Step, TokenError};
use tokio::sync::{OwnedMutexGuard, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::Instrument as _;

use super::core::Core;
use super::slots::{Slot, Urgency};
use super::token::Token;
use super::transport::{Bounds, after};

/// Stores the intent of a call while it is in progress or in doubt, so that a later process can
/// recover it after a crash: see [`Client::recover_flow`](super::Client::recover_flow).
///
/// `()` stores nothing.
///
/// # Errors
/// An error of the storage. A failed [`record`](Self::record) prevents the attempt; a failed
/// [`end`](Self::end) is logged, and recovery determines the outcome again.
///
/// # Cancel safety
/// The futures run to completion unless the runtime shuts down. A half-written intent must
/// therefore read as either the previous or the new one. Use `spawn_blocking` for blocking I/O,
/// because the flow's task shares its thread with others.
pub trait IntentSink: Send + 'static {
    /// Replaces the stored intent with `intent`, durably. The attempt is made after this succeeds;
    /// if it fails, no attempt is made.
    fn record(&mut self, intent: &Intent) -> impl Future<Output = io::Result<()>> + Send;

    /// Ends the intent. Called once, before the outcome is delivered, if an intent was recorded or
    /// the call started from one. After a certain outcome the intent may be removed. After an
    /// unknown one it must stay; the last attempt has ended by now.
    fn end(&mut self, outcome: &Outcome) -> impl Future<Output = io::Result<()>> + Send;
}

impl IntentSink for () {
    async fn record(&mut self, _: &Intent) -> io::Result<()> {
        Ok(())
    }

    async fn end(&mut self, _: &Outcome) -> io::Result<()> {
        Ok(())
    }
}

/// A safe call in progress; a future of its outcome.
///
/// # Cancel safety
/// The call runs in a task of its own. Dropping this does not stop it, so a caller who hangs up
/// leaves nothing in doubt; [`stop`](Self::stop) stops it.
#[derive(Debug)]
#[must_use = "its outcome says whether the portal exists"]
pub struct Running {
    outcome: oneshot::Receiver<Outcome>,
    activity: watch::Receiver<Activity>,
    stop: watch::Sender<bool>,
}

impl Running {
    /// Returns what the call is doing, updated with every change.
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.activity.clone()
    }

    /// Stops the call, as for Ctrl-C. The outcome follows soon. It is unknown if a request is in
    /// flight or an earlier attempt is in doubt.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Future for Running {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match Pin::new(&mut self.outcome).poll(context) {
            Poll::Ready(Ok(outcome)) => Poll::Ready(outcome),
            // The task always sends an outcome, so this future was polled after it had completed.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Starts performing `flow`.
pub(super) fn start(core: Arc<Core>, flow: Flow, intents: impl IntentSink) -> Running {
    let (outcome, outcome_receiver) = oneshot::channel();
    let (activity, activity_receiver) = watch::channel(flow.activity());
    let (stop, stop_receiver) = watch::channel(false);
    let task = Task {
        core,
        has_intent: flow.is_in_doubt(),
        end: End { flow, outcome: Some(outcome) },
        intents,
        activity,
        stop: stop_receiver,
        started: Instant::now(),
    };
    tokio::spawn(task.run().instrument(tracing::info_span!("flow")));
    Running { outcome: outcome_receiver, activity: activity_receiver, stop }
}

struct Task<S> {
    core: Arc<Core>,
    end: End,
    intents: S,
    /// Whether the sink holds an intent.
    has_intent: bool,
    activity: watch::Sender<Activity>,
    stop: watch::Receiver<bool>,
    started: Instant,
}

/// Owns the flow and delivers its true outcome however the task ends, even by a panic or the
/// shutdown of the runtime.
struct End {
    flow: Flow,
    outcome: Option<oneshot::Sender<Outcome>>,
}

impl End {
    fn deliver(&mut self, outcome: Outcome) {
        if let Some(sender) = self.outcome.take() {
            // The caller may have dropped its handle.
            let _ = sender.send(outcome);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.outcome.is_some() {
            let outcome = self.flow.clone().abandon();
            self.deliver(outcome);
        }
    }
}

impl<S: IntentSink> Task<S> {
    async fn run(mut self) {
        let outcome = self.perform().await;
        tracing::info!(?outcome, "ended");
        if self.has_intent
            && let Err(error) = self.intents.end(&outcome).await
        {
            // Harmless: recovery will determine the outcome again.
            tracing::warn!(%error, "cannot update the intent");
        }
        self.end.deliver(outcome);
    }

    /// Performs one step after the other until the outcome.
    async fn perform(&mut self) -> Outcome {
        let mut stopping = self.stop.clone();
        let Some(_turn) = unless_stopped(&mut stopping, self.turn()).await else {
            return self.abandoned();
        };
        let mut token: Option<Token> = None;
        let mut slot: Option<Slot> = None;
        let mut has_begun = false;
        loop {
            // Rule 13: once stopped, no request leaves.
            if *stopping.borrow() {
                return self.abandoned();
            }
            // Take the slot before the step, so that no timeout runs while queuing, and keep it
            // from the baseline to the end of the attempt: a flow that had to queue in between
            // could find its deadline spent. Requesting a token needs no slot.
            if slot.is_none() && token.is_some() {
                let is_in_doubt = self.end.flow.is_in_doubt();
                let urgency = if is_in_doubt || has_begun { Urgency::Begun } else { Urgency::New };
                let acquired = self.core.slots.acquire(urgency);
                let in_time = timeout_at(self.deadline(), acquired);
                match unless_stopped(&mut stopping, in_time).await {
                    // Without a slot the deadline has passed, and the flow ends by itself (rule
                    // 13).
                    Some(acquired) => slot = acquired.ok(),
                    None => return self.abandoned(),
                }
                has_begun = true;
            }
            let step = self.end.flow.step(self.started.elapsed());
            self.show_activity();
            let event = match step {
                Step::Done(outcome) => return *outcome,
                Step::WaitUntil(time) => {
                    slot = None;
                    let wait = sleep_until(after(self.started, time));
                    match unless_stopped(&mut stopping, wait).await {
                        Some(()) => continue,
                        None => return self.abandoned(),
                    }
                }
                Step::Authenticate { rejected, timeout: limit } => {
                    slot = None;
                    let work = timeout(limit, self.core.tokens.get(rejected));
                    let got = unless_stopped(&mut stopping, work).await;
                    let late = |_| Err(TokenError::NoResponse(NoResponse::TimedOut));
                    got.map(|got| match got.unwrap_or_else(late) {
                        Ok(got) => Event::Token(token.insert(got).id),
                        Err(error) => Event::NoToken(error),
                    })
                }
                Step::List { request, timeout } => {
                    let bounds = Bounds::of_list(timeout);
                    let work = self.core.exchange(request, token.as_ref(), bounds);
                    unless_stopped(&mut stopping, work).await.map(Event::from)
                }
                Step::Record(intent) => {
                    let event = self.record(&intent).await;
                    // Rule 2: the write may have taken long. A stop that arrived meanwhile must be
                    // noticed before the flow hands out the attempt, which counts as sent from then
                    // on.
                    yield_now().await;
                    Some(event)
                }
                Step::Send { request, timeout } => {
                    let bounds = Bounds::of_attempt(timeout);
                    let work = self.core.exchange(request, token.as_ref(), bounds);
                    unless_stopped(&mut stopping, work).await.map(Event::from)
                }
            };
            let Some(event) = event else { return self.abandoned() };
            let now = self.started.elapsed();
            if let Err(error) = self.end.flow.handle(now, jitter(), event) {
                // A bug in this driver. Performing the same step again could be a second attempt,
                // so end the flow.
                tracing::error!(%error);
                debug_assert!(false, "{error}");
                return self.abandoned();
            }
        }
    }

    /// Rule 11 within one client: unless several portals are allowed, its creates run one after
    /// another. Waiting counts towards the deadline.
    async fn turn(&mut self) -> Option<OwnedMutexGuard<()>> {
        self.end.flow.start(Duration::ZERO);
        if !self.end.flow.is_exclusive() {
            return None;
        }
        let turn = self.core.turns.clone().lock_owned();
        // After the deadline the flow ends by itself, with nothing sent.
        timeout_at(self.deadline(), turn).await.ok()
    }

    fn deadline(&self) -> Instant {
        after(self.started, self.end.flow.deadline())
    }

    async fn record(&mut self, intent: &Intent) -> Event {
        // Set before the write: even a failed one may have stored the intent.
        self.has_intent = true;
        match self.intents.record(intent).await {
            Ok(()) => Event::Recorded,
            Err(error) => Event::NotRecorded(error.to_string()),
        }
    }

    fn show_activity(&self) {
        let activity = self.end.flow.activity();
        self.activity.send_if_modified(|shown| {
            let is_new = *shown != activity;
            if is_new {
                tracing::debug!(?activity);
                *shown = activity;
            }
            is_new
        });
    }

    fn abandoned(&self) -> Outcome {
        self.end.flow.clone().abandon()
    }
}

/// Runs `work` unless the call is stopped first.
async fn unless_stopped<T>(
    stop: &mut watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let stopped = async {
        if stop.wait_for(|stop| *stop).await.is_err() {
            // The caller dropped its handle and can't stop the call any more.
            pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        result = work => Some(result),
        () = stopped => None,
    }
}

/// Without a random source, use the full backoff.
fn jitter() -> Jitter {
    getrandom::u32().map_or(Jitter::FULL, Jitter::from_bits)
}
