//! [`Engine`]: what the SQL engines differ in; a [`Registry`] with its [`Administration`] over any of
//! them.

use std::future::Future;
use std::sync::Arc;

use portal_model::name::name_key;
use portal_model::oauth::{AccessToken, OAuthError, TokenRequest};
use portal_model::{Portal, PortalName, Timestamp};

use crate::admin::Administration;
use crate::audit::AuditEntry;
use crate::change::{AdminChange, AdminRefusal, Credential};
use crate::error::RegistryError;
use crate::org::{Org, OrgId, Principal, User, UserId};
use crate::people::People;
use crate::principals::Principals;
use crate::registry::{CreateConflict, Registry, RenameConflict, sealed};
use crate::seed::{Seed, SeedDifferences};
use crate::sql::{self, Query, Rows, Value};
use crate::token::{Hashed, HashedRequest, TokenRules};

/// A database. A change starts with the first poll of its future, and is not undone by dropping it.
#[trait_variant::make(Send)]
pub(crate) trait Engine: Clone + Send + Sync + 'static {
    fn principals(&self) -> &Principals;

    /// Reads rows.
    async fn read<T: Send>(
        &self,
        query: &Query<T>,
        values: Vec<Value>,
    ) -> Result<Vec<T>, RegistryError>;

    /// Inserts a portal, whose user, name, key and time are the values; `false` if that conflicts.
    /// The unique indexes decide, not a query before the insert.
    async fn create(&self, values: Vec<Value>) -> Result<bool, RegistryError>;

    /// Reads `rows`, lets `rule` decide, and writes what it changed, in one transaction that excludes
    /// every other about the same rows. `rule` runs again if the transaction is repeated.
    async fn decide<T: Send + 'static>(
        &self,
        rows: Rows,
        rule: impl Fn(&mut People) -> T + Send + Sync + 'static,
    ) -> Result<T, RegistryError>;

    /// The same, after which a cached principal may be wrong.
    fn decide_and_forget<T: Send + 'static>(
        &self,
        rows: Rows,
        rule: impl Fn(&mut People) -> T + Send + Sync + 'static,
    ) -> impl Future<Output = Result<T, RegistryError>> + Send {
        async move {
            let result = self.decide(rows, rule).await;
            self.principals().forget();
            result
        }
    }
}

impl<E: Engine> sealed::Sealed for E {}

impl<E: Engine> Registry for E {
    async fn apply_seed(&self, seed: &Seed, now: Timestamp) -> Result<(), RegistryError> {
        let seed = seed.clone();
        self.decide_and_forget(Rows::Everybody, move |people| people.apply_seed(&seed, now)).await
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
        let client = vec![Value::text(&request.client_id)];
        let secret = self.read(&sql::CLIENT_SECRET, client).await?;
        if let Err(error) = request.check_client(secret.first().copied()) {
            return Ok(Err(error));
        }
        let rows = Rows::OfGrant(request.code.unwrap_or(request.refresh_token));
        let rule = move |people: &mut People| people.issue_token(&request, rules, now);
        let issued = match rules {
            TokenRules::LifetimesOnly => self.decide(rows, rule).await?,
            // This may expire the oldest one.
            TokenRules::ServiceLimits => self.decide_and_forget(rows, rule).await?,
        };
        Ok(issued.map(|()| granted))
    }

    async fn revoke(&self, refresh_token: &str, now: Timestamp) -> Result<bool, RegistryError> {
        let hash = Hashed::of(refresh_token);
        let rule = move |people: &mut People| people.revoke(hash, now);
        self.decide_and_forget(Rows::OfGrant(hash), rule).await
    }

    async fn expire_access_token(&self, access_token: &str) -> Result<bool, RegistryError> {
        let hash = Hashed::of(access_token);
        let rule = move |people: &mut People| people.expire(hash);
        self.decide_and_forget(Rows::AccessToken(hash), rule).await
    }

