//! What every safe call has in common: [`Flow`]. Here are its state, its steps, and the moves between
//! them; `events` has what an event means.

mod events;
mod state;

use std::time::Duration;

use crate::endpoint::{ApiVersion, Endpoint as _, ResponseError};
use crate::error::{ApiError, with_sources};
use crate::intent::{Baseline, Intent};
use crate::operation::Operation;
use crate::outcome::{Doubt, NotDone, Outcome, Unverified};
use crate::portal::Portal;
use crate::read::ListPortals;

use super::effect::Effect;
use super::evidence::{Obstacle, Receipt};
use super::policy::{Jitter, Policy};
use super::step::{Activity, Step, TokenId};

/// One safe call, from the first list to its [`Outcome`]. See the [module](super) for its rules.
///
/// ```
/// use std::time::Duration;
/// use portal_model::flow::{Event, Flow, Jitter, Policy, Step, TokenId};
/// use portal_model::{ApiVersion, CreateOperation, Outcome, PortalName, Response};
///
/// let created = r#"{"portals":[{"code":"SUCCESS","details":{"name":"PortalsAPItest100"},
///     "message":"Portal created successfully with given name.","status":"success"}]}"#;
/// let create = CreateOperation::new(PortalName::parse("PortalsAPItest100")?);
/// let mut flow = Flow::new(create.into(), Policy::default(), ApiVersion::V7);
/// let outcome = loop {
///     let now = Duration::ZERO; // since the driver's start
///     let event = match flow.step(now) {
///         Step::Authenticate { .. } => Event::Token(TokenId(1)),
///         Step::List { .. } => Event::Response(Response::new(204, "")),
///         Step::Record(_intent) => Event::Recorded, // … once it is on the disk
///         Step::Send { .. } => Event::Response(Response::new(200, created)),
///         Step::WaitUntil(_time) => continue, // … after sleeping until then
///         Step::Done(outcome) => break outcome,
///     };
///     flow.handle(now, Jitter::FULL, event)?;
/// };
/// assert!(matches!(*outcome, Outcome::Created { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    pub(super) effect: Effect,
    pub(super) policy: Policy,
    pub(super) version: ApiVersion,
    /// When the first step was handed out.
    pub(super) started: Option<Duration>,
    /// How long after the start an attempt of an earlier process may still take effect.
    pub(super) horizon: Duration,
    /// Whether the flow ends where it would send.
    pub(super) is_preview: bool,
    pub(super) phase: Phase,
    /// What was handed out and is not reported yet.
    pub(super) in_flight: Option<InFlight>,
    /// Nothing is handed out before this time.
    pub(super) wake_at: Option<Duration>,
    pub(super) token: Token,
    pub(super) tries: Tries,
    /// What went wrong last, and how the flow ends if nothing helps.
    pub(super) last_failure: Option<NotDone>,
    /// How many attempts may have been sent.
    pub(super) attempts: u32,
    /// The portals before the first attempt, once they were listed.
    pub(super) baseline: Option<Baseline>,
    /// Set while an attempt may have taken effect.
    pub(super) doubt: Option<Doubt>,
    /// Whether the attempt whose event was handled last may yet take effect.
    pub(super) is_last_in_doubt: bool,
    /// What became of the last attempt that was ever in doubt.
    pub(super) last_doubt: Option<Doubt>,
    /// A complete list that began at this time or later proves absence.
    pub(super) absent_from: Duration,
    /// How many waits were for a list, since the last attempt that may have been sent. A repeat in
    /// doubt comes after a list that followed one.
    pub(super) polls: u32,
    /// Something that a list showed and that may be the effect, changed by somebody else.
    pub(super) ambiguity: Option<Unverified>,
    /// Something that a list showed since the attempt and that forbids another one.
    pub(super) blocked: Option<Obstacle>,
    /// Set once the service rejected a list because the token lacks the scope.
    pub(super) list_rejected: Option<ApiError>,
}

/// What comes next. Hidden, as all that the exhaustive test sees of a flow.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The list before the first attempt.
    Baseline,
    /// An attempt comes next; `recorded` once its intent is durable.
    Attempt { recorded: bool },
    /// A list comes next.
    Verify(IfAbsent),
    /// The flow has ended.
    Ended(Box<Outcome>),
}

