//! [`run`]: claim, wait, flow, end. The one loop that performs an operation, for creates, renames and
//! recoveries alike.

use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use portal_model::flow::{Activity, Event, Flow, Jitter, KnownPortal, NotSent, Receipt, Step};
use portal_model::outcome::{Conflict, Doubt, NotDone, Origin, Owner, Unverified};
use portal_model::{ApiVersion, Operation, Outcome, Portal, Response};

use crate::claim::{Blocked, ClaimRequest, Wait, Wanted, Why};
use crate::decide::{Adopted, AttemptEnd};
use crate::entry::{Ending, EndingKind, Entry, EntryId};
use crate::error::LedgerError;
use crate::host::{Host, Terms};
use crate::ledger::{Claim, Ledger, Permit, RecordError};
use crate::rows::Filter;
use crate::time::Moment;

/// How long an outcome that is known waits until it is in the ledger, too.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a claim that has to wait waits before it asks again: half of it to all of it.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How often a claim is asked again whose result was lost.
const MAX_CLAIMS: u32 = 3;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// What is true.
    pub outcome: Outcome,
    /// The operation in the ledger, if it got that far.
    pub entry: Option<EntryId>,
    /// Why the ledger does not hold the outcome, if it does not. The next claim determines it again.
    pub not_written: Option<LedgerError>,
}

/// Performs one operation, or determines what came of one, and returns once that is known or the
/// deadline of its policy is past. The deadline counts from the first grant; until then it waits for others
/// as long as their attempts may take.
///
/// Once `stop` is ready nothing more is sent, and the outcome is what is known by then.
///
/// # Cancel safety
/// Dropping the future is as if the process had been killed: the operation is in the ledger, and the
/// same one, run again, goes on from there.
pub async fn run(
    ledger: &Ledger,
    request: ClaimRequest,
    version: ApiVersion,
    host: &mut impl Host,
    stop: impl Future<Output = ()>,
) -> Ended {
    let stop = Stop { future: pin!(stop), is_raised: false };
    Run { ledger, request, version, host, stop, has_token: false, granted: None }.finish().await
}

/// What is known of an operation, and what a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// What the ledger has of the same operation.
    pub entry: Option<Entry>,
    /// What would come of it: [`NotDone::Preview`] if something would be sent.
    pub outcome: Outcome,
}

/// Looks once into the ledger and once at the org's portals; claims and sends nothing.
///
/// # Errors
/// [`LedgerError`].
pub async fn preview(
    ledger: &Ledger,
    request: ClaimRequest,
    version: ApiVersion,
    host: &mut impl Host,
) -> Result<Preview, LedgerError> {
    let (entry, receipts) = ledger.look(&request, &host.now()).await?;
    let operation = match (&request.wanted, &entry) {
        (Wanted::Do(operation), _) => operation.clone(),
        (Wanted::Recover(_), Some(entry)) => entry.operation.clone(),
        (Wanted::Recover(id), None) => {
            return Err(LedgerError::NotApplied(Blocked::NoEntry(id.clone()).to_string()));
        }
    };
    let flow = Flow::preview(operation.clone(), request.policy.clone(), version);
    let stop = Stop { future: pin!(pending()), is_raised: false };
    let mut run = Run { ledger, request, version, host, stop, has_token: false, granted: None };
    let driven = run.drive(flow.with_receipts(receipts), None).await;
    let outcome = driven.unwrap_or_else(|Adopted| not_done(&operation, NotDone::Preview));
    Ok(Preview { entry, outcome })
}

/// How an operation ends that got no further than before its claim, for the reason `why`: nothing was
/// sent for it, but an earlier one of its names may be in doubt, in whatever org.
pub async fn end_unclaimed(
    ledger: &Ledger,
    request: ClaimRequest,
    why: NotDone,
    host: &mut impl Host,
) -> Ended {
    let (version, stop) =
        (ApiVersion::default(), Stop { future: pin!(ready(())), is_raised: true });
    Run { ledger, request, version, host, stop, has_token: false, granted: None }
        .nothing_sent(why)
        .await
}

impl Ended {
    /// The same of an unknown outcome under this name.
    fn named(self, of: &str) -> Self {
        let outcome = match self.outcome {
            Outcome::Unknown { doubt, why, .. } => {
                Outcome::Unknown { name: of.to_owned(), doubt, why }
            }
            other => other,
        };
        Self { outcome, ..self }
    }
}

