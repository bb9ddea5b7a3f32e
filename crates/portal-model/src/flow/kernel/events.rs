//! What an event means: how a [`Flow`] takes in responses, failures and tokens.

use std::time::Duration;

use crate::endpoint::{Response, ResponseError};
use crate::error::ApiError;
use crate::outcome::{AuthFailure, Doubt, Failure, NotDone, Unverified};

use super::{At, Flow, IfAbsent, InFlight, Phase, Tries};
use crate::flow::evidence::Finding;
use crate::flow::policy::{Jitter, NameTaken};
use crate::flow::responses::{self, Reply, Unusable};
use crate::flow::step::{Event, UnexpectedEvent};
use crate::intent::Baseline;
use crate::oauth::TokenError;
use crate::portal::Portal;
use crate::transport::NotSent;

impl Flow {
    /// Takes in what the last step led to.
    ///
    /// # Errors
    /// [`UnexpectedEvent`] if the event does not fit the step; nothing changes.
    pub fn handle(
        &mut self,
        now: Duration,
        jitter: Jitter,
        event: Event,
    ) -> Result<(), UnexpectedEvent> {
        let at = At { now, jitter };
        match (self.in_flight, event) {
            (Some(InFlight::Token), Event::Token(id)) => {
                self.in_flight = None;
                self.tries = Tries::default();
                self.token.current = Some(id);
            }
            (Some(InFlight::Token), Event::NoToken(error)) => self.on_no_token(at, error),
            (Some(InFlight::List { began }), Event::Response(response)) => {
                self.on_list(at, began, &response);
            }
            (Some(InFlight::Record), Event::Recorded) => {
                self.in_flight = None;
                self.phase = Phase::Attempt { recorded: true };
            }
            (Some(InFlight::Record), Event::NotRecorded(why)) => {
                self.end_attempts(NotDone::NotRecorded(why));
            }
            (Some(InFlight::Send), Event::Response(response)) => {
                self.is_last_in_doubt = false;
                self.on_attempt(at, &response);
            }
            (Some(InFlight::Send), Event::NoResponse(why)) => {
                self.on_lost_attempt(at, Doubt::NoResponse(why));
            }
            (Some(InFlight::Send), Event::NotSent(why)) => {
                self.attempts -= 1;
                self.is_last_in_doubt = false;
                self.on_not_sent(at, why);
            }
            (Some(InFlight::List { .. }), Event::NotSent(why)) => {
                self.on_not_sent(at, why);
            }
            (Some(InFlight::List { .. }), Event::NoResponse(why)) => {
                self.retry(at, NotDone::Unreachable(Failure::NoResponse(why)), None);
            }
            (in_flight, event) => {
                return Err(UnexpectedEvent {
                    event: event.kind(),
                    expected: match in_flight {
                        None => "none, since nothing is under way",
                        Some(InFlight::Token) => "Token or NoToken",
                        Some(InFlight::Record) => "Recorded or NotRecorded",
                        Some(InFlight::List { .. } | InFlight::Send) => {
                            "Response, NotSent or NoResponse"
                        }
                    },
                });
            }
        }
        Ok(())
    }

    fn on_no_token(&mut self, at: At, error: TokenError) {
        let failure = match error {
            TokenError::NotSent(why) => return self.on_not_sent(at, why),
            TokenError::NoResponse(_) | TokenError::Unreadable(_) => {
                let failure = NotDone::Unreachable(Failure::Token(error));
                return self.retry(at, failure, None);
            }
            // Rule 14: nothing more is sent.
            TokenError::OtherOrigin(api) => {
                let outcome =
                    self.unknown_or(Unverified::Origin(api.clone()), NotDone::Origin(api));
                return self.finish(outcome);
            }
            // Rule 12: the accounts server names no time, but its documentation does.
            TokenError::Rejected(ref limit) if limit.is_rate_limited() => {
                let retry_after = Some(TOKEN_LOCKOUT);
                let failure = NotDone::RateLimited { retry_after, cause: Failure::Token(error) };
                return self.retry(at, failure, retry_after);
            }
            TokenError::Rejected(error) => AuthFailure::Rejected(error),
            TokenError::NotRenewable => match self.token.rejected.take() {
                // A 401 that is not the service's may have nothing to do with the token.
                Some((id, error)) if self.doubt.is_some() && !is_of_service(&error) => {
                    self.in_flight = None;
                    self.token.current = Some(id);
                    self.token.replaced = true;
                    return;
                }
                Some((_, error)) => AuthFailure::TokenRejected(error),
                None => AuthFailure::Unavailable(TokenError::NotRenewable.to_string()),
            },
            TokenError::Local(why) => AuthFailure::Unavailable(why),
        };
        self.fail_to_authenticate(failure);
    }