/// What follows once a list proves that no attempt took effect.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfAbsent {
    /// Another attempt, as far as the policy allows.
    Repeat,
    /// The flow ends.
    NotDone(NotDone),
    /// The last attempt was rejected, and that is how the flow ends.
    Rejected(ApiError),
    /// The same, by a rejection that an earlier copy of the attempt may have caused; `earlier` if
    /// another attempt was in doubt before.
    Suspect { error: ApiError, earlier: bool },
}

/// A step that was handed out.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlight {
    Token,
    List { began: Duration },
    Record,
    Send,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    pub current: Option<TokenId>,
    /// The last one that the service rejected, with its error.
    pub rejected: Option<(TokenId, ResponseError)>,
    /// Whether the current request was already repeated with a new token.
    pub replaced: bool,
    /// Whether an attempt was refused with a 401 that is not the service's.
    pub was_refused: bool,
}

/// When an event is taken in, with the random part of the backoff that it may lead to.
#[derive(Clone, Copy, Debug)]
struct At {
    now: Duration,
    jitter: Jitter,
}

/// Failures in a row of one kind of request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Every one, rate limits included: the backoff grows with them.
    pub backoffs: u32,
    /// Without rate limits, whose responses name the time of the next try.
    pub failures: u32,
    /// When the first of the failed tries began.
    pub began: Option<Duration>,
}

impl Flow {
    /// Does what `operation` wants.
    pub fn new(operation: Operation, policy: Policy, version: ApiVersion) -> Self {
        Self::begin(Effect::new(operation), policy, version)
    }

    /// Looks only: lists once, and ends with [`NotDone::Preview`] where it would send something.
    pub fn preview(operation: Operation, policy: Policy, version: ApiVersion) -> Self {
        Self { is_preview: true, ..Self::new(operation, policy, version) }
    }

    /// The outcome of a [preview](Self::preview) by a complete list of the org's portals.
    pub fn outcome_by(mut self, portals: &[Portal]) -> Outcome {
        let at = At { now: Duration::ZERO, jitter: Jitter::FULL };
        self.on_listing(at, Duration::ZERO, portals);
        self.abandon()
    }

    /// Goes on from an intent that was left, whose attempts count.
    ///
    /// Until `horizon` from the start of this flow an earlier attempt may take effect; zero if none can
    /// any more.
    pub fn resume(
        operation: Operation,
        intent: Intent,
        horizon: Duration,
        policy: Policy,
        version: ApiVersion,
    ) -> Self {
        // Rule 6: a success for another name is evidence in every process.
        let other_name = intent.other_name.clone();
        let ambiguity = other_name.clone().map(Unverified::MayBeRenamed);
        let doubt = other_name.map_or(Doubt::Earlier, Doubt::OtherName);
        Self {
            horizon,
            attempts: intent.attempts,
            baseline: intent.baseline.clone(),
            ambiguity,
            doubt: Some(doubt),
            phase: Phase::Verify(IfAbsent::Repeat),
            ..Self::begin(Effect::of_intent(operation, intent), policy, version)
        }
    }

    /// Determines what came of an intent that was left, and never sends anything but lists.
    /// [`NotDone::Absent`] means that its attempts had no effect. `horizon` is as for
    /// [`resume`](Self::resume).
    pub fn recover(
        operation: Operation,
        intent: Intent,
        horizon: Duration,
        policy: Policy,
        version: ApiVersion,
    ) -> Self {
        let phase = Phase::Verify(IfAbsent::NotDone(NotDone::Absent));
        Self { phase, ..Self::resume(operation, intent, horizon, policy, version) }
    }

    /// What the same ledger has of other operations in the org; see [`Receipt`].
    #[must_use]
    pub fn with_receipts(mut self, receipts: impl IntoIterator<Item = Receipt>) -> Self {
        self.effect.receipts.extend(receipts);
        self
    }

    fn begin(effect: Effect, policy: Policy, version: ApiVersion) -> Self {
        Self {
            effect,
            policy,
            version,
            started: None,
            horizon: Duration::ZERO,
            is_preview: false,
            phase: Phase::Baseline,
            in_flight: None,
            wake_at: None,
            token: Token::default(),
            tries: Tries::default(),
            last_failure: None,
            attempts: 0,
            baseline: None,
            doubt: None,
            is_last_in_doubt: false,
            last_doubt: None,
            absent_from: Duration::ZERO,
            polls: 0,
            ambiguity: None,
            blocked: None,
            list_rejected: None,
        }
    }

