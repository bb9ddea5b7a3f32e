//! [`MemoryRegistry`]: the in-memory engine; its content is lost when the process ends.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portal_model::oauth::{AccessToken, OAuthError, TokenRequest};
use portal_model::{Portal, PortalName, Timestamp};

use crate::error::RegistryError;
use crate::org::{Org, OrgId, Principal, User, UserId};
use crate::people::People;
use crate::registry::{CreateConflict, Registry, RenameConflict, sealed};
use crate::seed::Seed;
use crate::token::{Hashed, HashedRequest, TokenRules};

/// An in-memory registry for tests and rehearsals.
#[derive(Clone, Default)]
pub struct MemoryRegistry {
    people: Arc<Mutex<People>>,
}

impl MemoryRegistry {
    /// Creates an empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the whole content with `seed`, for example between two tests. Its orgs, users and
    /// portals are new ones, with other numbers than before.
    pub fn reset(&self, seed: &Seed, now: Timestamp) {
        let mut fresh = People::default();
        fresh.apply_seed(seed, now);
        fresh.take_changes();
        *self.lock() = fresh;
    }

    fn decide<T>(&self, rule: impl FnOnce(&mut People) -> T) -> T {
        let mut people = self.lock();
        let result = rule(&mut people);
        // Nobody writes them.
        people.take_changes();
        result
    }

    /// Ignores poisoning: no code under the lock panics halfway through a change.
    fn lock(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRegistry").finish_non_exhaustive()
    }
}

impl sealed::Sealed for MemoryRegistry {}

impl Registry for MemoryRegistry {
    async fn apply_seed(&self, seed: &Seed, now: Timestamp) -> Result<(), RegistryError> {
        self.decide(|people| people.apply_seed(seed, now));
        Ok(())
    }

    async fn issue_token(
        &self,
        request: &TokenRequest,
        rules: TokenRules,
        now: Timestamp,
    ) -> Result<Result<AccessToken, OAuthError>, RegistryError> {
        let (request, granted) = match HashedRequest::new(request)? {
            Ok(hashed) => hashed,
            Err(error) => return Ok(Err(error)),
        };
        Ok(self.decide(|people| {
            request.check_client(people.client_secret(&request.client_id))?;
            people.issue_token(&request, rules, now).map(|()| granted)
        }))
    }

    async fn revoke(&self, refresh_token: &str, now: Timestamp) -> Result<bool, RegistryError> {
        Ok(self.decide(|people| people.revoke(Hashed::of(refresh_token), now)))
    }

    async fn expire_access_token(&self, access_token: &str) -> Result<bool, RegistryError> {
        Ok(self.decide(|people| people.expire(Hashed::of(access_token))))
    }

    async fn authenticate(
        &self,
        access_token: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Principal>>, RegistryError> {
        let principal = self.lock().principal(Hashed::of(access_token), now.unix_seconds());
        Ok(principal.map(Arc::new))
    }

    async fn orgs(&self) -> Result<Vec<Org>, RegistryError> {
        Ok(self.lock().orgs().cloned().collect())
    }

    async fn users(&self, org: OrgId) -> Result<Vec<User>, RegistryError> {
        Ok(self.lock().present_users(org).cloned().collect())
    }

    async fn create_portal(
        &self,
        user: UserId,
        name: &PortalName,
        now: Timestamp,
    ) -> Result<Result<(), CreateConflict>, RegistryError> {
        self.decide(|people| people.create_portal(user, name, now))
    }

    async fn rename_portal(
        &self,
        user: UserId,
        old: &str,
        new: &PortalName,
        now: Timestamp,
    ) -> Result<Result<Portal, RenameConflict>, RegistryError> {
        self.decide(|people| people.rename_portal(user, old, new, now))
    }

    async fn portals(&self, org: OrgId) -> Result<Vec<Portal>, RegistryError> {
        Ok(self.lock().portals(org).cloned().collect())
    }

    async fn portal(&self, org: OrgId, name: &str) -> Result<Option<Portal>, RegistryError> {
        Ok(self.lock().portal(org, name).cloned())
    }
}
