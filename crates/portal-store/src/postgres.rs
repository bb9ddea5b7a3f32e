//! [`PostgresRegistry`]: the engine for more than one machine, over PostgreSQL 13 or later.
//!
//! # Durability
//! Every session sets `synchronous_commit = on` (a stronger `remote_apply` is kept), and is used
//! only after the server has confirmed that setting and `fsync = on`. A change is acknowledged on
//! `ReadyForQuery`, which the server sends after the commit; `CommandComplete` comes before it. A
//! commit becomes visible to other sessions only once it is durable, so the results of reads and
//! refusals are as durable as acknowledged changes.
//!
//! # Uniqueness
//! A create is a single `INSERT … ON CONFLICT DO NOTHING`. Two unique indexes decide: one over the
//! lower-case names of all orgs, one over an org and the single slot of its limit. A statement that
//! conflicts with the uncommitted portal of another session waits until that session commits or
//! rolls back. Every change is one statement and one transaction, so a process that dies at any
//! point leaves no lock behind.
//!
//! # In doubt
//! [`RegistryError::NotApplied`]: no connection accepted the statement, or the server refused it
//! with severity ERROR, which rolls back. [`RegistryError::Unknown`]: the statement was handed to a
//! connection that was then lost, terminated by the server (FATAL may follow the commit), or silent
//! for ten seconds. A change is never sent twice; a read is retried over another connection.
//! A call that gets no connection fails after three seconds.
//!
//! # Revocation
//! The principal of an access token is cached, within this process only, until the second of the
//! caller's clock changes. Looking it up also checks whether the refresh token was revoked. So a
//! revocation acknowledged by any process takes effect in that process at once, and in every other
//! one within a second.
//!
//! # Orgs, users and credentials
//! A seed or a change by an administrator is a transaction: it reads
//! all rows, decides, and writes. An advisory lock admits one at a time, and a lock on the tables
//! makes exchanges of codes and revocations wait for it. Creates wait only if a portal limit changes.
//!
//! # Requirements
//! A UTF8 database, and a role that can create a schema in it or owns an empty schema `portal`.
//! Each registry uses up to 16 connections. Connection poolers must be in session mode. `sslmode` in the URL is one of `disable`; `prefer`, the
//! default, which uses TLS if the server offers it; `require`, which insists on TLS but, like
//! libpq, accepts any certificate, so it stops eavesdroppers only; and `verify-full`, which
//! verifies the certificate and the host name against the system's roots or the file in
//! `sslrootcert`. Unix sockets never use TLS.
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | contents |
//! |---|---|
//! | `people` | reading and writing orgs, users and credentials |
//! | `credentials` | SQL statements for tokens |
//! | `portals` | SQL statements for portals |
//! | `schema` | creating the schema; locks |
//! | `pool` | the connections, with verified settings |
//! | `url` | the address of the database |
//! | `failure` | whether a failed statement may have taken effect |
//! | `tls` | a leaf |

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use portal_model::oauth::{AccessToken, OAuthError, TokenRequest};
use portal_model::{Portal, PortalName, Timestamp};

use crate::admin::Administration;
use crate::audit::AuditEntry;
use crate::change::Credential;
use crate::error::RegistryError;
use crate::org::{Org, OrgId, Principal, User, UserId};
use crate::people::People;
use crate::principals::Principals;
use crate::registry::{CreateConflict, Registry, RenameConflict, name_key, sealed};
use crate::seed::Seed;
use crate::sql;
use crate::token::{Hashed, HashedRequest, TokenRules};
use pool::{Parameters, Pool};
pub use url::DatabaseUrl;

mod credentials;
mod failure;
mod people;
mod pool;
mod portals;
mod schema;
mod tls;
mod url;

/// A registry in the schema `portal` of a PostgreSQL database.
///
/// Any number of processes on any number of machines may open the same database at once. A handle
/// is bound to the tokio runtime that opened it. See the [module](self) for how it keeps the
/// guarantees of [`Registry`].
#[derive(Clone)]
pub struct PostgresRegistry(Arc<Inner>);

struct Inner {
    pool: Pool,
    principals: Principals,
}

impl PostgresRegistry {
    /// Connects to the database at `url`, such as
    /// `postgres://portal:secret@db.example.com/portals?sslmode=verify-full`, and creates its
    /// schema if it is missing.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`], with what to do about it, if the URL is invalid, or the
    /// database is unreachable, was written by a newer version, or would lose changes in a power
    /// cut. No error shows the password.
    pub async fn open(url: &str) -> Result<Self, RegistryError> {
        let pool = Pool::new(DatabaseUrl::parse(url)?)?;
        let mut client = pool.connect().await.map_err(RegistryError::NotApplied)?;
        schema::prepare(&mut client, &pool.target).await?;
        Ok(Self(Arc::new(Inner { pool, principals: Principals::default() })))
    }

    /// Whether no seed was ever applied, so that no credential exists.
    ///
    /// # Errors
    /// See [`Registry`].
    pub async fn is_empty(&self) -> Result<bool, RegistryError> {
        Ok(self.0.pool.read("SELECT FROM orgs LIMIT 1", &[], |_| Ok(())).await?.is_empty())
    }