    /// Starts the clock of the deadline.
    fn start(&mut self, now: Duration) {
        if self.started.is_none() {
            self.started = Some(now);
            if self.doubt.is_some() {
                let listed = self.horizon.saturating_add(self.policy.list_lag);
                self.absent_from = now.saturating_add(listed);
            }
        }
    }

    /// When the flow ends at the latest; from then on [`step`](Self::step) gives no more requests.
    pub fn deadline(&self) -> Duration {
        self.started.unwrap_or_default().saturating_add(self.policy.deadline)
    }

    /// What to do next. Called again before the event, it returns the same step, with the
    /// remaining timeout.
    pub fn step(&mut self, now: Duration) -> Step {
        self.start(now);
        if self.in_flight.is_none() {
            self.proceed(now);
        }
        self.current_step(now)
    }

    /// Whether some attempt may have taken effect, and nothing shows it.
    pub fn is_in_doubt(&self) -> bool {
        match &self.phase {
            Phase::Ended(outcome) => !outcome.is_certain(),
            _ => self.doubt.is_some() || self.in_flight == Some(InFlight::Send),
        }
    }

    /// Whether the attempt whose event was handled last may yet take effect. A rejection settles its own
    /// attempt only (rule 3), so an earlier one may be in doubt although this is false.
    pub fn is_last_in_doubt(&self) -> bool {
        self.is_last_in_doubt
    }

    /// The name that the service reported success for, where that is not the wanted one. No list shows
    /// that, so it has to be on disk before another process goes on (rule 6).
    pub fn other_name(&self) -> Option<&str> {
        match &self.doubt {
            Some(Doubt::OtherName(name)) => Some(name),
            _ => None,
        }
    }

    /// The outcome of stopping now. It is true at any moment: unknown while a request is under way
    /// or an earlier one is in doubt.
    #[must_use]
    pub fn abandon(mut self) -> Outcome {
        if self.in_flight == Some(InFlight::Send) {
            self.doubt.get_or_insert(Doubt::InProgress);
        }
        match self.phase {
            Phase::Ended(outcome) => *outcome,
            _ => self.unknown_or(Unverified::Stopped, NotDone::Stopped),
        }
    }

    /// What the flow is doing, for progress displays.
    pub fn activity(&self) -> Activity {
        let until = self.wake_at.unwrap_or_default();
        match (&self.phase, self.in_flight) {
            (Phase::Ended(..), _) => Activity::Done,
            (_, Some(InFlight::Token)) => Activity::Authenticating,
            (_, Some(InFlight::Record)) => Activity::Recording,
            (_, Some(InFlight::Send)) => Activity::Sending { attempt: self.attempts },
            (Phase::Baseline, Some(InFlight::List { .. })) => Activity::ListingFirst,
            (_, Some(InFlight::List { .. })) => Activity::Verifying,
            (Phase::Verify(_), None) if self.last_failure.is_none() && !self.backs_off(until) => {
                let doubt = self.doubt.clone().unwrap_or(Doubt::InProgress);
                Activity::WaitingToVerify { doubt, until: self.absent_from.max(until) }
            }
            (_, None) => {
                let failure = self.last_failure.as_ref().map(|failure| with_sources(failure));
                let doubt = || self.doubt.as_ref().map(|doubt| with_sources(doubt));
                Activity::BackingOff { cause: failure.or_else(doubt).unwrap_or_default(), until }
            }
        }
    }
}

/// What comes next.
impl Flow {
    /// Whether the list after this wait clears the way for another attempt, unless it shows something.
    fn backs_off(&self, until: Duration) -> bool {
        self.phase == Phase::Verify(IfAbsent::Repeat) && self.polls > 0 && self.may_repeat(until)
    }

    /// Whether another attempt may begin at `at`, in doubt.
    fn may_repeat(&self, at: Duration) -> bool {
        self.effect.repeats_in_doubt()
            && self.blocked.is_none()
            && self.ambiguity.is_none()
            && self.check_attempt(at).is_ok()
    }

