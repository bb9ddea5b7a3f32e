//! A create that never lies: [`CreateFlow`].
//!
//! A portal can't be deleted, the call can't be rehearsed, and it has no idempotency key; so after
//! a lost answer the only truth is in the list of the org's portals. The flow is a state machine
//! without clock, randomness or I/O. A driver asks for the next [`Step`], performs it once, and
//! reports what happened; time is a `Duration` since the driver's own start.
//!
//! The rules:
//! 1. **Baseline.** A list comes before the first POST. It shows whether the name is ours already
//!    and whether the org has another portal. A token that may create but not read goes on,
//!    unverified.
//! 2. **A look-up is a list**, its names compared ignoring case.
//! 3. **Doubt** starts when a POST is handed out, and sticks. Not sent, 429 and a refused token
//!    take back only their own attempt's doubt. In doubt nothing negative is concluded without a
//!    look-up that began [`settle`](Policy::settle) after the last attempt.
//! 4. The same name may be sent again in doubt, since names are unique; a POST is sent only while
//!    the time left covers [`Policy::time_for_a_post`].
//! 5. A refused token is replaced once per request. After a 429 it waits as long as the service
//!    asks, else with exponential back-off and full jitter.
//! 6. [`intent`](CreateFlow::intent) is written down before a POST is sent and kept until the
//!    outcome is certain; [`resume`](CreateFlow::resume) settles it, and
//!    [`abandon`](CreateFlow::abandon) is honest at any moment.

mod policy;
mod step;

use std::time::Duration;

pub use policy::{DeadlineTooShort, Jitter, Policy};
pub use step::{
    Activity, Intent, NoAnswer, NotSent, Report, Step, TokenError, TokenId, UnexpectedReport,
};

use crate::create::CreatePortal;
use crate::endpoint::{ApiVersion, Endpoint, Response, ResponseError};
use crate::error::{ApiError, ErrorCode};
use crate::list::ListPortals;
use crate::name::PortalName;
use crate::outcome::{AuthFailure, Doubt, NotCreated, Origin, Outcome, Owner, Unsettled};
use crate::portal::Portal;

/// One create, from the first look to a certain outcome or an honest doubt. See the
/// [module](self) for its rules.
///
/// ```
/// use std::time::Duration;
/// use portal_model::flow::{CreateFlow, Jitter, Policy, Report, Step, TokenId};
/// use portal_model::{ApiVersion, CreatePortal, Outcome, PortalName, Response};
///
/// let name = PortalName::parse("PortalsAPItest100")?;
/// let mut flow = CreateFlow::new(name, Policy::default(), ApiVersion::V7);
/// let outcome = loop {
///     let now = Duration::ZERO; // since the driver's start
///     let report = match flow.step(now) {
///         Step::Authenticate { .. } => Report::Token(TokenId(1)),
///         Step::LookUp(_request) => Report::Answer(Response::new(204, "")),
///         Step::Send(_request) => {
///             assert!(flow.intent().is_some()); // write it down, then send
///             Report::Answer(CreatePortal::answer(ApiVersion::V7, "PortalsAPItest100"))
///         }
///         Step::Wait(_time) => continue, // … after sleeping
///         Step::Done(outcome) => break outcome,
///     };
///     flow.report(now, Jitter::FULL, report)?;
/// };
/// assert!(matches!(*outcome, Outcome::Created { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateFlow {
    policy: Policy,
    version: ApiVersion,
    /// The names still to be tried, the current one first; never empty.
    candidates: Vec<PortalName>,
    /// The name that was wanted first, once another one is tried.
    requested: Option<PortalName>,
    /// When the first step was asked for.
    started: Option<Duration>,
    token: Token,
    phase: Phase,
    /// What was handed out and is not reported yet.
    under_way: Option<UnderWay>,
    /// Nothing is handed out before this time.
    wake_at: Option<Duration>,
    /// How often in a row it had to wait and try again.
    retries: u32,
    /// What went wrong last, and how it ends if the time is up.
    setback: Option<NotCreated>,
    /// How many POSTs of the current name were handed out and not certainly kept back.
    posts: u32,
    /// When the last POST ended.
    last_attempt_ended: Duration,
    /// Set while an earlier POST of the current name may have created the portal.
    doubt: Option<Doubt>,
    /// Set once the service said that the token may create but not list.
    look_refused: Option<ApiError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The list before the first POST.
    Baseline,
    /// A POST comes next.
    Post,
    /// A look-up comes next.
    LookUp(Absent),
    /// It is over.
    Over(Box<Outcome>),
}

