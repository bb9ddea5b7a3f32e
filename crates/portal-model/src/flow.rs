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
//!    look-up that began [`settle`](Policy::settle) after the last attempt; nor is a taken name
//!    given up for its alternative without one.
//! 4. The same name may be sent again in doubt, since names are unique; a POST is sent only while
//!    the time left covers [`Policy::time_for_a_post`].
//! 5. A refused token is replaced once per request. After a 429 it waits as long as the service
//!    asks, else with exponential back-off and full jitter.
//! 6. [`intent`](CreateFlow::intent) is written down before a POST is sent and kept until the
//!    outcome is certain; [`resume`](CreateFlow::resume) settles it, and
//!    [`abandon`](CreateFlow::abandon) is honest at any moment.

mod ask;
mod judge;
mod mutation;
mod policy;
#[cfg(test)]
mod proof;
mod step;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use policy::{DeadlineTooShort, Jitter, Policy};
pub use step::{
    Activity, Intent, NoAnswer, NotSent, Report, Step, TokenError, TokenId, UnexpectedReport,
};

use mutation::Mutation;

use crate::endpoint::ApiVersion;
use crate::error::ApiError;
use crate::name::PortalName;
use crate::outcome::{Doubt, NotCreated, Outcome, Unsettled};

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
            phase: if Mutation::NoBaseline.is_on() { Phase::Post } else { Phase::Baseline },
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
        let sending = self.under_way == Some(UnderWay::Post) && !Mutation::IntentTooLate.is_on();
        match &self.phase {
            Phase::Over(outcome) => match outcome.as_ref() {
                Outcome::Unknown { intent, .. } => Some(intent.clone()),
                _ => None,
            },
            _ if sending || self.doubt.is_some() => Some(self.intent_of_name()),
            _ => None,
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
        let attempt = self.policy.attempt_timeout;
        if self.under_way == Some(UnderWay::Post) {
            // There was time for it all when it was handed out.
            return attempt;
        }
        // A look-up that can't count yet leaves the time for the one that can.
        let last_look = self.deadline().saturating_sub(attempt);
        let early = self.doubt.is_some() && now < self.settled_at();
        let until =
            if early && self.settled_at() <= last_look { last_look } else { self.deadline() };
        attempt.min(until.saturating_sub(now))
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
                let doubt = self.doubt.as_ref().map(ToString::to_string);
                Activity::Settling {
                    cause: doubt.unwrap_or_else(|| "the name is taken".to_owned()),
                }
            }
            (_, None) if self.setback.is_some() => {
                Activity::BackingOff { cause: text(self.setback.as_ref()) }
            }
            (_, None) => Activity::BackingOff { cause: text(self.doubt.as_ref()) },
        }
    }
}

/// What asking and judging share.
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

    fn unsettled_or(&self, unsettled: Unsettled, reason: NotCreated) -> Outcome {
        match self.doubt.clone() {
            Some(doubt) => self.unknown(doubt, unsettled),
            None => Outcome::NotCreated { name: self.name().clone(), reason },
        }
    }

    fn unknown(&self, doubt: Doubt, unsettled: Unsettled) -> Outcome {
        Outcome::Unknown { intent: self.intent_of_name(), doubt, unsettled }
    }

    fn intent_of_name(&self) -> Intent {
        Intent { name: self.name().clone(), requested: self.requested.clone(), posts: self.posts }
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
