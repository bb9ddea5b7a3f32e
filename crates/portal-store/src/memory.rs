//! [`MemoryRegistry`]: the in-memory engine; its content is lost when the process ends.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portal_model::oauth::{AccessToken, OAuthError, TokenRequest};
use portal_model::{Portal, PortalName, Timestamp, UserRef};

use crate::error::RegistryError;
use crate::org::{Org, OrgId, PortalLimit, Principal, User, UserId, first_zaid};
use crate::people::People;
use crate::registry::{CreateConflict, Registry, RenameConflict, name_key, sealed};
use crate::seed::Seed;
use crate::token::{Hashed, HashedRequest, TokenRules};

/// An in-memory registry for tests and rehearsals.
#[derive(Clone, Default)]
pub struct MemoryRegistry {
    state: Arc<Mutex<State>>,
}

impl MemoryRegistry {
    /// Creates an empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the whole content with `seed`, for example between two tests. Its orgs, users and
    /// portals are new ones, with other numbers than before.
    pub fn reset(&self, seed: &Seed, now: Timestamp) {
        let mut fresh = State::default();
        fresh.decide(|people| people.apply_seed(seed, now));
        *self.lock() = fresh;
    }

    /// Ignores poisoning: no code under the lock panics halfway through a change.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct State {
    people: People,
    portals: Vec<(OrgId, Portal)>,
    /// Index into `portals` by name.
    by_name: HashMap<String, usize>,
    /// Indexes into `portals` by org, in the order of creation.
    by_org: HashMap<OrgId, Vec<usize>>,
    /// Of the last portal.
    zaid: Option<i64>,
}

impl fmt::Debug for MemoryRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRegistry").finish_non_exhaustive()
    }
}

impl State {
    fn decide<T>(&mut self, rule: impl FnOnce(&mut People) -> T) -> T {
        let result = rule(&mut self.people);
        // Nobody writes them.
        self.people.take_changes();
        result
    }

    fn actor(&self, org: OrgId, user: UserId) -> Result<(&Org, UserRef), RegistryError> {
        let unknown = |what: String| RegistryError::NotApplied(format!("there is no {what}"));
        let org = self.people.org(org).ok_or_else(|| unknown(format!("org {org}")))?;
        let user = self.people.user(user).ok_or_else(|| unknown(format!("user {user}")))?;
        Ok((org, UserRef::new(&user.name, user.id.to_string())))
    }
}

impl sealed::Sealed for MemoryRegistry {}

impl Registry for MemoryRegistry {
    async fn apply_seed(&self, seed: &Seed, now: Timestamp) -> Result<(), RegistryError> {
        self.lock().decide(|people| people.apply_seed(seed, now));
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
        Ok(self.lock().decide(|people| {
            request.check_client(people.client_secret(&request.client_id))?;
            people.issue_token(&request, rules, now).map(|()| granted)
        }))
    }

    async fn revoke(&self, refresh_token: &str, now: Timestamp) -> Result<bool, RegistryError> {
        Ok(self.lock().decide(|people| people.revoke(Hashed::of(refresh_token), now)))
    }

    async fn expire_access_token(&self, access_token: &str) -> Result<bool, RegistryError> {
        Ok(self.lock().decide(|people| people.expire(Hashed::of(access_token))))
    }

    async fn authenticate(
        &self,
        access_token: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Principal>>, RegistryError> {
        let principal = self.lock().people.principal(Hashed::of(access_token), now.unix_seconds());
        Ok(principal.map(Arc::new))
    }

    async fn orgs(&self) -> Result<Vec<Org>, RegistryError> {
        Ok(self.lock().people.orgs().cloned().collect())
    }

    async fn users(&self, org: OrgId) -> Result<Vec<User>, RegistryError> {
        Ok(self.lock().people.present_users(org).cloned().collect())
    }

    async fn create_portal(
        &self,
        org: OrgId,
        user: UserId,
        name: &PortalName,
        now: Timestamp,
    ) -> Result<Result<(), CreateConflict>, RegistryError> {
        let (mut state, now) = (self.lock(), whole_seconds(now));
        let state = &mut *state;
        let (owner, actor) = state.actor(org, user)?;
        if owner.portal_limit == PortalLimit::One && state.by_org.contains_key(&org) {
            return Ok(Err(CreateConflict::LimitReached));
        }
        let key = name_key(name.as_str());
        if state.by_name.contains_key(&key) {
            return Ok(Err(CreateConflict::NameTaken));
        }
        let at = state.portals.len();
        let zaid = state.zaid.map_or_else(first_zaid, |last| last + 1);
        state.zaid = Some(zaid);
        let mut portal = Portal::new(name.as_str());
        portal.created_time = Some(now);
        portal.modified_time = Some(now);
        portal.created_by = Some(actor.clone());
        portal.modified_by = Some(actor);
        portal.active = Some(true);
        portal.zaid = Some(zaid.to_string());
        state.portals.push((org, portal));
        state.by_name.insert(key, at);
        state.by_org.entry(org).or_default().push(at);
        Ok(Ok(()))
    }

    async fn rename_portal(
        &self,
        org: OrgId,
        user: UserId,
        old: &str,
        new: &PortalName,
        now: Timestamp,
    ) -> Result<Result<Portal, RenameConflict>, RegistryError> {
        let (mut state, now) = (self.lock(), whole_seconds(now));
        let state = &mut *state;
        let (_, actor) = state.actor(org, user)?;
        let (old_key, new_key) = (name_key(old), name_key(new.as_str()));
        let at = state.by_name.get(&old_key).copied();
        let Some((at, (_, portal))) = at.and_then(|at| {
            Some((at, state.portals.get_mut(at).filter(|(owner, _)| *owner == org)?))
        }) else {
            return Ok(Err(RenameConflict::NotFound));
        };
        if state.by_name.get(&new_key).is_some_and(|holder| *holder != at) {
            return Ok(Err(RenameConflict::NameTaken));
        }
        new.as_str().clone_into(&mut portal.name);
        portal.modified_time = Some(now);
        portal.modified_by = Some(actor);
        let portal = portal.clone();
        state.by_name.remove(&old_key);
        state.by_name.insert(new_key, at);
        Ok(Ok(portal))
    }

    async fn portals(&self, org: OrgId) -> Result<Vec<Portal>, RegistryError> {
        let state = self.lock();
        let places = state.by_org.get(&org).into_iter().flatten();
        let portals = places.filter_map(|at| state.portals.get(*at));
        Ok(portals.map(|(_, portal)| portal.clone()).collect())
    }

    async fn portal(&self, org: OrgId, name: &str) -> Result<Option<Portal>, RegistryError> {
        let state = self.lock();
        let found = state.by_name.get(&name_key(name)).and_then(|at| state.portals.get(*at));
        Ok(found.filter(|(owner, _)| *owner == org).map(|(_, portal)| portal.clone()))
    }
}

/// Truncates a time to what every engine stores: whole seconds, in UTC.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_unix_seconds(time.unix_seconds()).unwrap_or(time)
}