    async fn authenticate(
        &self,
        access_token: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Principal>>, RegistryError> {
        let (access_token, now) = (Hashed::of(access_token), now.unix_seconds());
        let query = || async move {
            let values = vec![Value::hash(access_token), Value::number(now)];
            let found = self.read(&sql::PRINCIPAL, values).await?;
            Ok(found.into_iter().next().map(Arc::new))
        };
        self.principals().find(access_token, now, query).await
    }

    async fn orgs(&self) -> Result<Vec<Org>, RegistryError> {
        self.read(&sql::ORGS, Vec::new()).await
    }

    async fn users(&self, org: OrgId) -> Result<Vec<User>, RegistryError> {
        self.read(&sql::USERS, vec![Value::number(org.0)]).await
    }

    async fn create_portal(
        &self,
        user: UserId,
        name: &PortalName,
        now: Timestamp,
    ) -> Result<Result<(), CreateConflict>, RegistryError> {
        let values = vec![
            Value::number(user.0),
            Value::text(name.as_str()),
            Value::Text(Some(name_key(name.as_str()))),
            Value::number(now.unix_seconds()),
        ];
        if self.create(values).await? {
            return Ok(Ok(()));
        }
        // By a query, because no engine reports which index it was, and the order in which they are
        // checked is undefined. After the insert, because the conflicting portal may have been
        // committed while the create was running.
        let full = self.read(&sql::ORG_IS_FULL, vec![Value::number(user.0)]).await?;
        Ok(Err(if full.is_empty() {
            CreateConflict::NameTaken
        } else {
            CreateConflict::LimitReached
        }))
    }

    async fn rename_portal(
        &self,
        user: UserId,
        old: &str,
        new: &PortalName,
        now: Timestamp,
    ) -> Result<Result<Portal, RenameConflict>, RegistryError> {
        // No portal has it, and PostgreSQL can't even compare with it.
        if old.contains('\0') {
            return Ok(Err(RenameConflict::NotFound));
        }
        let (old_key, new_key) = (name_key(old), name_key(new.as_str()));
        let rows = Rows::OfRename { user, old: old_key, new: new_key };
        let (old, new) = (old.to_owned(), new.clone());
        let rule = move |people: &mut People| people.rename_portal(user, &old, &new, now);
        self.decide(rows, rule).await?
    }

    async fn portals(&self, org: OrgId) -> Result<Vec<Portal>, RegistryError> {
        self.read(&sql::PORTALS, vec![Value::number(org.0)]).await
    }

    async fn portal(&self, org: OrgId, name: &str) -> Result<Option<Portal>, RegistryError> {
        let values = vec![Value::number(org.0), Value::Text(Some(name_key(name)))];
        Ok(self.read(&sql::PORTAL, values).await?.into_iter().next())
    }
}

impl<E: Engine> Administration for E {
    async fn apply_seed_unless_different(
        &self,
        seed: &Seed,
        now: Timestamp,
    ) -> Result<Result<(), SeedDifferences>, RegistryError> {
        let seed = seed.clone();
        let rule = move |people: &mut People| people.apply_seed_unless_different(&seed, now);
        self.decide_and_forget(Rows::Everybody, rule).await
    }

    async fn replace_seed(&self, seed: &Seed, now: Timestamp) -> Result<(), RegistryError> {
        let seed = seed.clone();
        self.decide_and_forget(Rows::Everybody, move |people| people.replace_seed(&seed, now)).await
    }

    async fn administer(
        &self,
        change: &AdminChange,
        operator: &str,
        now: Timestamp,
    ) -> Result<Result<(), AdminRefusal>, RegistryError> {
        let (change, actor) = (change.clone(), format!("operator {operator}"));
        let rule = move |people: &mut People| people.administer(&change, &actor, now);
        self.decide_and_forget(Rows::Everybody, rule).await
    }

    async fn credentials(&self, org: OrgId) -> Result<Vec<Credential>, RegistryError> {
        self.read(&sql::CREDENTIALS, vec![Value::number(org.0)]).await
    }

    async fn audit_log(&self, limit: u32) -> Result<Vec<AuditEntry>, RegistryError> {
        let mut entries = self.read(&sql::AUDIT, vec![Value::number(limit.into())]).await?;
        entries.reverse();
        Ok(entries)
    }
}
