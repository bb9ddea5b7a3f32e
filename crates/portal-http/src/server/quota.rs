//! The documented quotas of the service, enforced on request: concurrent calls and credits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portal_model::Timestamp;
use portal_store::OrgId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The quota of an org.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// Concurrent requests, per org and client.
    concurrent: usize,
    /// Requests in 24 hours, per org.
    credits: u64,
}

impl Allowance {
    /// The Enterprise edition: 20 concurrent requests (documented) and 50,000 credits, the base
    /// without the credits added per user (our choice).
    pub(super) const ENTERPRISE: Self = Self { concurrent: 20, credits: 50_000 };
}

/// Counts the requests of every org.
#[derive(Debug)]
pub(super) struct Quotas {
    allowance: Allowance,
    orgs: Mutex<HashMap<OrgId, Usage>>,
}

#[derive(Debug, Default)]
struct Usage {
    /// By client.
    running: HashMap<String, Arc<Semaphore>>,
    /// When the present day began, with the first request after the last one, in seconds since 1970.
    since: i64,
    /// Requests since then.
    used: u64,
}

/// Permission for one request, until it is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    _running: OwnedSemaphorePermit,
    /// Present once half of the credits are used.
    pub(super) credits_remaining: Option<u64>,
}

const DAY: i64 = 24 * 3600;

impl Quotas {
    pub(super) fn new(allowance: Allowance) -> Self {
        Self { allowance, orgs: Mutex::default() }
    }

    /// Counts a request of `client_id` in `org`, unless it exceeds the quota: the error is how long to wait. A
    /// refused request costs no credit.
    pub(super) fn admit(
        &self,
        org: OrgId,
        client_id: &str,
        now: Timestamp,
    ) -> Result<Admission, Duration> {
        let Allowance { concurrent, credits } = self.allowance;
        // No code under the lock can panic between two changes, so the map is consistent.
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = orgs.entry(org).or_default();
        let now = now.unix_seconds();
        if now >= usage.since.saturating_add(DAY) {
            (usage.since, usage.used) = (now, 0);
        }
        if usage.used >= credits {
            let seconds = u64::try_from(usage.since + DAY - now).unwrap_or_default();
            return Err(Duration::from_secs(seconds));
        }
        let running = usage.running.entry(client_id.to_owned());
        let running = running.or_insert_with(|| Arc::new(Semaphore::new(concurrent)));
        let running =
            Arc::clone(running).try_acquire_owned().map_err(|_| Duration::from_secs(1))?;
        usage.used += 1;
        let left = credits - usage.used;
        Ok(Admission {
            _running: running,
            credits_remaining: (left <= credits / 2).then_some(left),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::LocalServer;

    const NOON: i64 = 1_764_504_000;

    async fn any_org() -> OrgId {
        LocalServer::start().await.unwrap().org_id().await.unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(NOON + seconds).unwrap()
    }

    #[tokio::test]
    async fn concurrency_is_counted_per_client() {
        let quotas = Quotas::new(Allowance { concurrent: 2, credits: 100 });
        let org = any_org().await;
        let first = quotas.admit(org, "one", at(0)).unwrap();
        let _second = quotas.admit(org, "one", at(0)).unwrap();
        let _other = quotas.admit(org, "other", at(0)).unwrap();
        let refused = quotas.admit(org, "one", at(0)).unwrap_err();
        assert_eq!(refused, Duration::from_secs(1));
        drop(first);
        assert!(quotas.admit(org, "one", at(0)).is_ok());
    }

    #[tokio::test]
    async fn enterprise_quota_is_20_concurrent_50000_daily() {
        let quotas = Quotas::new(Allowance::ENTERPRISE);
        let org = any_org().await;
        let running: Vec<_> = (0..20).map(|_| quotas.admit(org, "one", at(0)).unwrap()).collect();
        assert!(quotas.admit(org, "one", at(0)).is_err());
        drop(running);
        for _ in 20..50_000 {
            quotas.admit(org, "one", at(0)).unwrap();
        }
        assert!(quotas.admit(org, "one", at(0)).is_err());
    }

    #[tokio::test]
    async fn credits_show_below_half_and_return_next_day() {
        let quotas = Quotas::new(Allowance { concurrent: 1, credits: 4 });
        let org = any_org().await;
        let shown: Vec<_> = (0..4)
            .map(|minute| quotas.admit(org, "one", at(minute * 60)).unwrap().credits_remaining)
            .collect();
        assert_eq!(shown, [None, Some(2), Some(1), Some(0)]);
        let refused = quotas.admit(org, "one", at(600)).unwrap_err();
        let free_at = 600 + i64::try_from(refused.as_secs()).unwrap();
        assert!(quotas.admit(org, "one", at(free_at - 1)).is_err());
        assert!(quotas.admit(org, "one", at(free_at)).is_ok());
    }
}
