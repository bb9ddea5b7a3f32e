//! What comes next: a token, a POST, a look-up, a wait, or the end.

use std::time::Duration;

use super::mutation::Mutation;
use super::{Absent, CreateFlow, Phase, Step, UnderWay};
use crate::create::CreatePortal;
use crate::endpoint::Endpoint as _;
use crate::list::ListPortals;
use crate::outcome::{NotCreated, Unsettled};

impl CreateFlow {
    /// Puts the next thing under way, unless it is too early or it is over.
    pub(super) fn proceed(&mut self, now: Duration) {
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

    pub(super) fn current_step(&self, now: Duration) -> Step {
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

    pub(super) fn may_post(&self, at: Duration) -> bool {
        let settled = at.saturating_add(self.policy.time_for_a_post());
        self.posts < self.policy.max_posts
            && (settled <= self.deadline() || Mutation::NoTimeKept.is_on())
    }

    /// A POST would be next, but the policy allows no more.
    fn stop_posting(&mut self, now: Duration) {
        if self.doubt.is_some() && self.look_refused.is_none() {
            let asked_for = match self.setback {
                Some(NotCreated::Throttled { retry_after: Some(_) }) => self.wake_at,
                _ => None,
            };
            self.look_up(Absent::SendAgain);
            self.wake_at = asked_for.max(Some(self.settled_at()));
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
