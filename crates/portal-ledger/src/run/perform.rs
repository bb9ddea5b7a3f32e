//! The loop: claim, wait and look, drive the flow, end.

use std::future::Future;
use std::time::Duration;

use portal_model::flow::{
    Activity, Event, Flow, Intent, Jitter, NotSent, Receipt, Step, TransportError,
};
use portal_model::outcome::{NotDone, Unverified};
use portal_model::{Operation, Outcome, Request, Response};

use super::stop::within;
use super::{MAX_ASKS, Run, ask, late};
use crate::claim::{Refusal, Wait, Wanted, Why};
use crate::decide::{Adopted, AttemptEnd};
use crate::entry::{Ending, Entry, EntryId};
use crate::error::LedgerError;
use crate::host::{Host, Terms};
use crate::ledger::{Permit, RecordError};
use crate::outcome::{
    self, Ended, Pending, beside_rival, seen_meanwhile, told, unknown, unless_done,
};
use crate::time::Moment;

/// How long an outcome that is known waits until it is in the ledger, too: longer than an engine waits for
/// the lock of another process.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a claim that has to wait waits before it asks again: half of it to all of it.
const ASK_AGAIN: Duration = Duration::from_secs(2);

impl<H: Host, S: Future<Output = ()>> Run<'_, H, S> {
    pub(super) async fn finish(mut self) -> Ended {
        loop {
            let ended = match self.claim().await {
                Ok(Ok(permit)) => self.perform(permit).await,
                Ok(Err(Refusal::Wait(wait))) => self.wait(wait).await,
                Ok(Err(Refusal::Ended(entry))) => Some(told(&self.request, &entry)),
                Ok(Err(Refusal::Blocked(why))) => Some(outcome::blocked(&self.request, &why)),
                Err(ended) => Some(*ended),
            };
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    async fn claim(&mut self) -> Result<Result<Permit, Refusal>, Box<Ended>> {
        let limit = self.request.policy.record_timeout;
        // The same request: if it was granted, it is granted again.
        let claim = || async { self.ledger.claim(&self.request, &self.host.now()).await };
        let asked = ask(|| self.host.sleep(limit), claim, limit);
        match self.stop.unless_raised(asked).await {
            None => Err(self.nothing_sent(NotDone::Stopped).await.into()),
            Some(Ok(claim)) => Ok(claim),
            // Anything may be in doubt.
            Some(Err(error @ LedgerError::Damaged(_))) => Err(self.unknown_by(&error, None).into()),
            Some(Err(error)) => Err(self.nothing_sent(not_recorded(&error)).await.into()),
        }
    }

    /// Lists while others are at work: what the list shows ends the wait, where that is an outcome. `None`
    /// to claim again.
    async fn wait(&mut self, wait: Wait) -> Option<Ended> {
        let is_outcome = !matches!(wait.why, Why::UnderWay | Why::InDoubt);
        if let (Wanted::Do(operation), true) = (&self.request.wanted, is_outcome) {
            let operation = operation.clone();
            if let Some(ended) = self.list(operation, wait.receipts, wait.why).await {
                return Some(ended);
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
        match self.stop.unless_raised(self.host.sleep(time)).await {
            Some(()) => None,
            None => Some(self.nothing_sent(NotDone::Stopped).await),
        }
    }

    /// What one list says, if that ends the wait.
    async fn list(
        &mut self,
        operation: Operation,
        receipts: Vec<Receipt>,
        why: Why,
    ) -> Option<Ended> {
        let flow = Flow::preview(operation, self.request.policy.clone(), self.version);
        let outcome = self.drive(flow.with_receipts(receipts), None).await.ok()?;
        if let Outcome::NotCreated { why: why @ NotDone::Auth(_), .. }
        | Outcome::NotRenamed { why: why @ NotDone::Auth(_), .. } = outcome
        {
            return Some(self.nothing_sent(why).await);
        }
        let look = self.look().await;
        let pending = look.map_or(Pending::Anything, |look| Pending::of(&self.request, &look));
        seen_meanwhile(outcome, why, pending).map(Ended::from)
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
        // Two who adopt from each other in turn have no more time than one.
        let now = self.host.now();
        let spent = now.since(self.granted.get_or_insert_with(|| now.clone())).unwrap_or_default();
        let entry = permit.entry();
        let flow = outcome::flow(&self.request, entry, permit.horizon(), spent, self.version);
        let driven = match flow {
            Some(flow) => {
                let receipts = permit.receipts().to_vec();
                self.drive(flow.with_receipts(receipts), Some(&mut permit)).await
            }
            None => Ok(Outcome::not_done(&entry.operation, NotDone::NotAttempted)),
        };
        let Ok(mut outcome) = driven else { return self.adopted(permit.entry()).await };
        if permit.entry().attempts == 0 {
            outcome = unless_done(outcome, permit.receipts());
        }
        if permit.has_rival() {
            outcome = beside_rival(outcome);
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
                return Some(unknown(&self.request, Unverified::Elsewhere, Some(&held)));
            }
            Some(Err(RecordError::Ledger(error))) => Some(error),
            None => Some(late(END_TIMEOUT)),
        };
        let is_negative = outcome.is_certain() && !outcome.exists();
        let may_be_adopted = held_until.is_at_or_before(&self.host.now());
        if let (Some(error), true) = (not_written.as_ref(), is_negative && may_be_adopted) {
            // The holder since may have made another attempt.
            let ended = self.unknown_by(error, Some(&held));
            return Some(Ended { not_written, ..ended });
        }
        Some(Ended { outcome, entry: Some(held.id), not_written })
    }

    /// Becomes a waiter, under an id of its own. `None` to claim again.
    async fn adopted(&mut self, entry: &Entry) -> Option<Ended> {
        match EntryId::random() {
            Ok(id) => {
                if std::mem::replace(&mut self.request.id, id) == entry.id {
                    self.request.began = Some(entry.id.clone());
                }
                self.request.lost = (entry.attempts > 0).then(|| entry.id.clone());
                None
            }
            Err(error) => Some(self.nothing_sent(not_recorded(&error)).await),
        }
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
                    permit.attempt_ended(AttemptEnd::new(now, true));
                }
                return Ok(flow.abandon());
            };
            self.has_token |= matches!(event, Event::Token { .. });
            let jitter = Jitter::from_bits(self.host.random());
            let handled = flow.handle(elapsed, jitter, event);
            if let (true, Some(permit)) = (is_attempt, permit.as_deref_mut()) {
                let (in_doubt, other_name) = (flow.is_last_in_doubt(), flow.other_name());
                let other_name = other_name.map(str::to_owned);
                let is_other = other_name.is_some();
                permit.attempt_ended(AttemptEnd { at: now.clone(), in_doubt, other_name });
                if is_other {
                    let limit = self.host.sleep(self.request.policy.record_timeout);
                    let kept = within(limit, permit.keep_end(&now)).await;
                    if let Some(Err(RecordError::Adopted(adopted))) = kept {
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
                Some(None) => late(limit),
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

fn not_recorded(error: &LedgerError) -> NotDone {
    NotDone::NotRecorded(error.to_string())
}
