//! What a report means: the one place that classifies answers.

use std::time::Duration;

use super::mutation::Mutation;
use super::{Absent, CreateFlow, Jitter, Phase, TokenError, TokenId, UnderWay};
use crate::create::CreatePortal;
use crate::endpoint::{Endpoint as _, Response, ResponseError};
use crate::error::{ApiError, ErrorCode};
use crate::list::ListPortals;
use crate::name::PortalName;
use crate::outcome::{AuthFailure, Doubt, NotCreated, Origin, Outcome, Owner, Unsettled};
use crate::portal::Portal;

impl CreateFlow {
    pub(super) fn on_token(&mut self, id: TokenId) {
        self.request_is_over();
        self.token.current = Some(id);
    }

    pub(super) fn on_no_token(&mut self, now: Duration, jitter: Jitter, error: TokenError) {
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
        self.token.replaced = !Mutation::EveryTokenReplaced.is_on();
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

    pub(super) fn on_post(&mut self, now: Duration, jitter: Jitter, response: &Response) {
        if response.status == 429 {
            return self.retry(now, jitter, throttled(response));
        }
        match CreatePortal::new(self.name().clone()).decode(response) {
            Ok(_) => self.finish(Outcome::Created { name: self.name().clone() }),
            Err(ResponseError::Unreadable(unreadable)) => {
                self.fall_into_doubt(now, jitter, Doubt::Unreadable(unreadable));
            }
            Err(ResponseError::Api(error)) if error.is_throttled() => {
                self.retry(now, jitter, throttled(response));
            }
            Err(ResponseError::Api(error)) if error.is_server_error() => {
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
        let in_doubt = self.doubt.is_some() && !Mutation::DoubtForgotten.is_on();
        let needs_a_look =
            in_doubt || matches!(error.code, ErrorCode::AlreadyUsed | ErrorCode::LimitReached);
        if !needs_a_look {
            self.finish(Outcome::Rejected { name: self.name().clone(), error });
        } else if self.look_refused.is_none() {
            self.look_up(Absent::Refused(error));
        } else {
            self.conclude_unseen(error);
        }
    }

    /// A refusal of the POST that can't be checked against the list.
    pub(super) fn conclude_unseen(&mut self, error: ApiError) {
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

    pub(super) fn fall_into_doubt(&mut self, now: Duration, jitter: Jitter, doubt: Doubt) {
        self.doubt = Some(doubt);
        self.setback = None;
        if self.look_refused.is_none() {
            self.look_up(Absent::SendAgain);
        } else {
            self.request_is_over();
            self.send_again_later(now, jitter);
        }
    }

    pub(super) fn on_look_up(
        &mut self,
        now: Duration,
        jitter: Jitter,
        began: Duration,
        response: &Response,
    ) {
        if response.status == 429 {
            return self.retry(now, jitter, throttled(response));
        }
        match ListPortals.decode(response) {
            Ok(portals) => {
                self.request_is_over();
                self.retries = 0;
                self.setback = None;
                self.judge_list(now, jitter, began, portals);
            }
            Err(ResponseError::Api(error)) if error.is_throttled() => {
                self.retry(now, jitter, throttled(response));
            }
            Err(ResponseError::Api(error)) if !error.is_server_error() => {
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
        self.request_is_over();
        let name = self.name().clone();
        let outcome = match (&self.phase, self.doubt.clone()) {
            (Phase::Baseline, _) if error.is_scope_mismatch() => {
                self.look_refused = Some(error);
                self.retries = 0;
                self.setback = None;
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
            .find_map(|name| portals.iter().position(|portal| is_named(portal, name)));
        if let Some(index) = ours {
            let origin = if self.doubt.is_some() { Origin::Appeared } else { Origin::Preexisting };
            let portal = portals.swap_remove(index);
            return self.finish(Outcome::Present { portal, origin });
        }
        let another = portals.into_iter().next();
        let settled = began >= self.settled_at() || Mutation::NothingSettles.is_on();
        let must_settle = self.doubt.is_some() || self.leads_to_next_name(another.as_ref());
        if must_settle && !settled {
            // Not visible now, which proves nothing yet.
            if self.phase == Phase::LookUp(Absent::SendAgain)
                && (another.is_none() || self.policy.allow_another)
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

    /// Whether another name is tried if this one is not ours. That needs proof: a colleague may
    /// have created it a moment ago.
    fn leads_to_next_name(&self, another: Option<&Portal>) -> bool {
        self.candidates.len() > 1
            && (another.is_none() || self.policy.allow_another)
            && matches!(&self.phase, Phase::LookUp(Absent::Refused(error)) if error.is_already_used())
    }

    /// The current name is certainly not ours; `another` is a portal of the org.
    fn judge_absence(&mut self, another: Option<Portal>) {
        let name = self.name().clone();
        let phase = std::mem::replace(&mut self.phase, Phase::Post);
        let one_is_enough = !self.policy.allow_another;
        let outcome = match (phase, another) {
            (Phase::LookUp(Absent::Refused(error)), another) if error.is_already_used() => {
                if self.candidates.len() == 1 {
                    Outcome::NameTaken { name, owner: Owner::AnotherOrg }
                } else if let Some(portal) = another.filter(|_| one_is_enough) {
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
            (_, Some(portal)) if one_is_enough => Outcome::OrgHasPortal { name, portal },
            (Phase::LookUp(Absent::Report), _) => {
                Outcome::NotCreated { name, reason: NotCreated::Exhausted }
            }
            // A POST is next, if the policy allows one more.
            _ => return,
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

/// Moves.
impl CreateFlow {
    fn request_is_over(&mut self) {
        // Getting a token is a part of the request that needs it.
        if self.under_way.take() != Some(UnderWay::Token) {
            self.token.replaced = false;
        }
    }

    pub(super) fn look_up(&mut self, absent: Absent) {
        self.request_is_over();
        self.retries = 0;
        self.phase = Phase::LookUp(absent);
    }

    /// The request at hand came to nothing, without any doubt of its own: the same again, later.
    pub(super) fn retry(&mut self, now: Duration, jitter: Jitter, setback: NotCreated) {
        self.request_is_over();
        let asked_for = match setback {
            NotCreated::Throttled { retry_after } if !Mutation::Impatient.is_on() => retry_after,
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
}

fn is_named(portal: &Portal, name: &PortalName) -> bool {
    name.is_same_as(&portal.name) && (name.as_str() == portal.name || !Mutation::ExactNames.is_on())
}

fn throttled(response: &Response) -> NotCreated {
    NotCreated::Throttled { retry_after: response.retry_after }
}
