//! The limits of the service on calls, for whoever wants to meet them: concurrency and credits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portal_model::Timestamp;
use portal_store::OrgId;

/// What an org may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// Calls at the same time, per org and client.
    concurrent: usize,
    /// Calls in 24 hours, per org.
    credits: u64,
}

impl Allowance {
    /// The Enterprise edition: 20 calls at the same time (documentation) and 50,000 credits, what
    /// it has before any are added per user (ours).
    pub(super) const ENTERPRISE: Self = Self { concurrent: 20, credits: 50_000 };
}

/// Counts the calls of every org.
#[derive(Debug)]
pub(super) struct Limits {
    allowance: Allowance,
    orgs: Mutex<HashMap<OrgId, Usage>>,
}

#[derive(Debug, Default)]
struct Usage {
    running: HashMap<String, usize>,
    /// Calls by the hour that they fell into, oldest first.
    by_hour: VecDeque<(i64, u64)>,
}

/// The right to one call, until it is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    limits: Arc<Limits>,
    org: OrgId,
    client_id: String,
    /// Shown once half of the credits are used.
    pub(super) credits_remaining: Option<u64>,
}

/// There is no room for the call now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Throttled {
    /// When to try again, from now.
    pub(super) retry_after: Duration,
}

const HOUR: i64 = 3600;

impl Limits {
    pub(super) fn new(allowance: Allowance) -> Arc<Self> {
        Arc::new(Self { allowance, orgs: Mutex::default() })
    }

    /// Counts a call of `client_id` in `org`, unless it is one too many. A refused call costs no
    /// credit.
    pub(super) fn admit(
        self: &Arc<Self>,
        org: OrgId,
        client_id: &str,
        now: Timestamp,
    ) -> Result<Admission, Throttled> {
        let Allowance { concurrent, credits } = self.allowance;
        let mut orgs = self.orgs();
        let usage = orgs.entry(org).or_default();
        let used = usage.used_at(now);
        if used >= credits {
            let free_at = usage.by_hour.front().map_or(0, |(hour, _)| (hour + 25) * HOUR);
            let seconds = u64::try_from(free_at - now.unix_seconds()).unwrap_or_default();
            return Err(Throttled { retry_after: Duration::from_secs(seconds.max(1)) });
        }
        let running = usage.running.entry(client_id.to_owned()).or_default();
        if *running >= concurrent {
            return Err(Throttled { retry_after: Duration::from_secs(1) });
        }
        *running += 1;
        usage.count(now);
        let left = credits - used - 1;
        Ok(Admission {
            limits: Arc::clone(self),
            org,
            client_id: client_id.to_owned(),
            credits_remaining: (left <= credits / 2).then_some(left),
        })
    }

    fn orgs(&self) -> MutexGuard<'_, HashMap<OrgId, Usage>> {
        // Every change under the lock is whole, so a panic elsewhere leaves nothing half done.
        self.orgs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Usage {
    /// The calls of the last 24 hours; whole hours are dropped, so a call counts for up to 25.
    fn used_at(&mut self, now: Timestamp) -> u64 {
        let oldest = now.unix_seconds().div_euclid(HOUR) - 24;
        while self.by_hour.front().is_some_and(|(hour, _)| *hour < oldest) {
            self.by_hour.pop_front();
        }
        self.by_hour.iter().map(|(_, calls)| calls).sum()
    }

    fn count(&mut self, now: Timestamp) {
        let hour = now.unix_seconds().div_euclid(HOUR);
        match self.by_hour.back_mut() {
            Some((last, calls)) if *last >= hour => *calls += 1,
            _ => self.by_hour.push_back((hour, 1)),
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut orgs = self.limits.orgs();
        let running = orgs.get_mut(&self.org).map(|usage| &mut usage.running);
        if let Some(running) = running
            && let Some(count) = running.get_mut(&self.client_id)
        {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.client_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use portal_store::Registry as _;

    use super::*;
    use crate::server::LocalServer;

    const NOON: i64 = 1_764_504_000;

    async fn any_org() -> OrgId {
        let server = LocalServer::start().await.unwrap();
        let token = server.access_token().await.unwrap();
        let now = crate::server::service::system_time();
        server.registry().principal(token.expose(), now).await.unwrap().unwrap().org.id
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(NOON + seconds).unwrap()
    }

    #[tokio::test]
    async fn a_client_has_its_own_share_of_concurrency_and_a_call_that_ends_makes_room() {
        let limits = Limits::new(Allowance { concurrent: 2, credits: 100 });
        let org = any_org().await;
        let first = limits.admit(org, "one", at(0)).unwrap();
        let _second = limits.admit(org, "one", at(0)).unwrap();
        let _other = limits.admit(org, "other", at(0)).unwrap();
        let refused = limits.admit(org, "one", at(0)).unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(1));
        drop(first);
        assert!(limits.admit(org, "one", at(0)).is_ok());
    }

    #[tokio::test]
    async fn the_enterprise_edition_has_20_calls_at_once_and_50_000_a_day() {
        let limits = Limits::new(Allowance::ENTERPRISE);
        let org = any_org().await;
        let running: Vec<_> = (0..20).map(|_| limits.admit(org, "one", at(0)).unwrap()).collect();
        assert!(limits.admit(org, "one", at(0)).is_err());
        drop(running);
        for _ in 20..50_000 {
            limits.admit(org, "one", at(0)).unwrap();
        }
        assert!(limits.admit(org, "one", at(0)).is_err());
    }

    #[tokio::test]
    async fn credits_show_once_half_are_used_and_come_back_after_a_day() {
        let limits = Limits::new(Allowance { concurrent: 1, credits: 4 });
        let org = any_org().await;
        let shown: Vec<_> = (0..4)
            .map(|minute| limits.admit(org, "one", at(minute * 60)).unwrap().credits_remaining)
            .collect();
        assert_eq!(shown, [None, Some(2), Some(1), Some(0)]);
        let refused = limits.admit(org, "one", at(600)).unwrap_err();
        let free_at = 600 + i64::try_from(refused.retry_after.as_secs()).unwrap();
        assert!(limits.admit(org, "one", at(free_at - 1)).is_err());
        assert!(limits.admit(org, "one", at(free_at)).is_ok());
    }
}