    /// Puts the next thing under way, unless it is too early or the flow has ended.
    fn proceed(&mut self, now: Duration) {
        let due = self.wake_at.map_or(now, |wake_at| wake_at.max(now));
        match self.phase {
            Phase::Ended(..) => return,
            // Rule 2: the time is checked again once the intent is written, which may take long.
            Phase::Baseline | Phase::Attempt { .. } => {
                if let Err(reason) = self.check_attempt(due) {
                    return self.stop_attempting(now, reason);
                }
            }
            Phase::Verify(_) if due >= self.deadline() => return self.end_at_deadline(),
            Phase::Verify(_) => {}
        }
        if now < due {
            return;
        }
        if self.is_past_tries(now) {
            return self.end_at_deadline();
        }
        self.wake_at = None;
        let next = match (self.token.current, &self.phase) {
            (_, Phase::Attempt { recorded: true }) => {
                self.phase = Phase::Attempt { recorded: false };
                self.attempts += 1;
                InFlight::Send
            }
            (None, _) => InFlight::Token,
            (Some(_), Phase::Attempt { recorded: false }) => InFlight::Record,
            (Some(_), _) => InFlight::List { began: now },
        };
        if next != InFlight::Send {
            self.tries.began.get_or_insert(now);
        }
        self.in_flight = Some(next);
    }

    fn current_step(&self, now: Duration) -> Step {
        match (&self.phase, self.in_flight) {
            (Phase::Ended(outcome), _) => Step::Done(outcome.clone()),
            (_, None) => Step::WaitUntil(self.wake_at.unwrap_or(now)),
            (_, Some(InFlight::Token)) => Step::Authenticate {
                rejected: self.token.rejected.as_ref().map(|(id, _)| *id),
                timeout: self.read_timeout(now),
            },
            (_, Some(InFlight::List { .. })) => Step::List {
                request: ListPortals.request(self.version),
                timeout: self.read_timeout(now),
            },
            (_, Some(InFlight::Record)) => {
                Step::Record(self.effect.intent(self.attempts + 1, self.baseline.clone()))
            }
            // There was time for all of it when it was handed out.
            (_, Some(InFlight::Send)) => Step::Send {
                request: self.effect.request(self.version, self.baseline.as_ref()),
                timeout: self.policy.attempt_timeout,
            },
        }
    }

    /// Whether an attempt may begin at `at`, or why not.
    fn check_attempt(&self, at: Duration) -> Result<(), NotDone> {
        if self.attempts >= self.policy.max_attempts {
            return Err(NotDone::Exhausted { last: self.last_doubt.clone() });
        }
        let verified = at.saturating_add(self.policy.time_for_an_attempt());
        if verified <= self.deadline() { Ok(()) } else { Err(self.too_late()) }
    }

    fn too_late(&self) -> NotDone {
        NotDone::Deadline { last: self.last_doubt.clone() }
    }

    /// An attempt would be next, but the policy allows no more.
    fn stop_attempting(&mut self, now: Duration, reason: NotDone) {
        let requested = match self.last_failure {
            Some(NotDone::RateLimited { .. }) => self.wake_at,
            // The list needs a token, and there was none just now.
            Some(_) if self.token.current.is_none() => self.wake_at,
            _ => None,
        };
        let reason = self.last_failure.take().unwrap_or(reason);
        self.end_attempts(reason);
        if matches!(self.phase, Phase::Verify(_)) {
            // Rule 12: a list comes even if `Retry-After` is beyond the deadline.
            self.wake_at = requested.filter(|at| *at <= self.last_list());
            self.proceed(now);
        }
    }

    /// No attempt follows: the flow ends with `reason` once nothing is in doubt.
    fn end_attempts(&mut self, reason: NotDone) {
        if self.doubt.is_some() {
            self.verify(IfAbsent::NotDone(reason));
        } else {
            self.finish(self.effect.not_done(reason));
        }
    }

    fn end_at_deadline(&mut self) {
        let reason = self.last_failure.clone().unwrap_or_else(|| self.too_late());
        let outcome = self.unknown_or(Unverified::Deadline, reason);
        self.finish(outcome);
    }

    /// The latest time at which a list begins with all of its timeout left.
    fn last_list(&self) -> Duration {
        self.deadline().saturating_sub(self.policy.read_timeout)
    }

    /// Whether the time for the tries of rule 13 is spent.
    fn is_past_tries(&self, now: Duration) -> bool {
        let until = self.tries.began.map(|began| began.saturating_add(self.policy.try_time));
        self.doubt.is_none() && self.tries.failures > 0 && until.is_some_and(|until| now >= until)
    }

    fn read_timeout(&self, now: Duration) -> Duration {
        let deadline = self.deadline();
        let until = match (&self.doubt, self.tries.began) {
            (None, Some(began)) => deadline.min(began.saturating_add(self.policy.try_time)),
            // A list that can't prove absence yet leaves the time for the one that can.
            (Some(_), _) if now < self.absent_from && self.absent_from <= self.last_list() => {
                self.last_list()
            }
            _ => deadline,
        };
        self.policy.read_timeout.min(until.saturating_sub(now))
    }
}

