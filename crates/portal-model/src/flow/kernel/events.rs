//! What an event means: how a [`Flow`] takes in responses, failures and tokens.

use std::time::Duration;

use crate::endpoint::{Response, ResponseError};
use crate::error::ApiError;
use crate::outcome::{AuthFailure, Doubt, Failure, NotDone, Unverified};

use super::{Flow, IfAbsent, InFlight, Phase, Tries};
use crate::flow::evidence::{End, Finding, Listing};
use crate::flow::policy::{Jitter, NameTaken};
use crate::flow::responses::{self, Reply, Unusable};
use crate::flow::step::{Event, UnexpectedEvent};
use crate::intent::Baseline;
use crate::oauth::TokenError;
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
        match (self.in_flight, event) {
            (Some(InFlight::Token), Event::Token(id)) => {
                self.in_flight = None;
                self.tries = Tries::default();
                self.token.current = Some(id);
            }
            (Some(InFlight::Token), Event::NoToken(error)) => self.on_no_token(now, jitter, error),
            (Some(InFlight::List { began }), Event::Response(response)) => {
                self.on_list(now, jitter, began, &response);
            }
            (Some(InFlight::Record), Event::Recorded) => {
                self.in_flight = None;
                self.phase = Phase::Attempt { recorded: true };
            }
            (Some(InFlight::Record), Event::NotRecorded(why)) => {
                self.attempts -= 1;
                self.end_attempts(NotDone::NotRecorded(why));
            }
            (Some(InFlight::Send), Event::Response(response)) => {
                self.is_last_in_doubt = false;
                self.on_attempt(now, jitter, &response);
            }
            (Some(InFlight::Send), Event::NoResponse(why)) => {
                self.on_lost_attempt(now, jitter, Doubt::NoResponse(why));
            }
            (Some(InFlight::Send), Event::NotSent(why)) => {
                self.attempts -= 1;
                self.is_last_in_doubt = false;
                self.on_not_sent(now, jitter, why);
            }
            (Some(InFlight::List { .. }), Event::NotSent(why)) => {
                self.on_not_sent(now, jitter, why);
            }
            (Some(InFlight::List { .. }), Event::NoResponse(why)) => {
                self.retry(now, jitter, NotDone::Unreachable(Failure::NoResponse(why)), None);
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

    fn on_no_token(&mut self, now: Duration, jitter: Jitter, error: TokenError) {
        let failure = match error {
            TokenError::NotSent(why) => return self.on_not_sent(now, jitter, why),
            TokenError::NoResponse(_) | TokenError::Unreadable(_) => {
                let failure = NotDone::Unreachable(Failure::Token(error));
                return self.retry(now, jitter, failure, None);
            }
            // Rule 14: nothing more is sent.
            TokenError::OtherOrigin(api) => {
                let end = self.unknown_or(Unverified::Origin(api.clone()), NotDone::Origin(api));
                return self.finish(end);
            }
            TokenError::Rejected(error) => AuthFailure::Rejected(error),
            TokenError::NotRenewable => match self.token.rejected.take() {
                Some((_, error)) => AuthFailure::TokenRejected(error),
                None => AuthFailure::Unavailable(TokenError::NotRenewable.to_string()),
            },
            TokenError::Local(why) => AuthFailure::Unavailable(why),
        };
        self.fail_to_authenticate(failure);
    }

    fn on_not_sent(&mut self, now: Duration, jitter: Jitter, why: NotSent) {
        let is_permanent = why.is_permanent();
        let last_failure = NotDone::Unreachable(Failure::NotSent(why));
        if is_permanent && self.doubt.is_none() {
            self.finish(End::NotDone(last_failure));
        } else {
            self.retry(now, jitter, last_failure, None);
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
        if let Some(id) = self.token.current.take() {
            self.token.rejected = Some((id, error));
        }
        self.token.replaced = true;
    }

    fn fail_to_authenticate(&mut self, failure: AuthFailure) {
        let end = self.unknown_or(Unverified::Auth(failure.clone()), NotDone::Auth(failure));
        self.finish(end);
    }

    fn on_attempt(&mut self, now: Duration, jitter: Jitter, response: &Response) {
        match self.effect.classify(response) {
            Reply::Done => self.finish(End::Done),
            Reply::Rejected(error) if self.doubt.is_none() => self.finish(End::Rejected(error)),
            Reply::Rejected(error) => self.verify(IfAbsent::Rejected(error)),
            Reply::Suspect(error) => {
                let earlier = self.doubt.is_some();
                self.put_in_doubt(now, Doubt::Rejected(error.clone()), true);
                self.verify(IfAbsent::Suspect { error, earlier });
            }
            Reply::Finished(error) => {
                self.put_in_doubt(now, Doubt::Rejected(error.clone()), true);
                self.verify(IfAbsent::Rejected(error));
            }
            Reply::RateLimited { error, by_service } => {
                self.put_in_doubt(now, Doubt::RateLimited(error.clone()), by_service);
                self.retry_limited(now, jitter, error, response.retry_after);
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
                self.on_lost_attempt(now, jitter, doubt);
                if let Some(requested) = response.retry_after {
                    self.wait_as_requested(now, jitter, requested);
                }
            }
        }
    }

    fn retry_limited(
        &mut self,
        now: Duration,
        jitter: Jitter,
        error: ResponseError,
        retry_after: Option<Duration>,
    ) {
        let cause = Failure::Response(error);
        self.retry(now, jitter, NotDone::RateLimited { retry_after, cause }, retry_after);
    }

    /// Rule 12: a service that fails may request a wait, too. The last list comes in any case.
    fn wait_as_requested(&mut self, now: Duration, jitter: Jitter, requested: Duration) {
        let requested = requested.saturating_add(jitter.of(self.policy.backoff_base));
        let wake_at = now.saturating_add(requested).max(self.wake_at.unwrap_or(now));
        self.wait_until(now, wake_at);
    }

    /// An attempt ended without a response that shows what the service did.
    fn on_lost_attempt(&mut self, now: Duration, jitter: Jitter, doubt: Doubt) {
        self.put_in_doubt(now, doubt, false);
        if self.list_rejected.is_some() && self.effect.repeats_in_doubt() {
            self.end_request();
            self.start_attempt();
            // It grows with the number of attempts.
            let backoff = self.policy.backoff(self.attempts.saturating_sub(1), jitter);
            self.wake_at = Some(now.saturating_add(backoff));
        } else {
            self.verify(IfAbsent::Repeat);
        }
    }

    fn put_in_doubt(&mut self, now: Duration, doubt: Doubt, has_finished: bool) {
        // Rule 5; an earlier attempt may need longer.
        let absent_from = now.saturating_add(self.policy.absence_after(has_finished));
        self.absent_from = self.absent_from.max(absent_from);
        self.is_last_in_doubt = !has_finished;
        self.last_failure = None;
        self.last_doubt = Some(doubt.clone());
        // The first doubt is the one that matters to recovery and to the caller.
        if !has_finished || self.doubt.is_none() {
            self.doubt = Some(doubt);
        }
    }

    fn on_list(&mut self, now: Duration, jitter: Jitter, began: Duration, response: &Response) {
        let retry_after = response.retry_after;
        match responses::read_list(response) {
            Ok(listing) => self.on_listing(now, jitter, began, &listing),
            Err(Unusable::RateLimited(error)) => {
                self.retry_limited(now, jitter, error, retry_after);
            }
            Err(Unusable::Failed(failure)) => {
                self.retry(now, jitter, NotDone::Unreachable(failure), retry_after);
            }
            Err(Unusable::TokenRejected(error)) => self.on_token_rejected(error),
            // Rule 1: what a token without the scope can't see is left unverified.
            Err(Unusable::ScopeMissing(error)) if self.phase == Phase::Baseline => {
                match self.effect.known(&self.policy) {
                    Finding::There(portal) => {
                        self.finish(End::There { portal, before: Some(true) });
                    }
                    Finding::Blocked(by) => self.finish(End::Blocked { by, rejection: None }),
                    Finding::Absent | Finding::Ambiguous(_) => {
                        self.list_rejected = Some(error);
                        self.end_request();
                        self.start_attempt();
                    }
                }
            }
            Err(Unusable::ScopeMissing(error) | Unusable::Rejected(error)) => {
                let end = match self.doubt {
                    Some(_) => self.unknown(Unverified::ListRejected(error)),
                    None => End::Rejected(error),
                };
                self.finish(end);
            }
        }
    }

    fn on_listing(&mut self, now: Duration, jitter: Jitter, began: Duration, listing: &Listing) {
        let attempted = self.phase != Phase::Baseline;
        let before = self.baseline.as_ref();
        let finding = self.effect.compare(&self.policy, before, listing, attempted);
        if let Finding::There(portal) = finding {
            // Rule 6. Before the first attempt the list is the baseline itself.
            let before = if attempted { self.baseline.as_ref().map(|_| false) } else { Some(true) };
            return self.finish(End::There { portal, before });
        }
        if attempted {
            self.on_absence(now, jitter, began, listing, finding);
        } else if !listing.is_complete {
            let why = Failure::IncompleteList("it comes from a cache or has more pages");
            self.retry(now, jitter, NotDone::Unreachable(why), None);
        } else if let Finding::Blocked(by) = finding {
            self.finish(End::Blocked { by, rejection: None });
        } else {
            self.baseline = Some(Baseline::of(&listing.portals));
            self.end_request();
            self.start_attempt();
        }
    }

    /// The effect is not in a list after an attempt.
    fn on_absence(
        &mut self,
        now: Duration,
        jitter: Jitter,
        began: Duration,
        listing: &Listing,
        finding: Finding,
    ) {
        let Phase::Verify(if_absent) = self.phase.clone() else { return };
        self.end_request();
        self.last_failure = None;
        let proves_absence = listing.is_complete && began >= self.absent_from;
        match finding {
            // Rule 5: that something is gone is absence, too.
            Finding::Ambiguous(Unverified::Gone) if !proves_absence => {}
            Finding::Ambiguous(ambiguity) => self.ambiguity = Some(ambiguity),
            Finding::Blocked(by) => self.blocked = Some(by),
            // A name can be given away again. A portal stays, even if a stale list misses it.
            Finding::Absent if !self.effect.repeats_in_doubt() => self.blocked = None,
            Finding::Absent | Finding::There(_) => {}
        }
        if !proves_absence {
            return self.stay_in_doubt(now, jitter, began, &if_absent, listing.is_complete);
        }
        if let Some(ambiguity) = self.ambiguity.clone() {
            return self.finish(self.unknown(ambiguity));
        }
        // No attempt so far took effect, so what is there now is the new baseline.
        self.baseline = Some(Baseline::of(&listing.portals));
        let end = match (if_absent, self.blocked.clone()) {
            // Rule 4: the name is taken, and if by our own attempt, the list should show it.
            (IfAbsent::Suspect { error, earlier: true }, _) if error.is_already_used() => {
                End::Unknown {
                    doubt: self.doubt.clone().unwrap_or(Doubt::Earlier),
                    why: Unverified::EarlierAttempt,
                    suspect: Some(error),
                }
            }
            (IfAbsent::NotDone(reason), _) => End::NotDone(reason),
            (IfAbsent::Repeat, Some(by)) => End::Blocked { by, rejection: None },
            (IfAbsent::Rejected(error) | IfAbsent::Suspect { error, .. }, Some(by)) => {
                End::Blocked { by, rejection: Some(error) }
            }
            (IfAbsent::Rejected(error) | IfAbsent::Suspect { error, .. }, None) => {
                End::Rejected(error)
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
        self.finish(end);
    }

    /// The effect is not in a list that proves nothing yet.
    fn stay_in_doubt(
        &mut self,
        now: Duration,
        jitter: Jitter,
        began: Duration,
        if_absent: &IfAbsent,
        is_complete: bool,
    ) {
        // Rule 1 holds for repeats, too: a stale list does not clear the way.
        let may_repeat = self.effect.repeats_in_doubt()
            && is_complete
            && self.blocked.is_none()
            && self.ambiguity.is_none()
            && self.check_attempt(now).is_ok();
        match if_absent {
            // Rule 8: at most one of several copies can take effect. The backoff comes before the
            // list that clears the way (rule 1), so that nothing happens unseen in between.
            IfAbsent::Repeat if may_repeat && self.polls > 0 => return self.start_attempt(),
            IfAbsent::Repeat if may_repeat => {
                self.polls += 1;
                let backoff = self.policy.backoff(self.attempts.saturating_sub(1), jitter);
                return self.wait_until(now, now.saturating_add(backoff));
            }
            IfAbsent::Suspect { error, earlier: false } if self.ends_at_once(error) => {
                return self.finish(self.unknown(Unverified::AtOnce));
            }
            _ => {}
        }
        let poll = now.saturating_add(self.policy.backoff(self.polls, jitter));
        self.polls += 1;
        // The first list that counts comes at once if there may be time for no other.
        let is_pressing = self.absent_from > now || poll > self.last_list();
        let counts_from = (began < self.absent_from && is_pressing).then_some(self.absent_from);
        let wake_at = counts_from.unwrap_or(poll).min(poll).max(now);
        self.wait_until(now, wake_at);
    }

    /// Rule 4: whether the flow ends without proof of whose a taken name is, as the policy requests. A
    /// fallback needs that proof.
    fn ends_at_once(&self, error: &ApiError) -> bool {
        let taken = || self.effect.outcome(End::Rejected(error.clone()));
        self.policy.name_taken == NameTaken::AtOnce
            && error.is_already_used()
            && self.effect.fallback(&taken()).is_none()
    }
}