    fn on_not_sent(&mut self, at: At, why: NotSent) {
        let is_permanent = why.is_permanent();
        let last_failure = NotDone::Unreachable(Failure::NotSent(why));
        if is_permanent && self.doubt.is_none() {
            self.finish(self.effect.not_done(last_failure));
        } else {
            self.retry(at, last_failure, None);
        }
    }

    /// The service rejected the token of the current request.
    fn on_token_rejected(&mut self, error: ResponseError) {
        if self.token.replaced {
            return self.fail_to_authenticate(AuthFailure::TokenRejected(error));
        }
        self.in_flight = None;
        if self.tries.failures == 0 {
            // A slow response is not a failed try: the new token has its own time.
            self.tries.began = None;
        }
        self.drop_token(error);
        self.token.replaced = true;
    }

    fn drop_token(&mut self, error: ResponseError) {
        if let Some(id) = self.token.current.take() {
            self.token.rejected = Some((id, error));
        }
    }

    fn fail_to_authenticate(&mut self, failure: AuthFailure) {
        let outcome = self.unknown_or(Unverified::Auth(failure.clone()), NotDone::Auth(failure));
        self.finish(outcome);
    }

    fn on_attempt(&mut self, at: At, response: &Response) {
        match self.effect.classify(response) {
            Reply::Done => self.finish(self.effect.done()),
            Reply::OtherName(name) => {
                // Rule 6: it is evidence of an effect, and stays so whatever the lists show.
                let doubt = Doubt::OtherName(name.clone());
                self.put_in_doubt(at.now, doubt.clone(), true);
                self.doubt = Some(doubt);
                self.ambiguity = Some(Unverified::MayBeRenamed(name));
                self.verify(IfAbsent::Repeat);
            }
            Reply::Rejected(error) if self.doubt.is_none() => {
                self.finish(self.effect.rejected(error, None, true));
            }
            // Rule 3: it settles its own attempt only.
            Reply::Rejected(error) => self.verify(IfAbsent::Rejected(error)),
            Reply::Suspect(error) => {
                let earlier = self.doubt.is_some();
                self.put_in_doubt(at.now, ResponseError::Api(error.clone()).into(), true);
                // Where an earlier attempt has the name, no copy of this one has had it yet; and a copy of a
                // rename may find the old name once somebody creates it.
                self.is_last_in_doubt = earlier || !self.effect.repeats_in_doubt();
                self.verify(IfAbsent::Suspect { error, earlier });
            }
            Reply::Refused(error) => {
                self.put_in_doubt(at.now, error.clone().into(), false);
                self.verify(match error {
                    ResponseError::Api(error) => IfAbsent::Rejected(error),
                    page @ ResponseError::Unreadable(_) => {
                        IfAbsent::NotDone(NotDone::Unreachable(Failure::Response(page)))
                    }
                });
            }
            Reply::RateLimited(error) => {
                // Rule 8: it does not count.
                self.attempts -= 1;
                self.put_in_doubt(at.now, Doubt::RateLimited(error.clone()), false);
                self.retry(at, responses::rate_limited(error, response), response.retry_after);
            }
            Reply::Unauthorized(error) if self.token.was_refused => {
                self.put_in_doubt(at.now, error.clone().into(), false);
                self.verify(IfAbsent::NotDone(NotDone::Auth(AuthFailure::TokenRejected(error))));
            }
            Reply::Unauthorized(error) => {
                self.token.was_refused = true;
                self.on_lost_attempt(at, error.clone().into());
                self.drop_token(error);
            }
            Reply::TokenRejected(error) => {
                self.attempts -= 1;
                if self.token.replaced && self.doubt.is_some() {
                    self.verify(IfAbsent::NotDone(NotDone::Auth(AuthFailure::TokenRejected(
                        error,
                    ))));
                } else {
                    self.on_token_rejected(error);
                }
            }
            Reply::Ambiguous(doubt) => {
                self.on_lost_attempt(at, doubt);
                if let Some(requested) = response.retry_after {
                    self.wait_as_requested(at, requested);
                }
            }
        }
    }

