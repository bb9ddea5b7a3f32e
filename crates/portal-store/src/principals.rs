//! Cache of access tokens' principals, valid for the current second.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::error::RegistryError;
use crate::org::Principal;
use crate::token::Hashed;

/// Cleared whenever the second changes, so that a revocation by another process takes effect within
/// a second; a revocation by this process clears it at once.
#[derive(Default)]
pub(crate) struct Principals(Mutex<Found>);

#[derive(Default)]
struct Found {
    second: i64,
    /// Filled by the first query for a token, while the others wait.
    principals: HashMap<Hashed, Arc<OnceCell<Option<Arc<Principal>>>>>,
}

impl Principals {
    /// Returns the principal of a token from the cache, or else by `query`. Concurrent calls for
    /// one token share a single query: when the second changes, all requests in flight miss at
    /// once.
    ///
    /// # Cancel safety
    /// If the call that runs the query is dropped, the next one runs it.
    pub(crate) async fn find<Q>(
        &self,
        access_token: Hashed,
        now: i64,
        query: impl FnOnce() -> Q,
    ) -> Result<Option<Arc<Principal>>, RegistryError>
    where
        Q: Future<Output = Result<Option<Arc<Principal>>, RegistryError>>,
    {
        let principal = {
            let mut found = self.lock();
            if found.second != now {
                found.second = now;
                found.principals.clear();
            }
            Arc::clone(found.principals.entry(access_token).or_default())
        };
        let result = principal.get_or_try_init(query).await.cloned();
        if !matches!(result, Ok(Some(_))) {
            // Unknown tokens are not cached: one may be issued at any moment, and an attacker can
            // send any number of them.
            let mut found = self.lock();
            if found.principals.get(&access_token).is_some_and(|it| Arc::ptr_eq(it, &principal)) {
                found.principals.remove(&access_token);
            }
        }
        result
    }

    /// Clears the cache. A query in flight still completes for the callers that already wait for
    /// it, but is not cached.
    pub(crate) fn forget(&self) {
        self.lock().principals.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use portal_model::oauth::{Grant, TokenRequest};
    use portal_model::{Secret, Timestamp};
    use tokio::sync::oneshot;

    use super::*;
    use crate::memory::MemoryRegistry;
    use crate::registry::Registry as _;
    use crate::seed::{Seed, SeedCredential, SeedOrg, SeedUser};
    use crate::token::TokenRules;

    async fn principal() -> Arc<Principal> {
        let (registry, now) = (MemoryRegistry::new(), Timestamp::from_unix_seconds(0).unwrap());
        let credential = SeedCredential::refresh_token("client", "secret", "token");
        let admin = SeedUser::admin("Admin", "admin@acme.example").credential(credential);
        let seed = Seed::new([SeedOrg::new("acme").user(admin)]);
        registry.apply_seed(&seed, now).await.unwrap();
        let grant = Grant::RefreshToken(Secret::new("token".to_owned()));
        let request = TokenRequest::new("client", "secret".to_owned(), grant);
        let token = registry.issue_token(&request, TokenRules::LifetimesOnly, now).await;
        let token = token.unwrap().unwrap().access_token;
        registry.authenticate(token.expose(), now).await.unwrap().unwrap()
    }

    type Result = std::result::Result<Option<Arc<Principal>>, RegistryError>;

    /// Spawns a query that ends on demand.
    fn find_slowly(
        principals: &Arc<Principals>,
        found: Option<Arc<Principal>>,
        queries: &Arc<AtomicUsize>,
    ) -> (tokio::task::JoinHandle<Result>, oneshot::Sender<()>) {
        let (principals, queries) = (Arc::clone(principals), Arc::clone(queries));
        let (release, released) = oneshot::channel();
        let query = move || async move {
            queries.fetch_add(1, Ordering::Relaxed);
            released.await.unwrap();
            Ok(found)
        };
        let find = async move { principals.find(Hashed::of("token"), 5, query).await };
        (tokio::spawn(find), release)
    }

    async fn find(
        principals: &Principals,
        found: Option<Arc<Principal>>,
    ) -> Option<Arc<Principal>> {
        principals.find(Hashed::of("token"), 5, async || Ok(found)).await.unwrap()
    }

    #[tokio::test]
    async fn concurrent_misses_of_one_token_query_once() {
        let (principals, queries) = (Arc::default(), Arc::default());
        let known = Some(principal().await);
        let (first, release) = find_slowly(&principals, known.clone(), &queries);
        tokio::task::yield_now().await;
        let others: Vec<_> = (0..64).map(|_| find_slowly(&principals, None, &queries)).collect();
        tokio::task::yield_now().await;
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(known.clone()));
        for (other, _release) in others {
            assert_eq!(other.await.unwrap(), Ok(known.clone()));
        }
        assert_eq!(queries.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn query_begun_before_revocation_is_not_cached() {
        let (principals, queries) = (Arc::default(), Arc::default());
        let known = Some(principal().await);
        let (before, release) = find_slowly(&principals, known.clone(), &queries);
        tokio::task::yield_now().await;
        principals.forget();
        release.send(()).unwrap();
        assert_eq!(before.await.unwrap(), Ok(known.clone()));
        assert_eq!(find(&principals, None).await, None);
        assert_eq!(find(&principals, known.clone()).await, known, "an unknown token is not kept");
        assert_eq!(find(&principals, None).await, known, "a known one is");
        principals.find(Hashed::of("token"), 6, async || Ok(None)).await.unwrap();
        assert_eq!(find(&principals, None).await, None, "for a second");
    }

    #[tokio::test]
    async fn query_that_is_dropped_is_taken_over() {
        let (principals, queries) = (Arc::default(), Arc::default());
        let known = Some(principal().await);
        let (dropped, _release) = find_slowly(&principals, None, &queries);
        tokio::task::yield_now().await;
        let (next, release) = find_slowly(&principals, known.clone(), &queries);
        tokio::task::yield_now().await;
        dropped.abort();
        release.send(()).unwrap();
        assert_eq!(next.await.unwrap(), Ok(known));
        assert!(principals.lock().principals.len() == 1);
    }
}
