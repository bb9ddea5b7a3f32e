//! Performs the steps of a [`CreateFlow`] in a task of its own: [`Creating`].

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use portal_model::flow::{Activity, Intent, Jitter, NoAnswer, NotSent, Report, Step, TokenError};
use portal_model::outcome::{NotCreated, Outcome};
use portal_model::{CreateFlow, Response};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument as _;

use super::Client;
use super::baseline::Baseline;
use super::token::Token;
use super::transport::TransportError;

/// Keeps the intent of a create while it is under way or in doubt, so that whoever comes after a
/// crash can settle it with [`Client::resume`].
///
/// `()` keeps nothing.
///
/// # Cancel safety
/// The futures run to their end, unless the runtime shuts down: a half-written intent must then
/// read as the one before or as the new one.
pub trait IntentSink: Send + 'static {
    /// Keeps `intent` in place of the one before, durably: the POST is sent after that, and not at
    /// all if it fails.
    fn record(&mut self, intent: &Intent) -> impl Future<Output = io::Result<()>> + Send;

    /// Forgets the intent: it is certain what came of it. If that fails, a resume finds out again.
    fn clear(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

impl IntentSink for () {
    async fn record(&mut self, _: &Intent) -> io::Result<()> {
        Ok(())
    }

    async fn clear(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A create that is being performed; a future of its outcome.
///
/// # Cancel safety
/// The create runs in a task of its own: dropped, it goes on to its end, so that a caller who hangs
/// up leaves no doubt behind. [`stop`](Self::stop) ends it.
#[derive(Debug)]
#[must_use = "its outcome says whether the portal exists"]
pub struct Creating {
    outcome: oneshot::Receiver<Outcome>,
    activity: watch::Receiver<Activity>,
    stop: watch::Sender<bool>,
}

impl Creating {
    /// What it is doing, now and with each change.
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.activity.clone()
    }

    /// Ends it, as for Ctrl-C. The outcome is an honest one, soon: in doubt where a POST is under
    /// way or was before.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Future for Creating {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match Pin::new(&mut self.outcome).poll(context) {
            Poll::Ready(Ok(outcome)) => Poll::Ready(outcome),
            // `Task` sends an outcome whatever happens, so this one was polled after its end.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Starts to perform `flow`, which begins with `baseline` where there is one.
pub(super) fn start(
    client: Client,
    flow: CreateFlow,
    intents: impl IntentSink,
    baseline: Option<Baseline>,
) -> Creating {
    let (outcome, outcome_receiver) = oneshot::channel();
    let (activity, activity_receiver) = watch::channel(flow.activity());
    let (stop, stop_receiver) = watch::channel(false);
    let recorded = flow.intent().is_some();
    let task = Task {
        client,
        end: End { flow, outcome: Some(outcome) },
        intents,
        baseline,
        recorded,
        activity,
        stop: stop_receiver,
        started: Instant::now(),
    };
    tokio::spawn(task.run().instrument(tracing::info_span!("create")));
    Creating { outcome: outcome_receiver, activity: activity_receiver, stop }
}

struct Task<S> {
    client: Client,
    end: End,
    intents: S,
    baseline: Option<Baseline>,
    /// Whether the sink holds an intent.
    recorded: bool,
    activity: watch::Sender<Activity>,
    stop: watch::Receiver<bool>,
    started: Instant,
}

/// The flow, whose honest outcome is delivered whatever ends the task: a panic and a runtime that
/// shuts down too.
struct End {
    flow: CreateFlow,
    outcome: Option<oneshot::Sender<Outcome>>,
}

impl End {
    fn deliver(&mut self, outcome: Outcome) {
        if let Some(sender) = self.outcome.take() {
            // Where nobody waits for it, nobody misses it.
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
        tracing::info!(name = outcome.name(), outcome = outcome.kind(), "over");
        if outcome.is_certain() {
            self.clear().await;
        }
        self.end.deliver(outcome);
    }

    /// Step by step to the outcome.
    async fn perform(&mut self) -> Outcome {
        let client = self.client.clone();
        let mut stopping = self.stop.clone();
        let mut token: Option<Token> = None;
        loop {
            // Taken before the step, so that no request spends its time in a queue.
            let Some(slot) = unless_stopped(&mut stopping, client.slot()).await else {
                return self.abandoned();
            };
            let now = self.started.elapsed();
            let step = self.end.flow.step(now);
            let limit = self.end.flow.time_limit(now);
            self.show_activity();
            let report = match step {
                Step::Done(outcome) => return *outcome,
                Step::Wait(time) => {
                    drop(slot);
                    match unless_stopped(&mut stopping, sleep(time)).await {
                        Some(()) => continue,
                        None => None,
                    }
                }
                Step::Authenticate { rejected } => {
                    drop(slot);
                    let work = timeout(limit, client.tokens().get(rejected));
                    let got = unless_stopped(&mut stopping, work).await;
                    got.map(|got| match got.unwrap_or_else(|_| Err(too_late())) {
                        Ok(got) => Report::Token(token.insert(got).id),
                        Err(error) => Report::NoToken(error),
                    })
                }
                Step::LookUp(request) => {
                    let look = client.exchange(request, token.as_ref(), limit);
                    let work = async {
                        match (&self.baseline, self.end.flow.activity()) {
                            (Some(shared), Activity::LookingFirst) => {
                                let list = timeout(limit, shared.get_or(look)).await;
                                list.unwrap_or_else(|_| Err(NoAnswer::TimedOut.into()))
                            }
                            _ => look.await,
                        }
                    };
                    unless_stopped(&mut stopping, work).await.map(report)
                }
                Step::Send(request) => {
                    if let Err(error) = self.record().await {
                        return self.not_sent(&format!("the intent can't be recorded: {error}"));
                    }
                    if *stopping.borrow() {
                        return self.not_sent("stopped");
                    }
                    let work = client.exchange(request, token.as_ref(), limit);
                    unless_stopped(&mut stopping, work).await.map(report)
                }
            };
            let Some(report) = report else { return self.abandoned() };
            if let Err(error) = self.end.flow.report(self.started.elapsed(), jitter(), report) {
                tracing::error!(%error, "the create stops");
                return self.abandoned();
            }
            if self.end.flow.intent().is_none() {
                self.clear().await;
            }
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

    async fn record(&mut self) -> io::Result<()> {
        if let Some(intent) = self.end.flow.intent() {
            // Even where it fails it may be there.
            self.recorded = true;
            self.intents.record(&intent).await?;
        }
        Ok(())
    }

    async fn clear(&mut self) {
        if self.recorded {
            match self.intents.clear().await {
                Ok(()) => self.recorded = false,
                Err(error) => tracing::warn!(%error, "the intent of a settled create is left"),
            }
        }
    }

    fn abandoned(&self) -> Outcome {
        self.end.flow.clone().abandon()
    }

    /// The outcome where a POST was handed out but not begun.
    fn not_sent(&mut self, why: &str) -> Outcome {
        let report = Report::NotSent(NotSent::NotStarted(why.to_owned()));
        let fits = self.end.flow.report(self.started.elapsed(), Jitter::NONE, report);
        debug_assert_eq!(fits, Ok(()));
        match self.abandoned() {
            Outcome::NotCreated { name, reason: NotCreated::Stopped } if !*self.stop.borrow() => {
                Outcome::NotCreated { name, reason: NotCreated::NotStarted(why.to_owned()) }
            }
            outcome => outcome,
        }
    }
}

/// What `work` gives, unless it is stopped first.
async fn unless_stopped<T>(
    stop: &mut watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let stopped = async {
        if stop.wait_for(|stop| *stop).await.is_err() {
            // The caller is gone and can't stop it any more.
            pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        result = work => Some(result),
        () = stopped => None,
    }
}

fn report(answer: Result<Response, TransportError>) -> Report {
    match answer {
        Ok(answer) => Report::Answer(answer),
        Err(TransportError::NotSent(why)) => Report::NotSent(why),
        Err(TransportError::NoAnswer(why)) => Report::NoAnswer(why),
    }
}

fn too_late() -> TokenError {
    TokenError::Unreachable("no answer within the time-out".to_owned())
}

/// Without a random source it waits as long as it may.
fn jitter() -> Jitter {
    getrandom::u32().map_or(Jitter::FULL, Jitter::from_bits)
}