    /// Rule 12: a service that fails may request a wait, too. The last list comes in any case.
    fn wait_as_requested(&mut self, at: At, requested: Duration) {
        let requested = requested.saturating_add(at.jitter.of(self.policy.backoff_base));
        let wake_at = at.now.saturating_add(requested).max(self.wake_at.unwrap_or(at.now));
        self.wait_until(at.now, wake_at);
    }

    /// An attempt ended without a response that shows what the service did.
    fn on_lost_attempt(&mut self, at: At, doubt: Doubt) {
        self.put_in_doubt(at.now, doubt, false);
        if self.list_rejected.is_some() && self.effect.repeats_in_doubt() {
            self.end_request();
            self.start_attempt();
            // It grows with the number of attempts.
            let backoff = self.policy.backoff(self.attempts.saturating_sub(1), at.jitter);
            self.wake_at = Some(at.now.saturating_add(backoff));
        } else {
            self.verify(IfAbsent::Repeat);
        }
    }

    fn put_in_doubt(&mut self, now: Duration, doubt: Doubt, is_explained: bool) {
        // Rule 5; an earlier attempt may need longer.
        let absent_from = now.saturating_add(self.policy.absence_after(is_explained));
        self.absent_from = self.absent_from.max(absent_from);
        self.is_last_in_doubt = !is_explained;
        self.last_failure = None;
        self.last_doubt = Some(doubt.clone());
        // The first doubt is the one that matters to recovery and to the caller.
        if !is_explained || self.doubt.is_none() {
            self.doubt = Some(doubt);
        }
    }

    fn on_list(&mut self, at: At, began: Duration, response: &Response) {
        let retry_after = response.retry_after;
        match responses::read_list(response) {
            Ok(portals) if self.baseline.as_ref().is_some_and(|it| it.lost_ids(&portals)) => {
                let failure = Failure::IncompleteList("it lacks ids that it had before");
                self.retry(at, NotDone::Unreachable(failure), retry_after);
            }
            Ok(portals) => self.on_listing(at, began, &portals),
            Err(Unusable::Failed(failure)) => self.retry(at, failure, retry_after),
            Err(Unusable::TokenRejected(error)) => self.on_token_rejected(error),
            // Rule 1: what a token without the scope can't see is left unverified.
            Err(Unusable::ScopeMissing(error)) if self.phase == Phase::Baseline => {
                match self.effect.unlisted(&self.policy) {
                    Some(finding) => {
                        self.list_rejected = Some(error);
                        self.on_first(finding);
                    }
                    None => self.on_list_rejected(error),
                }
            }
            Err(Unusable::ScopeMissing(error) | Unusable::Rejected(error)) => {
                self.on_list_rejected(error);
            }
        }
    }

    fn on_list_rejected(&mut self, error: ApiError) {
        let outcome = match self.doubt {
            Some(_) => self.unknown(Unverified::ListRejected(error)),
            None => self.effect.rejected(error, None, true),
        };
        self.finish(outcome);
    }

    pub(super) fn on_listing(&mut self, at: At, began: Duration, portals: &[Portal]) {
        let attempted = self.phase != Phase::Baseline;
        let finding = self.effect.compare(&self.policy, self.baseline.as_ref(), portals, attempted);
        if attempted && !matches!(finding, Finding::There { .. }) {
            return self.on_absence(at, began, portals, finding);
        }
        self.baseline.get_or_insert_with(|| Baseline::of(portals));
        self.on_first(finding);
    }

    /// What there is before the first attempt, or what shows the effect of one.
    fn on_first(&mut self, finding: Finding) {
        match finding {
            Finding::There { portal, origin } => self.finish(self.effect.there(portal, origin)),
            Finding::Blocked(by) => self.finish(self.effect.blocked(by)),
            Finding::Absent | Finding::Ambiguous(_) => {
                self.end_request();
                self.start_attempt();
            }
        }
    }