impl From<Outcome> for Ended {
    /// Without an entry.
    fn from(outcome: Outcome) -> Self {
        Self { outcome, entry: None, not_written: None }
    }
}

struct Run<'a, H, S> {
    ledger: &'a Ledger,
    request: ClaimRequest,
    version: ApiVersion,
    host: &'a mut H,
    stop: Stop<'a, S>,
    has_token: bool,
    /// When the first permit was granted.
    granted: Option<Moment>,
}

/// Why there is no claim.
enum Unclaimed {
    /// Nothing was done for it.
    NotDone(NotDone),
    /// The ledger can't be read, so that anything may be in doubt.
    Damaged(String),
}

impl<H: Host, S: Future<Output = ()>> Run<'_, H, S> {
    async fn finish(mut self) -> Ended {
        loop {
            let ended = match self.claim().await {
                Ok(Claim::Granted(permit)) => self.perform(permit).await,
                Ok(Claim::Wait(wait)) => self.wait(wait).await,
                Ok(Claim::Ended(entry)) => Some(self.told(&entry)),
                Ok(Claim::Blocked(blocked)) => Some(self.blocked(blocked)),
                Err(Unclaimed::Damaged(why)) => Some(self.unknown(Unverified::Ledger(why), None)),
                Err(Unclaimed::NotDone(why)) => Some(self.nothing_sent(why).await),
            };
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    async fn claim(&mut self) -> Result<Claim, Unclaimed> {
        let limit = self.request.policy.record_timeout;
        let mut claims = 1;
        loop {
            let now = self.host.now();
            let asked = self.ledger.claim(&self.request, &now);
            let within = within(self.host.sleep(limit), asked);
            let failure = match self.stop.unless_raised(within).await {
                None => return Err(Unclaimed::NotDone(NotDone::Stopped)),
                Some(Some(Ok(claim))) => return Ok(claim),
                Some(Some(Err(LedgerError::Unknown(why)))) => LedgerError::Unknown(why),
                Some(Some(Err(error @ LedgerError::Damaged(_)))) => {
                    return Err(Unclaimed::Damaged(error.to_string()));
                }
                Some(Some(Err(error))) => return Err(Unclaimed::NotDone(not_recorded(&error))),
                Some(None) => LedgerError::Unknown(format!("no answer within {limit:?}")),
            };
            // The same request again: if it was granted, it is granted again.
            if claims == MAX_CLAIMS {
                return Err(Unclaimed::NotDone(not_recorded(&failure)));
            }
            claims += 1;
        }
    }

    /// Lists while others are at work: what the list shows ends the wait, where that is an answer. `None`
    /// to claim again.
    async fn wait(&mut self, wait: Wait) -> Option<Ended> {
        let is_answer = !matches!(wait.why, Why::UnderWay | Why::InDoubt);
        if let (Wanted::Do(operation), true) = (&self.request.wanted, is_answer) {
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
                Some(self.unknown(Unverified::Elsewhere, Some(wait.entry)))
            }
            (None, Why::OtherUnderWay | Why::Effect | Why::InDoubt) => {
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
            Outcome::Present { .. } | Outcome::Unchanged { .. } => {
                Some(Ended { outcome, entry: None, not_written: None })
            }
            // While the same operation is under way, it may yet get the portal.
            Outcome::OrgHasPortal { .. } if why != Why::SameUnderWay => {
                Some(Ended { outcome, entry: None, not_written: None })
            }
            Outcome::NotCreated { why: NotDone::Auth(failure), .. }
            | Outcome::NotRenamed { why: NotDone::Auth(failure), .. } => {
                Some(self.nothing_sent(NotDone::Auth(failure)).await)
            }
            _ => None,
        }
    }

    /// What the holder of the entry does with it. `None` if somebody else holds it since.
    async fn perform(&mut self, mut permit: Permit) -> Option<Ended> {
        let driven = match self.flow(&permit) {
            Some(flow) => self.drive(flow, Some(&mut permit)).await,
            // Whoever began it attempted nothing.
            None => Ok(not_done(&permit.entry().operation, NotDone::Absent)),
        };
        let entry = permit.entry().id.clone();
        let Ok(mut outcome) = driven else { return self.adopted(permit.entry()).await };
        if let (Outcome::Present { origin, .. }, true) = (&mut outcome, permit.has_rival())
            && *origin == Origin::Appeared
        {
            *origin = Origin::Undetermined;
        }
        let (ending, now) = (Ending::of(&outcome), self.host.now());
        let held = permit.entry().clone();
        let held_until = permit.held_until().clone();
        let written = within(self.host.sleep(END_TIMEOUT), permit.end(&ending, &now)).await;
        let not_written = match written {
            Some(Ok(_)) => None,
            Some(Err(RecordError::Adopted(_))) if !self.stop.is_raised => {
                return self.adopted(&held).await;
            }
            Some(Err(RecordError::Adopted(_))) => {
                return Some(self.unknown(Unverified::Elsewhere, Some(entry)));
            }
            Some(Err(RecordError::Ledger(error))) => Some(error),
            None => Some(LedgerError::Unknown(format!("no answer within {END_TIMEOUT:?}"))),
        };
        let is_negative = outcome.is_certain() && !outcome.exists();
        let may_be_adopted = held_until.is_at_or_before(&self.host.now());
        if let (Some(error), true) = (&not_written, is_negative && may_be_adopted) {
            // Whoever adopted the entry may have made another attempt.
            let why = Unverified::Ledger(error.to_string());
            return Some(Ended { not_written, ..self.unknown(why, Some(entry)) });
        }
        Some(Ended { outcome, entry: Some(entry), not_written })
    }

    /// Becomes a waiter, under an id of its own. `None` to claim again.
    async fn adopted(&mut self, entry: &Entry) -> Option<Ended> {
        match EntryId::random() {
            Ok(id) => {
                self.request.id = id;
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
    async fn drive(
        &mut self,
        mut flow: Flow,
        mut permit: Option<&mut Permit>,
    ) -> Result<Outcome, Adopted> {
        let started = self.host.now();
        let mut elapsed = Duration::ZERO;
        let mut is_admitted = false;
        let mut has_begun = false;
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
                    let sent = self.host.send(request, Terms { timeout, attempt: None });
                    self.stop.unless_raised(sent).await.map(Event::from)
                }
                Step::Record(intent) => {
                    let limit = self.request.policy.record_timeout;
                    // That of the step: nothing comes between it and the timer.
                    let now = started.plus(elapsed);
                    let Some(permit) = permit.as_deref_mut() else {
                        return Ok(flow.abandon());
                    };
                    attempt_until = now.plus(permit.entry().times.attempt_budget);
                    let recorded = permit.record(&intent, &now);
                    let recorded = within(self.host.sleep(limit), recorded);
                    match self.stop.unless_raised(recorded).await {
                        None => None,
                        Some(Some(Ok(()))) => Some(Event::Recorded),
                        Some(Some(Err(RecordError::Adopted(adopted)))) => return Err(adopted),
                        Some(Some(Err(RecordError::Ledger(error)))) => {
                            Some(Event::NotRecorded(error.to_string()))
                        }
                        // It may be recorded; it is not made.
                        Some(None) => {
                            let why = format!("no answer of the ledger within {limit:?}");
                            Some(Event::NotRecorded(why))
                        }
                    }
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
                permit.attempt_ended(AttemptEnd { at: now, in_doubt });
            }
            // Every step above has an event that fits it. If not, nothing more is sent.
            debug_assert_eq!(handled, Ok(()));
            if handled.is_err() {
                return Ok(flow.abandon());
            }
        }
    }

    async fn attempt(
        &mut self,
        request: portal_model::Request,
        timeout: Duration,
        until: &Moment,
    ) -> Option<Result<Response, portal_model::flow::TransportError>> {
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

/// Outcomes of what was not attempted here.
impl<H: Host, S> Run<'_, H, S> {
    /// Rule 11: nothing was sent by this call, but an earlier one may be in doubt, in any org.
    async fn nothing_sent(&self, why: NotDone) -> Ended {
        let now = self.host.now();
        let filter = Filter {
            // Not known before there is a token, in which case any may be meant.
            origin: Some(self.request.org.origin().to_owned()).filter(|origin| !origin.is_empty()),
            is_unfinished: true,
            ..Filter::default()
        };
        let limit = self.request.policy.record_timeout;
        let read = within(self.host.sleep(limit), self.ledger.entries(&filter)).await;
        let entries = match read {
            Some(Ok(entries)) => entries,
            Some(Err(error)) => return self.unknown(Unverified::Ledger(error.to_string()), None),
            None => {
                let why = format!("no answer of the ledger within {limit:?}");
                return self.unknown(Unverified::Ledger(why), None);
            }
        };
        let wanted = |entry: &&Entry| match &self.request.wanted {
            Wanted::Do(operation) => {
                operation.names().any(|name| entry.operation.concerns(name))
                    || operation.concerns(entry.name())
            }
            Wanted::Recover(id) => entry.id == *id,
        };
        if let Some(entry) = entries.iter().filter(wanted).find(|entry| entry.may_be_done(&now)) {
            let ended = self.unknown(unverified(why), Some(entry.id.clone()));
            return match self.request.wanted {
                Wanted::Do(_) => ended,
                // Its name instead of its id.
                Wanted::Recover(_) => ended.named(entry.name()),
            };
        }
        match within(self.host.sleep(limit), self.done_under_key(&now)).await {
            // It may have ended since the caller asked for it.
            Some(Ok(Some(entry))) => self.told(&entry),
            Some(Err(error)) => self.unknown(Unverified::Ledger(error.to_string()), None),
            Some(Ok(None)) | None => match &self.request.wanted {
                Wanted::Do(operation) => {
                    let outcome = not_done(operation, why);
                    Ended { outcome, entry: None, not_written: None }
                }
                Wanted::Recover(id) => self.unknown(unverified(why), Some(id.clone())),
            },
        }
    }

    /// The entry of the same key, if it had an effect.
    async fn done_under_key(&self, now: &Moment) -> Result<Option<Entry>, LedgerError> {
        if self.request.key.is_none() {
            return Ok(None);
        }
        let (entry, _) = self.ledger.look(&self.request, now).await?;
        let is_done = |entry: &Entry| {
            entry.key == self.request.key && entry.ending().is_some_and(|it| it.kind.is_own())
        };
        Ok(entry.filter(is_done))
    }

    fn unknown(&self, why: Unverified, entry: Option<EntryId>) -> Ended {
        let name = match &self.request.wanted {
            Wanted::Do(operation) => target(operation),
            Wanted::Recover(id) => id.as_str(),
        };
        let outcome = Outcome::Unknown { name: name.to_owned(), doubt: Doubt::Earlier, why };
        Ended { outcome, entry, not_written: None }
    }

    fn blocked(&self, blocked: Blocked) -> Ended {
        let (conflict, entry) = match blocked {
            Blocked::KeyOfAnother(entry) => (Conflict::KeyOfAnother, entry),
            Blocked::NameDropped(entry) => (Conflict::NameDropped, entry),
            Blocked::LabelMoved(entry) => (Conflict::LabelMoved, entry),
            Blocked::NoEntry(id) => {
                let why = Unverified::Ledger(Blocked::NoEntry(id).to_string());
                return self.unknown(why, None);
            }
        };
        let name = entry.name().to_owned();
        let outcome = match (conflict, &self.request.wanted) {
            (Conflict::KeyOfAnother | Conflict::LabelMoved, Wanted::Do(operation)) => {
                not_done(operation, NotDone::Conflict { conflict, name })
            }
            (Conflict::NameDropped, Wanted::Do(operation)) if !entry.is_in_doubt() => {
                not_done(operation, NotDone::Conflict { conflict, name })
            }
            // What is in doubt there is what is wanted here.
            (_, Wanted::Do(_) | Wanted::Recover(_)) => {
                let why = Unverified::Conflict(conflict);
                Outcome::Unknown { name, doubt: Doubt::Earlier, why }
            }
        };
        Ended { outcome, entry: Some(entry.id), not_written: None }
    }

    /// The outcome of an operation that ended earlier.
    fn told(&self, entry: &Entry) -> Ended {
        let name = entry.name().to_owned();
        let kind = entry.ending().map_or(EndingKind::Unknown, |ending| ending.kind);
        let is_recovery = matches!(self.request.wanted, Wanted::Recover(_));
        // Not because the entry is that of a claim whose answer was lost: somebody else did it since.
        let is_own = is_recovery || self.request.key.is_some() && self.request.key == entry.key;
        let outcome = match (kind, &entry.operation) {
            (EndingKind::NotDone, operation) => not_done(operation, NotDone::Absent),
            (EndingKind::Unknown, _) => {
                let (doubt, why) = (Doubt::Earlier, Unverified::Stopped);
                Outcome::Unknown { name, doubt, why }
            }
            (_, Operation::Rename(rename)) => {
                Outcome::Renamed { old: rename.old.clone(), new: rename.new.clone() }
            }
            (EndingKind::Created, Operation::Create(create)) if is_recovery => {
                // What was created may have another name by now.
                let named = create.names().find(|own| own.is_same_as(&name));
                let name = named.unwrap_or(&create.name).clone();
                Outcome::Created { name, taken: Vec::new() }
            }
            _ => {
                let known = entry.ending().and_then(|ending| ending.portal.as_ref());
                let mut portal = Portal::new(name);
                portal.zaid = known.and_then(|known| known.id.clone());
                let origin = match kind {
                    EndingKind::Present => Origin::Undetermined,
                    _ => Origin::CreatedEarlier { entry: entry.id.to_string(), is_own },
                };
                Outcome::Present { portal, origin, taken: Vec::new() }
            }
        };
        Ended { outcome, entry: Some(entry.id.clone()), not_written: None }
    }
}

impl Ending {
    /// What the ledger keeps of an outcome.
    #[doc(hidden)]
    pub fn of(outcome: &Outcome) -> Self {
        let kind = match outcome {
            Outcome::Created { .. } => EndingKind::Created,
            Outcome::Renamed { .. } => EndingKind::Renamed,
            Outcome::Present { origin: Origin::Appeared, .. } => EndingKind::Appeared,
            Outcome::Present { .. } | Outcome::Unchanged { .. } => EndingKind::Present,
            Outcome::Unknown { .. } => EndingKind::Unknown,
            // It may be this org's, by a copy of this attempt. Who asked not to wait for that does not.
            Outcome::NameTaken { owner: Owner::Undetermined(why), .. }
                if *why != Unverified::AtOnce =>
            {
                EndingKind::Unknown
            }
            _ => EndingKind::NotDone,
        };
        let portal = match outcome {
            Outcome::Present { portal, .. } | Outcome::Unchanged { portal } => {
                Some(KnownPortal::of(portal))
            }
            _ => None,
        };
        let name = matches!(outcome, Outcome::Created { .. } | Outcome::Present { .. })
            .then(|| outcome.name().to_owned());
        let cause = (!kind.is_positive()).then(|| outcome.to_string());
        Self { kind, name, portal, cause }
    }
}

fn not_done(operation: &Operation, why: NotDone) -> Outcome {
    match operation {
        Operation::Create(create) => Outcome::NotCreated { name: create.name.clone(), why },
        Operation::Rename(rename) => {
            Outcome::NotRenamed { old: rename.old.clone(), new: rename.new.clone(), why }
        }
    }
}

/// The same cause, of what is in doubt.
fn unverified(why: NotDone) -> Unverified {
    match why {
        NotDone::Stopped => Unverified::Stopped,
        NotDone::Auth(failure) => Unverified::Auth(failure),
        NotDone::Origin(api) => Unverified::Origin(api),
        NotDone::OtherOrg { expected, found } => Unverified::OtherOrg { expected, found },
        NotDone::NotRecorded(why) => Unverified::Ledger(why),
        _ => Unverified::Deadline,
    }
}

/// The name that is wanted.
fn target(operation: &Operation) -> &str {
    match operation {
        Operation::Create(create) => create.name.as_str(),
        Operation::Rename(rename) => rename.new.as_str(),
    }
}

fn not_recorded(error: &LedgerError) -> NotDone {
    NotDone::NotRecorded(error.to_string())
}

/// The caller's wish that nothing more is sent.
struct Stop<'a, S> {
    future: Pin<&'a mut S>,
    is_raised: bool,
}

impl<S: Future<Output = ()>> Stop<'_, S> {
    /// Whether it is there by now.
    async fn is_raised(&mut self) -> bool {
        poll_fn(|context| {
            self.is_raised |= !self.is_raised && self.future.as_mut().poll(context).is_ready();
            Poll::Ready(self.is_raised)
        })
        .await
    }

    /// `None` if it comes before `work` is done. Work that is done counts.
    async fn unless_raised<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(result) = work.as_mut().poll(context) {
                return Poll::Ready(Some(result));
            }
            if !self.is_raised {
                self.is_raised = self.future.as_mut().poll(context).is_ready();
            }
            if self.is_raised { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

/// `None` if `limit` is over first.
async fn within<T>(limit: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    let (mut limit, mut work) = (pin!(limit), pin!(work));
    poll_fn(|context| {
        if let Poll::Ready(result) = work.as_mut().poll(context) {
            return Poll::Ready(Some(result));
        }
        limit.as_mut().poll(context).map(|()| None)
    })
    .await
}