/// Moves.
impl Flow {
    /// The current request has ended.
    fn end_request(&mut self) {
        self.in_flight = None;
        self.token.replaced = false;
        self.tries = Tries::default();
    }

    fn start_attempt(&mut self) {
        self.last_failure = None;
        if self.is_preview {
            return self.finish(self.effect.not_done(NotDone::Preview));
        }
        self.phase = Phase::Attempt { recorded: false };
    }

    /// Lists come next, the first at once.
    fn verify(&mut self, if_absent: IfAbsent) {
        self.end_request();
        self.wake_at = None;
        self.polls = 0;
        self.phase = Phase::Verify(if_absent);
        if let Some(error) = self.list_rejected.clone() {
            self.finish(self.unknown(Unverified::ListRejected(error)));
        }
    }

    /// The current request failed: the same again, later. `requested` is the wait that the
    /// service requests.
    fn retry(&mut self, at: At, last_failure: NotDone, requested: Option<Duration>) {
        // Getting a token is a part of the request that needs it.
        if self.in_flight.take() != Some(InFlight::Token) {
            self.token.replaced = false;
        }
        // Rule 1 for a repeat in doubt: a list comes after the wait, which grows all the same. Where the
        // token may not list, only a create is repeated (rule 8).
        let needs_list = self.list_rejected.is_none() || !self.effect.repeats_in_doubt();
        let is_repeat =
            matches!(self.phase, Phase::Attempt { .. }) && self.doubt.is_some() && needs_list;
        let step =
            if is_repeat { self.tries.backoffs.max(self.polls) } else { self.tries.backoffs };
        let backoff = self.policy.backoff(step, at.jitter);
        // Rule 12: at least the backoff, and many clients don't come back at the same moment.
        let requested =
            requested.map(|time| time.saturating_add(at.jitter.of(self.policy.backoff_base)));
        let wake_at =
            at.now.saturating_add(requested.map_or(backoff, |requested| requested.max(backoff)));
        self.tries.backoffs += 1;
        let is_rate_limited = matches!(last_failure, NotDone::RateLimited { .. });
        self.last_failure = Some(last_failure);
        // Where no attempt fits after the wait, the flow stops sending and verifies at once (rule 12).
        if is_repeat && self.check_attempt(wake_at).is_ok() {
            self.phase = Phase::Verify(IfAbsent::Repeat);
            self.polls += 1;
        }
        self.wait_until(at.now, wake_at);
        if is_rate_limited {
            self.tries = Tries { backoffs: self.tries.backoffs, ..Tries::default() };
            return;
        }
        self.tries.failures += 1;
        let is_spent = self.tries.failures >= self.policy.max_tries || self.is_past_tries(wake_at);
        if is_spent && self.doubt.is_none() {
            self.end_at_deadline();
        }
    }

    /// A wait for a list that would leave no time for it ends while there is some.
    fn wait_until(&mut self, now: Duration, wake_at: Duration) {
        let is_for_list = matches!(self.phase, Phase::Verify(_)) && now < self.last_list();
        self.wake_at = Some(if is_for_list { wake_at.min(self.last_list()) } else { wake_at });
    }

    fn unknown_or(&self, why: Unverified, reason: NotDone) -> Outcome {
        if self.doubt.is_some() { self.unknown(why) } else { self.effect.not_done(reason) }
    }

    fn unknown(&self, why: Unverified) -> Outcome {
        let suspect = match &self.phase {
            Phase::Verify(IfAbsent::Suspect { error, earlier: false }) => Some(error),
            _ => None,
        };
        // The reason that no wait would change comes first.
        let rejected = self.list_rejected.clone().map(Unverified::ListRejected);
        let why = self.ambiguity.clone().or(rejected).unwrap_or(why);
        self.effect.unknown(self.doubt.clone().unwrap_or(Doubt::InProgress), why, suspect)
    }

    fn finish(&mut self, outcome: Outcome) {
        self.end_request();
        self.wake_at = None;
        self.last_failure = None;
        if let Some(next) = self.effect.fallback(&outcome) {
            // Rule 8: the list that led here proves that no attempt of the name before took effect.
            self.effect = next;
            self.attempts = 0;
            self.doubt = None;
            self.start_attempt();
        } else {
            self.phase = Phase::Ended(Box::new(outcome));
        }
    }
}