    /// The effect is not in a list after an attempt.
    fn on_absence(&mut self, at: At, began: Duration, portals: &[Portal], finding: Finding) {
        let Phase::Verify(if_absent) = self.phase.clone() else { return };
        self.end_request();
        self.last_failure = None;
        let proves_absence = began >= self.absent_from;
        match finding {
            // Rule 5: that something is gone is absence, too.
            Finding::Ambiguous(Unverified::Gone) if !proves_absence => {}
            Finding::Ambiguous(ambiguity) => {
                // What a success names is more than what a list may mean.
                self.ambiguity.get_or_insert(ambiguity);
            }
            Finding::Blocked(by) => self.blocked = Some(by),
            // A name can be given away again. A portal stays, even if a stale list misses it.
            Finding::Absent if !self.effect.repeats_in_doubt() => self.blocked = None,
            Finding::Absent | Finding::There { .. } => {}
        }
        if !proves_absence {
            return self.stay_in_doubt(at, began, &if_absent);
        }
        if let Some(ambiguity) = self.ambiguity.clone() {
            return self.finish(self.unknown(ambiguity));
        }
        let is_unchanged =
            self.baseline.as_ref().is_some_and(|before| before.is_unchanged(portals));
        // Rule 1: the first list is the baseline. Without any, this one comes before every attempt that
        // may take effect.
        self.baseline.get_or_insert_with(|| Baseline::of(portals));
        let outcome = match (if_absent, self.blocked.clone()) {
            (IfAbsent::NotDone(reason), _) => self.effect.not_done(reason),
            (IfAbsent::Repeat, Some(by)) => self.effect.blocked(by),
            (IfAbsent::Rejected(error) | IfAbsent::Suspect { error, .. }, by) => {
                self.effect.rejected(error, by, is_unchanged)
            }
            (IfAbsent::Repeat, None) => {
                if self.doubt.take() == Some(Doubt::Earlier) {
                    // An earlier process's attempts limited repeats in doubt only.
                    self.attempts = 0;
                }
                // At once: the list that proved absence is the one before the attempt.
                return self.start_attempt();
            }
        };
        self.finish(outcome);
    }

    /// The effect is not in a list that proves nothing yet.
    fn stay_in_doubt(&mut self, at: At, began: Duration, if_absent: &IfAbsent) {
        let may_repeat = self.may_repeat(at.now);
        // A process that was frozen may read a list of long ago, and what took effect before it may have
        // been listed and renamed since.
        let is_fresh = at.now.saturating_sub(began) <= self.policy.read_timeout.saturating_mul(2);
        match if_absent {
            // Rule 8: at most one of several copies can take effect. The backoff comes before the
            // list that clears the way (rule 1), so that nothing happens unseen in between.
            IfAbsent::Repeat if may_repeat && self.polls > 0 && is_fresh => {
                return self.start_attempt();
            }
            IfAbsent::Repeat if may_repeat => {
                self.polls += 1;
                let backoff = self.policy.backoff(self.attempts.saturating_sub(1), at.jitter);
                return self.wait_until(at.now, at.now.saturating_add(backoff));
            }
            IfAbsent::Suspect { error, earlier: false } if self.ends_at_once(error) => {
                return self.finish(self.unknown(Unverified::AtOnce));
            }
            _ => {}
        }
        let poll = at.now.saturating_add(self.policy.backoff(self.polls, at.jitter));
        self.polls += 1;
        // The first list that counts comes at once if there may be time for no other.
        let is_pressing = self.absent_from > at.now || poll > self.last_list();
        let counts_from = is_pressing.then_some(self.absent_from);
        let wake_at = counts_from.unwrap_or(poll).min(poll).max(at.now);
        self.wait_until(at.now, wake_at);
    }

    /// Rule 4: whether the flow ends without proof of whose a taken name is, as the policy requests.
    fn ends_at_once(&self, error: &ApiError) -> bool {
        self.policy.name_taken == NameTaken::AtOnce && error.is_already_used()
    }
}

/// How long the accounts server grants no tokens once too many were requested.
const TOKEN_LOCKOUT: Duration = Duration::from_secs(10 * 60);

fn is_of_service(error: &ResponseError) -> bool {
    error.api().is_some_and(ApiError::is_token_rejected)
}