    /// Runs a change to completion, even if the caller drops its future.
    async fn change<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Arc<Inner>) -> F,
    ) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, RegistryError>> + Send + 'static,
    {
        let task = tokio::spawn(work(Arc::clone(&self.0)));
        task.await.unwrap_or_else(|_| {
            Err(RegistryError::Unknown("the runtime shut down during the change".to_owned()))
        })
    }
}

impl fmt::Debug for PostgresRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresRegistry")
            .field("database", &self.0.pool.target)
            .finish_non_exhaustive()
    }
}

impl sealed::Sealed for PostgresRegistry {}

impl Registry for PostgresRegistry {
    async fn apply_seed(&self, seed: &Seed, now: Timestamp) -> Result<(), RegistryError> {
        let seed = seed.clone();
        self.decide(move |people| people.apply_seed(&seed, now)).await
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
        let now = now.unix_seconds();
        self.change(move |inner| async move {
            let result = credentials::issue_token(&inner.pool, &request, rules, now).await;
            // Issuing a token may have expired the oldest one.
            if rules == TokenRules::ServiceLimits {
                inner.principals.forget();
            }
            Ok(result?.map(|()| granted))
        })
        .await
    }

    async fn revoke(&self, refresh_token: &str, now: Timestamp) -> Result<bool, RegistryError> {
        let (refresh_token, now) = (Hashed::of(refresh_token), now.unix_seconds());
        self.change(move |inner| async move {
            let parameters: &Parameters<'_> = &[&refresh_token.0.as_slice(), &now];
            let revoked = inner.pool.change(credentials::REVOKE, parameters).await;
            inner.principals.forget();
            Ok(!revoked?.is_empty())
        })
        .await
    }

    async fn expire_access_token(&self, access_token: &str) -> Result<bool, RegistryError> {
        let access_token = Hashed::of(access_token);
        self.change(move |inner| async move {
            let parameters: &Parameters<'_> = &[&access_token.0.as_slice()];
            let ended = inner.pool.change(credentials::EXPIRE, parameters).await;
            inner.principals.forget();
            Ok(!ended?.is_empty())
        })
        .await
    }

    async fn authenticate(
        &self,
        access_token: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Principal>>, RegistryError> {
        let (access_token, now) = (Hashed::of(access_token), now.unix_seconds());
        let query = || async move {
            let parameters: &Parameters<'_> = &[&access_token.0.as_slice(), &now];
            let found = self.0.pool.read(sql::PRINCIPAL, parameters, sql::principal).await?;
            Ok(found.into_iter().next().map(Arc::new))
        };
        self.0.principals.find(access_token, now, query).await
    }

    async fn orgs(&self) -> Result<Vec<Org>, RegistryError> {
        self.0.pool.read(sql::ORGS, &[], sql::org).await
    }

    async fn users(&self, org: OrgId) -> Result<Vec<User>, RegistryError> {
        self.0.pool.read(sql::USERS, &[&org.0], |row| sql::user(row, 0)).await
    }

    async fn create_portal(
        &self,
        org: OrgId,
        user: UserId,
        name: &PortalName,
        now: Timestamp,
    ) -> Result<Result<(), CreateConflict>, RegistryError> {
        let (name, now) = (name.clone(), now.unix_seconds());
        self.change(move |inner| async move {
            portals::create(&inner.pool, org, user, &name, now).await
        })
        .await
    }

    async fn rename_portal(
        &self,
        org: OrgId,
        user: UserId,
        old: &str,
        new: &PortalName,
        now: Timestamp,
    ) -> Result<Result<Portal, RenameConflict>, RegistryError> {
        let (old, new, now) = (old.to_owned(), new.clone(), now.unix_seconds());
        self.change(move |inner| async move {
            portals::rename(&inner.pool, org, user, &old, &new, now).await
        })
        .await
    }

    async fn portals(&self, org: OrgId) -> Result<Vec<Portal>, RegistryError> {
        self.0.pool.read(sql::PORTALS, &[&org.0], sql::portal).await
    }

    async fn portal(&self, org: OrgId, name: &str) -> Result<Option<Portal>, RegistryError> {
        if !portals::is_storable(name) {
            return Ok(None);
        }
        let parameters: &Parameters<'_> = &[&org.0, &name_key(name)];
        let found = self.0.pool.read(sql::PORTAL, parameters, sql::portal).await?;
        Ok(found.into_iter().next())
    }
}

impl Administration for PostgresRegistry {
    async fn credentials(&self, org: OrgId) -> Result<Vec<Credential>, RegistryError> {
        self.0.pool.read(sql::CREDENTIALS, &[&org.0], sql::credential).await
    }

    async fn decide<T: Send + 'static>(
        &self,
        rule: impl Fn(&mut People) -> T + Send + 'static,
    ) -> Result<T, RegistryError> {
        self.change(|inner| async move {
            let result = people::decide(&inner.pool, rule).await;
            inner.principals.forget();
            result
        })
        .await
    }

    async fn audit_log(&self, limit: u32) -> Result<Vec<AuditEntry>, RegistryError> {
        let parameters: &Parameters<'_> = &[&i64::from(limit)];
        let mut entries = self.0.pool.read(sql::AUDIT, parameters, sql::audit_entry).await?;
        entries.reverse();
        Ok(entries)
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
