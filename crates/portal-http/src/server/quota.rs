//! The documented quota of concurrent requests, enforced on request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portal_store::OrgId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Concurrent requests per org and client in the Enterprise edition.
const CONCURRENT: usize = 20;

/// Counts the requests in progress, by org and client.
#[derive(Debug, Default)]
pub(super) struct Quotas(Mutex<HashMap<(OrgId, String), Arc<Semaphore>>>);

impl Quotas {
    /// Permission for one request of `client_id` in `org`, until it is dropped; `None` beyond the quota.
    pub(super) fn admit(&self, org: OrgId, client_id: &str) -> Option<OwnedSemaphorePermit> {
        // No code under the lock can panic between two changes, so the map is consistent.
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = running.entry((org, client_id.to_owned()));
        let running = running.or_insert_with(|| Arc::new(Semaphore::new(CONCURRENT)));
        Arc::clone(running).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::LocalServer;

    #[tokio::test]
    async fn enterprise_quota_is_20_concurrent_per_client() {
        let quotas = Quotas::default();
        let org = LocalServer::start().await.unwrap().org_id().await.unwrap();
        let mut running: Vec<_> = (0..20).map(|_| quotas.admit(org, "one").unwrap()).collect();
        assert!(quotas.admit(org, "one").is_none());
        assert!(quotas.admit(org, "other").is_some());
        running.pop();
        assert!(quotas.admit(org, "one").is_some());
    }
}
