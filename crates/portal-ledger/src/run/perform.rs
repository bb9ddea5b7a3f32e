//! The loop: claim, wait and look, drive the flow, end.

use std::future::Future;
use std::time::Duration;

use portal_model::flow::{
    Activity, Event, Flow, Intent, Jitter, NotSent, Receipt, Step, TransportError,
};
use portal_model::outcome::{NotDone, Origin, Unverified};
use portal_model::{Operation, Outcome, Request, Response};

use super::stop::within;
use super::unattempted::{not_recorded, unless_done};
use super::{Ended, Run, may_lag_behind_rename};
use crate::claim::{Wait, Wanted, Why};
use crate::decide::{Adopted, AttemptEnd};
use crate::entry::{Ending, Entry, EntryId};
use crate::error::LedgerError;
use crate::host::{Host, Terms};
use crate::ledger::{Claim, Permit, RecordError};
use crate::time::Moment;

/// How long an outcome that is known waits until it is in the ledger, too: longer than an engine waits for
/// the lock of another process.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a claim that has to wait waits before it asks again: half of it to all of it.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How often a claim or a record is asked for whose result is lost.
const MAX_ASKS: u32 = 3;

impl<H: Host, S: Future<Output = ()>> Run<'_, H, S> {
    pub(super) async fn finish(mut self) -> Ended {
        loop {
            let ended = match self.claim().await {
                Ok(Claim::Granted(permit)) => self.perform(permit).await,
                Ok(Claim::Wait(wait)) => self.wait(wait).await,
                Ok(Claim::Ended(entry)) => Some(self.request.told(&entry, self.began.as_ref())),
                Ok(Claim::Blocked(blocked)) => Some(self.request.blocked(blocked)),
                Err(ended) => Some(*ended),
            };
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    async fn claim(&mut self) -> Result<Claim, Box<Ended>> {
        let limit = self.request.policy.record_timeout;
        let mut claims = 1;
        loop {
            let now = self.host.now();
            let asked = self.ledger.claim(&self.request, &now);
            let within = within(self.host.sleep(limit), asked);
            let why = match self.stop.unless_raised(within).await {
                None => NotDone::Stopped,
                Some(Some(Ok(claim))) => return Ok(claim),
                // Anything may be in doubt.
                Some(Some(Err(error @ LedgerError::Damaged(_)))) => {
                    let why = Unverified::Ledger(error.to_string());
                    return Err(self.request.unknown(why, None).into());
                }
                // The same request again: if it was granted, it is granted again.
                Some(Some(Err(LedgerError::Unknown(_))) | None) if claims < MAX_ASKS => {
                    claims += 1;
                    continue;
                }
                Some(Some(Err(error))) => not_recorded(&error),
                Some(None) => {
                    not_recorded(&LedgerError::Unknown(format!("no response within {limit:?}")))
                }
            };
            return Err(self.nothing_sent(why).await.into());
        }
    }

    /// Lists while others are at work: what the list shows ends the wait, where that is an outcome. `None`
    /// to claim again.
    async fn wait(&mut self, wait: Wait) -> Option<Ended> {
        let is_outcome = !matches!(wait.why, Why::UnderWay | Why::InDoubt);
        if let (Wanted::Do(operation), true) = (&self.request.wanted, is_outcome) {
            let operation = operation.clone();
            if let Some(outcome) = self.look(operation, wait.receipts, wait.why).await {
                return Some(outcome);
            }
        }
        self.host.pause();
        let now = self.host.now();
        // At random, so that many who wait don't ask at the same moment.
        let [fraction, ..] = self.host.random().to_ne_bytes();
        let asks_again = ASK_AGAIN / 2 + ASK_AGAIN / 512 * u32::from(fraction);
        // A moment of another clock says nothing here.
        let time = wait.until.since(&now).map_or(asks_again, |left| left.min(asks_again));
        self.host.show(&Activity::WaitingForOthers);
        let slept = self.stop.unless_raised(self.host.sleep(time)).await;
        match (slept, wait.why) {
            (Some(()), _) => None,
            (None, Why::UnderWay | Why::SameUnderWay) => {
                let entry = self.read(self.ledger.entry(&wait.entry)).await.ok().flatten();
                let is_recovery = matches!(self.request.wanted, Wanted::Recover(_));
                Some(match entry {
                    // It ended since.
                    Some(entry) if is_recovery && !entry.is_unfinished() => {
                        self.request.told(&entry, self.began.as_ref())
                    }
                    entry => {
                        let ended = self.request.unknown(Unverified::Elsewhere, entry.as_ref());
                        Ended { entry: Some(wait.entry), ..ended }
                    }
                })
            }
            (None, Why::OtherUnderWay | Why::Effect | Why::Rename | Why::InDoubt) => {
                Some(self.nothing_sent(NotDone::Stopped).await)
            }
        }
    }

    /// What one list says, if that ends the wait.
    async fn look(
        &mut self,
        operation: Operation,
        receipts: Vec<Receipt>,
        why: Why,
    ) -> Option<Ended> {
        let flow = Flow::preview(operation, self.request.policy.clone(), self.version);
        let Ok(outcome) = self.drive(flow.with_receipts(receipts), None).await else {
            return None;
        };
        match outcome {
            outcome if why == Why::Rename && may_lag_behind_rename(&outcome) => None,
            Outcome::Present { portal, origin: Origin::Preexisting, taken } => {
                let origin = match (self.may_be_done_here().await, why) {
                    (false, _) => Origin::Preexisting,
                    // The same operation may have made it, and its holder may be gone.
                    (true, Why::SameUnderWay) => return None,
                    (true, _) => Origin::Undetermined,
                };
                Some(Outcome::Present { portal, origin, taken }.into())
            }
            Outcome::Present { .. } | Outcome::Unchanged { .. } => Some(outcome.into()),
            // While the same is under way or in doubt, be it with another credential, the org may yet get
            // the portal.
            Outcome::OrgHasPortal { .. } if why != Why::SameUnderWay => {
                (!self.may_be_done_here().await).then(|| outcome.into())
            }
            Outcome::NotCreated { why: NotDone::Auth(failure), .. }
            | Outcome::NotRenamed { why: NotDone::Auth(failure), .. } => {
                Some(self.nothing_sent(NotDone::Auth(failure)).await)
            }
            _ => None,
        }
    }

    /// What an attempt to list says of a preview.
    pub(super) async fn listed(&mut self, flow: Flow) -> Option<Outcome> {
        match self.drive(flow, None).await.ok()? {
            // There is no list.
            Outcome::NotCreated { why, .. } | Outcome::NotRenamed { why, .. }
                if why != NotDone::Preview =>
            {
                Some(self.nothing_sent(why).await.outcome)
            }
            outcome => Some(outcome),
        }
    }

    /// What the holder of the entry does with it. `None` if somebody else holds it since.
    async fn perform(&mut self, mut permit: Permit) -> Option<Ended> {
        let driven = match self.flow(&permit) {
            Some(flow) => self.drive(flow, Some(&mut permit)).await,
            None => Ok(Outcome::not_done(&permit.entry().operation, NotDone::NotAttempted)),
        };
        let entry = permit.entry().id.clone();
        let Ok(mut outcome) = driven else { return self.adopted(permit.entry()).await };
        if permit.entry().attempts == 0 {
            outcome = unless_done(outcome, permit.receipts());
        }
        if let (Outcome::Present { origin, .. }, true) = (&mut outcome, permit.has_rival())
            && *origin == Origin::Appeared
        {
            *origin = Origin::Undetermined;
        }
        let is_recovered = matches!(self.request.wanted, Wanted::Recover(_));
        let (ending, now) = (Ending { is_recovered, ..Ending::of(&outcome) }, self.host.now());
        let held = permit.entry().clone();
        let held_until = permit.held_until().clone();
        let written = within(self.host.sleep(END_TIMEOUT), permit.end(&ending, &now)).await;
        let not_written = match written {
            Some(Ok(_)) => None,
            Some(Err(RecordError::Adopted(_))) if !self.stop.is_raised => {
                return self.adopted(&held).await;
            }
            Some(Err(RecordError::Adopted(_))) => {
                return Some(self.request.unknown(Unverified::Elsewhere, Some(&held)));
            }
            Some(Err(RecordError::Ledger(error))) => Some(error),
            None => Some(LedgerError::Unknown(format!("no response within {END_TIMEOUT:?}"))),
        };
        let is_negative = outcome.is_certain() && !outcome.exists();
        let may_be_adopted = held_until.is_at_or_before(&self.host.now());
        if let (Some(error), true) = (&not_written, is_negative && may_be_adopted) {
            // The holder since may have made another attempt.
            let why = Unverified::Ledger(error.to_string());
            return Some(Ended { not_written, ..self.request.unknown(why, Some(&held)) });
        }
        Some(Ended { outcome, entry: Some(entry), not_written })
    }

    /// Becomes a waiter, under an id of its own. `None` to claim again.
    async fn adopted(&mut self, entry: &Entry) -> Option<Ended> {
        match EntryId::random() {
            Ok(id) => {
                if std::mem::replace(&mut self.request.id, id) == entry.id {
                    self.began = Some(entry.id.clone());
                }
                self.request.lost = (entry.attempts > 0).then(|| entry.id.clone());
                None
            }
            Err(error) => Some(self.nothing_sent(not_recorded(&error)).await),
        }
    }

    /// `None` if nothing was attempted, and nothing is to be.
    fn flow(&mut self, permit: &Permit) -> Option<Flow> {
        let entry = permit.entry();
        let (mut policy, version) = (self.request.policy.clone(), self.version);
        // Two who adopt from each other in turn have no more time than one.
        let now = self.host.now();
        let spent = now.since(self.granted.get_or_insert_with(|| now.clone())).unwrap_or_default();
        policy.deadline = policy.deadline.saturating_sub(spent);
        let horizon = permit.horizon();
        let intent = entry.intent.clone().filter(|_| entry.attempts > 0);
        let operation = entry.operation.clone();
        let flow = match (&self.request.wanted, intent) {
            (Wanted::Do(operation), None) => Flow::new(operation.clone(), policy, version),
            (Wanted::Do(operation), Some(intent)) => {
                Flow::resume(operation.clone(), intent, horizon, policy, version)
            }
            (Wanted::Recover(_), Some(intent)) => {
                Flow::recover(operation, intent, horizon, policy, version)
            }
            (Wanted::Recover(_), None) => return None,
        };
        Some(flow.with_receipts(permit.receipts().iter().cloned()))
    }

    /// Performs the steps of a flow. Without a permit it is one that records and attempts nothing.
    pub(super) async fn drive(
        &mut self,
        mut flow: Flow,
        mut permit: Option<&mut Permit>,
    ) -> Result<Outcome, Adopted> {
        let started = self.host.now();
        let mut elapsed = Duration::ZERO;
        let mut is_admitted = false;
        let mut has_begun = false;
        // When the last list was asked for.
        let mut listed = None;
        // From when on the attempt that was recorded may not be made.
        let mut attempt_until = started.clone();
        loop {
            if self.stop.is_raised().await {
                return Ok(flow.abandon());
            }
            // Before the step, so that its timeout does not run while queuing.
            if self.has_token && !is_admitted {
                let left = flow.deadline().saturating_sub(elapsed);
                let begun = has_begun || flow.is_in_doubt();
                let admitted = self.host.admit(begun, left);
                if self.stop.unless_raised(admitted).await.is_none() {
                    return Ok(flow.abandon());
                }
                (is_admitted, has_begun) = (true, true);
            }
            elapsed = self.elapsed(&started, elapsed);
            let step = flow.step(elapsed);
            self.host.show(&flow.activity());
            let is_attempt = matches!(step, Step::Send { .. });
            let event = match step {
                Step::Done(outcome) => return Ok(*outcome),
                Step::WaitUntil(time) => {
                    self.host.pause();
                    is_admitted = false;
                    let sleep = self.host.sleep(time.saturating_sub(elapsed));
                    // Whether it was stopped is asked above.
                    self.stop.unless_raised(sleep).await;
                    continue;
                }
                Step::Authenticate { rejected, timeout } => {
                    self.host.pause();
                    is_admitted = false;
                    let token = self.host.token(rejected, timeout);
                    self.stop.unless_raised(token).await.map(Event::from)
                }
                Step::List { request, timeout } => {
                    listed = Some(elapsed);
                    let sent = self.host.send(request, Terms::new(timeout));
                    self.stop.unless_raised(sent).await.map(Event::from)
                }
                // A process that was frozen since the list, or waited for a token, repeats nothing: what
                // the attempt before did may have been listed and renamed meanwhile.
                Step::Record(_) if flow.is_in_doubt() && self.is_stale(listed, elapsed) => {
                    Some(Event::NotRecorded("too long since the list before it".to_owned()))
                }
                Step::Record(intent) => {
                    let Some(permit) = permit.as_deref_mut() else {
                        return Ok(flow.abandon());
                    };
                    // That of the step: nothing comes between it and the timer.
                    let now = started.plus(elapsed);
                    let needed = self.request.policy.time_for_an_attempt();
                    let again = flow.deadline().checked_sub(needed);
                    // In doubt it comes right after the list, or not at all.
                    let again = again.filter(|_| !flow.is_in_doubt()).map(|at| started.plus(at));
                    let (event, until) = self.record(permit, &intent, now, again).await?;
                    attempt_until = until;
                    event
                }
                Step::Send { request, timeout } => {
                    let sent = self.attempt(request, timeout, &attempt_until);
                    sent.await.map(Event::from)
                }
            };
            let now = self.host.now();
            elapsed = self.elapsed(&started, elapsed);
            let Some(event) = event else {
                if let (true, Some(permit)) = (is_attempt, permit) {
                    permit.attempt_ended(AttemptEnd { at: now, in_doubt: true });
                }
                return Ok(flow.abandon());
            };
            self.has_token |= matches!(event, Event::Token { .. });
            let jitter = Jitter::from_bits(self.host.random());
            let handled = flow.handle(elapsed, jitter, event);
            if let (true, Some(permit)) = (is_attempt, permit.as_deref_mut()) {
                let in_doubt = flow.is_last_in_doubt();
                permit.attempt_ended(AttemptEnd { at: now.clone(), in_doubt });
                if let Some(other_name) = flow.other_name() {
                    let limit = self.host.sleep(self.request.policy.record_timeout);
                    let learnt = within(limit, permit.learn(other_name, &now)).await;
                    if let Some(Err(RecordError::Adopted(adopted))) = learnt {
                        return Err(adopted);
                    }
                }
            }
            // Every step above has an event that fits it. If not, nothing more is sent.
            debug_assert_eq!(handled, Ok(()));
            if handled.is_err() {
                return Ok(flow.abandon());
            }
        }
    }

    /// Whether a list that was asked for then says too little of what there is now.
    fn is_stale(&self, listed: Option<Duration>, now: Duration) -> bool {
        let limit = self.request.policy.read_timeout.saturating_mul(2);
        listed.is_some_and(|listed| now.saturating_sub(listed) > limit)
    }

    /// Asks the ledger once more, until then, if it does not respond. Also returns until when the attempt may
    /// be made; and no event if it was stopped meanwhile.
    async fn record(
        &mut self,
        permit: &mut Permit,
        intent: &Intent,
        mut now: Moment,
        again_until: Option<Moment>,
    ) -> Result<(Option<Event>, Moment), Adopted> {
        let limit = self.request.policy.record_timeout;
        let mut asks = 1;
        loop {
            let until = now.plus(permit.entry().times.attempt_budget);
            let recorded = within(self.host.sleep(limit), permit.record(intent, &now));
            let error = match self.stop.unless_raised(recorded).await {
                None => return Ok((None, until)),
                Some(Some(Ok(()))) => return Ok((Some(Event::Recorded), until)),
                Some(Some(Err(RecordError::Adopted(adopted)))) => return Err(adopted),
                Some(Some(Err(RecordError::Ledger(error)))) => error,
                Some(None) => LedgerError::Unknown(format!("no response within {limit:?}")),
            };
            now = self.host.now();
            // It may be recorded by now; it was not made.
            let has_time = again_until.as_ref().is_some_and(|until| now.is_at_or_before(until));
            if asks == MAX_ASKS || !has_time {
                return Ok((Some(Event::NotRecorded(error.to_string())), until));
            }
            asks += 1;
        }
    }

    async fn attempt(
        &mut self,
        request: Request,
        timeout: Duration,
        until: &Moment,
    ) -> Option<Result<Response, TransportError>> {
        let Some(left) = until.since(&self.host.now()).filter(|left| !left.is_zero()) else {
            let why = "the time for the attempt was over before it began".to_owned();
            return Some(Err(NotSent::NotStarted(why).into()));
        };
        let terms = Terms { timeout: timeout.min(left), attempt: Some(until.clone()) };
        self.stop.unless_raised(self.host.send(request, terms)).await
    }

    /// Since `started`. A clock that can't be compared stands still.
    fn elapsed(&self, started: &Moment, before: Duration) -> Duration {
        self.host.now().since(started).map_or(before, |elapsed| elapsed.max(before))
    }
}