/// What follows if a look-up proves that the portal is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Absent {
    /// Another POST, as long as the policy allows one.
    SendAgain,
    /// Nothing is sent: an earlier process's create is being settled.
    Report,
    /// This refusal of the POST is the outcome.
    Refused(ApiError),
    /// This refusal of the POST's token is the outcome.
    TokenRejected(ApiError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnderWay {
    Token,
    Post,
    LookUp { began: Duration },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    current: Option<TokenId>,
    /// The last one that the service refused, with its words.
    rejected: Option<(TokenId, ApiError)>,
    /// Whether the request at hand was repeated with a new token already.
    replaced: bool,
}

impl CreateFlow {
    /// A create of `name`.
    pub fn new(name: PortalName, policy: Policy, version: ApiVersion) -> Self {
        Self {
            policy,
            version,
            candidates: vec![name],
            requested: None,
            started: None,
            token: Token { current: None, rejected: None, replaced: false },
            phase: Phase::Baseline,
            under_way: None,
            wake_at: None,
            retries: 0,
            setback: None,
            posts: 0,
            last_attempt_ended: Duration::ZERO,
            doubt: None,
            look_refused: None,
        }
    }

    /// Names to try in turn, each when the one before is proved to be another org's.
    #[must_use]
    pub fn or(mut self, alternatives: impl IntoIterator<Item = PortalName>) -> Self {
        self.candidates.extend(alternatives);
        self
    }

    /// Settles a create that was left in doubt. It looks at once, looks again `settle` after the
    /// first step, and never sends a POST: [`Outcome::NotCreated`] says that it is safe to create
    /// anew.
    pub fn resume(intent: Intent, policy: Policy, version: ApiVersion) -> Self {
        Self {
            requested: intent.requested,
            posts: intent.posts,
            doubt: Some(Doubt::Resumed),
            phase: Phase::LookUp(Absent::Report),
            ..Self::new(intent.name, policy, version)
        }
    }

    /// What to do next. Asked again without a report, it gives the same step.
    pub fn step(&mut self, now: Duration) -> Step {
        if self.started.is_none() {
            self.started = Some(now);
            self.last_attempt_ended = now;
        }
        if self.under_way.is_none() {
            self.proceed(now);
        }
        self.current_step(now)
    }

    /// Takes in what came of the last step.
    ///
    /// # Errors
    /// [`UnexpectedReport`] where the report does not fit the step; nothing changes.
    pub fn report(
        &mut self,
        now: Duration,
        jitter: Jitter,
        report: Report,
    ) -> Result<(), UnexpectedReport> {
        match (self.under_way, report) {
            (Some(UnderWay::Token), Report::Token(id)) => self.on_token(id),
            (Some(UnderWay::Token), Report::NoToken(error)) => {
                self.on_no_token(now, jitter, error);
            }
            (Some(UnderWay::LookUp { began }), Report::Answer(response)) => {
                self.on_look_up(now, jitter, began, &response);
            }
            (Some(UnderWay::LookUp { .. }), Report::NotSent(why)) => {
                self.retry(now, jitter, NotCreated::Unreachable(why.to_string()));
            }
            (Some(UnderWay::LookUp { .. }), Report::NoAnswer(why)) => {
                self.retry(now, jitter, NotCreated::Unreachable(why.to_string()));
            }
            (Some(UnderWay::Post), Report::Answer(response)) => {
                self.last_attempt_ended = now;
                self.on_post(now, jitter, &response);
            }
            (Some(UnderWay::Post), Report::NotSent(why)) => {
                self.posts -= 1;
                self.retry(now, jitter, NotCreated::Unreachable(why.to_string()));
            }
            (Some(UnderWay::Post), Report::NoAnswer(why)) => {
                self.last_attempt_ended = now;
                self.fall_into_doubt(now, jitter, Doubt::NoAnswer(why));
            }
            (under_way, report) => {
                return Err(UnexpectedReport {
                    report: report.kind(),
                    expected: match under_way {
                        None => "none, since nothing is under way",
                        Some(UnderWay::Token) => "Token or NoToken",
                        Some(_) => "Answer, NotSent or NoAnswer",
                    },
                });
            }
        }
        Ok(())
    }

    /// What must be written down before the POST is sent, and kept while it is there: it is
    /// `Some` from the moment a POST is handed out until it is certain what came of it.
    pub fn intent(&self) -> Option<Intent> {
        match &self.phase {
            Phase::Over(outcome) => match outcome.as_ref() {
                Outcome::Unknown { intent, .. } => Some(intent.clone()),
                _ => None,
            },
            _ => (self.under_way == Some(UnderWay::Post) || self.doubt.is_some()).then(|| Intent {
                name: self.name().clone(),
                requested: self.requested.clone(),
                posts: self.posts,
            }),
        }
    }

    /// The honest outcome of stopping now.
    #[must_use]
    pub fn abandon(mut self) -> Outcome {
        if self.under_way == Some(UnderWay::Post) {
            self.doubt.get_or_insert(Doubt::UnderWay);
        }
        match self.phase {
            Phase::Over(outcome) => *outcome,
            _ => self.unsettled_or(Unsettled::Stopped, NotCreated::Stopped),
        }
    }

    /// The longest time that the request of the current step may take.
    pub fn time_limit(&self, now: Duration) -> Duration {
        match self.under_way {
            // There was time for it all when it was handed out.
            Some(UnderWay::Post) => self.policy.attempt_timeout,
            _ => self.policy.attempt_timeout.min(self.deadline().saturating_sub(now)),
        }
    }

    /// What it is doing, for people who wait.
    pub fn activity(&self) -> Activity {
        match (&self.phase, self.under_way) {
            (Phase::Over(_), _) => Activity::Done,
            (_, Some(UnderWay::Token)) => Activity::Authenticating,
            (_, Some(UnderWay::Post)) => Activity::Sending { attempt: self.posts },
            (Phase::Baseline, Some(UnderWay::LookUp { .. })) => Activity::LookingFirst,
            (_, Some(UnderWay::LookUp { .. })) => Activity::LookingUp,
            (Phase::LookUp(_), None) if self.wake_at == Some(self.settled_at()) => {
                Activity::Settling { cause: text(self.doubt.as_ref()) }
            }
            (_, None) if self.setback.is_some() => {
                Activity::BackingOff { cause: text(self.setback.as_ref()) }
            }
            (_, None) => Activity::BackingOff { cause: text(self.doubt.as_ref()) },
        }
    }
}

/// Asking.
impl CreateFlow {
    /// Puts the next thing under way, unless it is too early or it is over.
    fn proceed(&mut self, now: Duration) {
        if let Phase::Over(_) = self.phase {
            return;
        }
        let due = self.wake_at.map_or(now, |wake_at| wake_at.max(now));
        if matches!(self.phase, Phase::Baseline | Phase::Post) && !self.may_post(due) {
            return self.stop_posting(now);
        }
        if due >= self.deadline() {
            return self.run_out_of_time();
        }
        if now < due {
            return;
        }
        self.wake_at = None;
        self.under_way = Some(match (self.token.current, &self.phase) {
            (None, _) => UnderWay::Token,
            (Some(_), Phase::Post) => {
                self.posts += 1;
                UnderWay::Post
            }
            (Some(_), _) => UnderWay::LookUp { began: now },
        });
    }

    fn current_step(&self, now: Duration) -> Step {
        match (&self.phase, self.under_way) {
            (Phase::Over(outcome), _) => Step::Done(outcome.clone()),
            (_, None) => Step::Wait(self.wake_at.unwrap_or(now).saturating_sub(now)),
            (_, Some(UnderWay::Token)) => {
                Step::Authenticate { rejected: self.token.rejected.as_ref().map(|(id, _)| *id) }
            }
            (_, Some(UnderWay::Post)) => {
                Step::Send(CreatePortal::new(self.name().clone()).request(self.version))
            }
            (_, Some(UnderWay::LookUp { .. })) => Step::LookUp(ListPortals.request(self.version)),
        }
    }

    fn may_post(&self, at: Duration) -> bool {
        self.posts < self.policy.max_posts
            && at.saturating_add(self.policy.time_for_a_post()) <= self.deadline()
    }

    /// A POST would be next, but the policy allows no more.
    fn stop_posting(&mut self, now: Duration) {
        if self.doubt.is_some() && self.look_refused.is_none() {
            self.phase = Phase::LookUp(Absent::SendAgain);
            self.wake_at = Some(self.settled_at());
            self.proceed(now);
        } else {
            self.run_out_of_time();
        }
    }

    fn run_out_of_time(&mut self) {
        if let Phase::LookUp(Absent::Refused(error)) = &self.phase
            && self.doubt.is_none()
        {
            let error = error.clone();
            return self.conclude_unseen(error);
        }
        let reason = self.setback.clone().unwrap_or(NotCreated::Exhausted);
        let unsettled =
            self.look_refused.clone().map_or(Unsettled::Deadline, Unsettled::LookUpRefused);
        let outcome = self.unsettled_or(unsettled, reason);
        self.finish(outcome);
    }
}

/// Judging.
impl CreateFlow {
    fn on_token(&mut self, id: TokenId) {
        self.under_way = None;
        self.token.current = Some(id);
    }

    fn on_no_token(&mut self, now: Duration, jitter: Jitter, error: TokenError) {
        let failure = match error {
            TokenError::Unreachable(_) | TokenError::Unreadable(_) => {
                return self.retry(now, jitter, NotCreated::Unreachable(error.to_string()));
            }
            TokenError::Refused(error) => AuthFailure::Refused(error),
            TokenError::NotRenewable => match self.token.rejected.take() {
                Some((_, error)) => AuthFailure::TokenRejected(error),
                None => AuthFailure::Unavailable(TokenError::NotRenewable.to_string()),
            },
            TokenError::Local(why) => AuthFailure::Unavailable(why),
        };
        self.fail_to_authenticate(failure);
    }

    /// The service refused the token of the request at hand.
    fn on_token_rejected(&mut self, error: ApiError) {
        self.under_way = None;
        if let Some(id) = self.token.current.take() {
            self.token.rejected = Some((id, error));
        }
        self.token.replaced = true;
    }

    fn fail_to_authenticate(&mut self, failure: AuthFailure) {
        if let Phase::LookUp(Absent::Refused(error)) = &self.phase
            && self.doubt.is_none()
        {
            let error = error.clone();
            return self.conclude_unseen(error);
        }
        let reason = NotCreated::Auth(failure.clone());
        let outcome = self.unsettled_or(Unsettled::Auth(failure), reason);
        self.finish(outcome);
    }

    fn on_post(&mut self, now: Duration, jitter: Jitter, response: &Response) {
        if response.status == 429 {
            return self.retry(now, jitter, throttled(response));
        }
        match CreatePortal::new(self.name().clone()).decode(response) {
            Ok(_) => self.finish(Outcome::Created { name: self.name().clone() }),
            Err(ResponseError::Unreadable(unreadable)) => {
                self.fall_into_doubt(now, jitter, Doubt::Unreadable(unreadable));
            }
            Err(ResponseError::Api(error)) if response.status >= 500 => {
                self.fall_into_doubt(now, jitter, Doubt::ServerError(error));
            }
            Err(ResponseError::Api(error)) if error.is_token_rejected() => {
                if !self.token.replaced {
                    self.on_token_rejected(error);
                } else if self.doubt.is_some() && self.look_refused.is_none() {
                    self.look_up(Absent::TokenRejected(error));
                } else {
                    self.fail_to_authenticate(AuthFailure::TokenRejected(error));
                }
            }
            Err(ResponseError::Api(error)) => self.on_refusal(error),
        }
    }

    /// The service certainly did not do what the POST asked for.
    fn on_refusal(&mut self, error: ApiError) {
        let needs_a_look = self.doubt.is_some()
            || matches!(error.code, ErrorCode::AlreadyUsed | ErrorCode::LimitReached);
        if !needs_a_look {
            self.finish(Outcome::Rejected { name: self.name().clone(), error });
        } else if self.look_refused.is_none() {
            self.look_up(Absent::Refused(error));
        } else {
            self.conclude_unseen(error);
        }
    }

    /// A refusal of the POST that can't be checked against the list.
    fn conclude_unseen(&mut self, error: ApiError) {
        let name = self.name().clone();
        let outcome = match (self.doubt.clone(), self.look_refused.clone()) {
            (Some(doubt), Some(refusal)) => self.unknown(doubt, Unsettled::LookUpRefused(refusal)),
            (Some(doubt), None) => self.unknown(doubt, Unsettled::Deadline),
            (None, _) if error.is_already_used() => {
                Outcome::NameTaken { name, owner: Owner::Undetermined }
            }
            (None, _) => Outcome::Rejected { name, error },
        };
        self.finish(outcome);
    }

    fn fall_into_doubt(&mut self, now: Duration, jitter: Jitter, doubt: Doubt) {
        self.doubt = Some(doubt);
        self.setback = None;
        if self.look_refused.is_none() {
            self.look_up(Absent::SendAgain);
        } else {
            self.request_is_answered();
            self.send_again_later(now, jitter);
        }
    }

    fn on_look_up(&mut self, now: Duration, jitter: Jitter, began: Duration, response: &Response) {
        if response.status == 429 {
            return self.retry(now, jitter, throttled(response));
        }
        match ListPortals.decode(response) {
            Ok(portals) => {
                self.request_is_answered();
                self.retries = 0;
                self.setback = None;
                self.judge_list(now, jitter, began, portals);
            }
            Err(ResponseError::Api(error)) if response.status < 500 => {
                if error.is_token_rejected() && !self.token.replaced {
                    self.on_token_rejected(error);
                } else {
                    self.on_look_up_refused(error);
                }
            }
            Err(error) => self.retry(now, jitter, NotCreated::Unreachable(error.to_string())),
        }
    }

    fn on_look_up_refused(&mut self, error: ApiError) {
        self.request_is_answered();
        let name = self.name().clone();
        let outcome = match (&self.phase, self.doubt.clone()) {
            (Phase::Baseline, _) if error.is_scope_mismatch() => {
                self.look_refused = Some(error);
                self.phase = Phase::Post;
                return;
            }
            _ if error.is_token_rejected() => {
                return self.fail_to_authenticate(AuthFailure::TokenRejected(error));
            }
            (_, Some(doubt)) => self.unknown(doubt, Unsettled::LookUpRefused(error)),
            (Phase::LookUp(Absent::Refused(refusal)), None) => {
                let refusal = refusal.clone();
                return self.conclude_unseen(refusal);
            }
            (_, None) => Outcome::Rejected { name, error },
        };
        self.finish(outcome);
    }

    fn judge_list(
        &mut self,
        now: Duration,
        jitter: Jitter,
        began: Duration,
        mut portals: Vec<Portal>,
    ) {
        // Of several candidates the earliest counts, and after a POST only the one that was sent.
        let candidates = match self.phase {
            Phase::Baseline => self.candidates.as_slice(),
            _ => self.candidates.get(..1).unwrap_or_default(),
        };
        let ours = candidates
            .iter()
            .find_map(|name| portals.iter().position(|portal| name.is_same_as(&portal.name)));
        if let Some(index) = ours {
            let origin = if self.doubt.is_some() { Origin::Appeared } else { Origin::Preexisting };
            let portal = portals.swap_remove(index);
            return self.finish(Outcome::Present { portal, origin });
        }
        let another = portals.into_iter().next().filter(|_| !self.policy.allow_another);
        if self.doubt.is_some() && began < self.settled_at() {
            // Not visible now, which proves nothing yet.
            if self.phase == Phase::LookUp(Absent::SendAgain)
                && another.is_none()
                && self.may_post(now)
            {
                self.phase = Phase::Post;
                self.send_again_later(now, jitter);
            } else {
                self.wake_at = Some(self.settled_at());
            }
            return;
        }
        self.doubt = None;
        self.judge_absence(another);
    }

    /// The current name is certainly not ours; `another` is a portal of the org that stands in
    /// the way.
    fn judge_absence(&mut self, another: Option<Portal>) {
        let name = self.name().clone();
        let outcome = match (std::mem::replace(&mut self.phase, Phase::Post), another) {
            (Phase::LookUp(Absent::Refused(error)), another) if error.is_already_used() => {
                if self.candidates.len() == 1 {
                    Outcome::NameTaken { name, owner: Owner::AnotherOrg }
                } else if let Some(portal) = another {
                    Outcome::OrgHasPortal { name, portal }
                } else {
                    return self.try_next_name();
                }
            }
            (Phase::LookUp(Absent::Refused(error)), Some(portal))
                if error.code == ErrorCode::LimitReached =>
            {
                Outcome::OrgHasPortal { name, portal }
            }
            (Phase::LookUp(Absent::Refused(error)), _) => Outcome::Rejected { name, error },
            (Phase::LookUp(Absent::TokenRejected(error)), _) => Outcome::NotCreated {
                name,
                reason: NotCreated::Auth(AuthFailure::TokenRejected(error)),
            },
            (_, Some(portal)) => Outcome::OrgHasPortal { name, portal },
            (Phase::LookUp(Absent::Report), None) => {
                Outcome::NotCreated { name, reason: NotCreated::Exhausted }
            }
            // A POST is next, if the policy allows one more.
            (_, None) => return,
        };
        self.finish(outcome);
    }

    fn try_next_name(&mut self) {
        let taken = self.candidates.remove(0);
        self.requested.get_or_insert(taken);
        self.posts = 0;
        self.phase = Phase::Post;
    }
}

/// Small steps.
impl CreateFlow {
    fn name(&self) -> &PortalName {
        // Never empty: `new` puts one in, `try_next_name` leaves one.
        #[expect(clippy::indexing_slicing)]
        &self.candidates[0]
    }

    fn deadline(&self) -> Duration {
        self.started.unwrap_or_default().saturating_add(self.policy.deadline)
    }

    /// From when on a look-up proves an absence.
    fn settled_at(&self) -> Duration {
        self.last_attempt_ended.saturating_add(self.policy.settle)
    }

    fn request_is_answered(&mut self) {
        self.under_way = None;
        self.token.replaced = false;
    }

    fn look_up(&mut self, absent: Absent) {
        self.request_is_answered();
        self.retries = 0;
        self.phase = Phase::LookUp(absent);
    }

    /// The request at hand came to nothing, without any doubt of its own: the same again, later.
    fn retry(&mut self, now: Duration, jitter: Jitter, setback: NotCreated) {
        self.request_is_answered();
        let asked_for = match setback {
            NotCreated::Throttled { retry_after } => retry_after,
            _ => None,
        };
        self.setback = Some(setback);
        let time = asked_for.unwrap_or_else(|| self.policy.backoff(self.retries, jitter));
        self.retries += 1;
        self.wake_at = Some(now.saturating_add(time));
    }

    /// A POST in doubt is followed by another of the same name, with a back-off that grows with
    /// their number.
    fn send_again_later(&mut self, now: Duration, jitter: Jitter) {
        let time = self.policy.backoff(self.posts.saturating_sub(1), jitter);
        self.wake_at = Some(now.saturating_add(time));
    }

    fn unsettled_or(&self, unsettled: Unsettled, reason: NotCreated) -> Outcome {
        match self.doubt.clone() {
            Some(doubt) => self.unknown(doubt, unsettled),
            None => Outcome::NotCreated { name: self.name().clone(), reason },
        }
    }

    fn unknown(&self, doubt: Doubt, unsettled: Unsettled) -> Outcome {
        let intent = Intent {
            name: self.name().clone(),
            requested: self.requested.clone(),
            posts: self.posts,
        };
        Outcome::Unknown { intent, doubt, unsettled }
    }

    fn finish(&mut self, outcome: Outcome) {
        self.under_way = None;
        self.wake_at = None;
        self.phase = Phase::Over(Box::new(outcome));
    }
}

fn text(reason: Option<&impl ToString>) -> String {
    reason.map_or_else(String::new, ToString::to_string)
}

fn throttled(response: &Response) -> NotCreated {
    NotCreated::Throttled { retry_after: response.retry_after }
}
