//! [`PostgresRegistry`]: the engine for more than one machine, over PostgreSQL 13 or later.
//!
//! # Durability
//! Every session sets `synchronous_commit = on` (a stronger `remote_apply` is left as it is) and is
//! not used unless the server confirms that and `fsync = on`. A change is acknowledged when the
//! server is ready for the next statement, which is after its commit; in the extended protocol the
//! word that a command is complete comes before. What no disk has yet, no other session sees:
//! what was read or refused once is as durable as what was acknowledged.
//!
//! # Uniqueness
//! One `INSERT … ON CONFLICT DO NOTHING` is a whole create. Two unique indexes decide: one over the
//! names of all orgs in lower case, one over an org and the one slot of its limit. A statement that
//! meets the uncommitted portal of another session waits until that is committed or undone. Every
//! change is one statement and one transaction, so that a process that stops at any point leaves
//! no lock behind.
//!
//! # In doubt
//! [`RegistryError::NotApplied`]: no connection took the statement, or the server refused it with an
//! error of the severity ERROR, which rolls back. [`RegistryError::Unknown`]: it was handed to a
//! connection, and that was lost, ended by the server (FATAL may come after the commit), or silent
//! for ten seconds. A change is never sent twice; a read is, over another connection. Without any
//! connection a call fails after three seconds, while one task reconnects, every second in the end.
//!
//! # Revocation
//! A look-up of an access token is kept until the second of the caller's clock changes, by this
//! process only, and asks for the refresh token's revocation too. So a revocation that any process
//! acknowledged holds here at once, and in every other process within a second.
//!
//! # What it needs
//! A database in UTF8, and a role that may make a schema in it, or owns an empty schema `portal`.
//! Up to 16 connections per registry and one more while a seed is added; over a connection pooler,
//! in its session mode. The URL's `sslmode`: `disable`; `prefer`, the default, takes TLS if the
//! server offers it; `require` insists, and like libpq takes any certificate, which keeps out those
//! who only listen; `verify-full` verifies certificate and host name against what the system trusts
//! or the file in `sslrootcert`. A socket of the file system has no TLS.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use portal_model::oauth::{AccessToken, Grant, OAuthError, TokenRequest};
use portal_model::{Portal, PortalName, Timestamp};

use crate::error::RegistryError;
use crate::org::{Org, OrgId, Principal, User, UserId};
use crate::principals::Principals;
use crate::registry::{CreateConflict, Registry, RenameConflict, sealed};
use crate::seed::Seed;
use crate::token::{self, Hashed, TokenRules};
use credentials::HashedRequest;
use failure::Failure;
use pool::Pool;
use session::Connected;
use url::Target;

mod admin;
mod audit;
mod credentials;
mod failure;
mod migrations;
mod pool;
mod portals;
mod seeding;
mod session;
mod statements;
mod tls;
mod url;

/// A registry in the schema `portal` of a PostgreSQL database.
///
/// Any number of processes on any number of machines may open one database at once. A handle
/// belongs to the tokio runtime that opened it. The [module](self) says how it keeps the promises
/// of [`Registry`].
#[derive(Clone)]
pub struct PostgresRegistry(Arc<Inner>);

struct Inner {
    pool: Pool,
    principals: Principals,
}

impl PostgresRegistry {
    /// Connects to the database at `url`, such as
    /// `postgres://portal:secret@db.example.com/portals?sslmode=verify-full`, and makes or updates
    /// its schema.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] with what to do about it: the URL is of no use, the database
    /// can't be reached, is of a newer version, or would lose changes in a power cut. No error
    /// shows the password.
    pub async fn open(url: &str) -> Result<Self, RegistryError> {
        let target = Target::parse(url)?;
        let mut connected = Connected::to(&target).await.map_err(RegistryError::NotApplied)?;
        migrations::apply(&mut connected.client, &target).await?;
        let session = connected.prepare().await.map_err(RegistryError::NotApplied)?;
        let pool = Pool::new(target, session);
        Ok(Self(Arc::new(Inner { pool, principals: Principals::default() })))
    }

    /// Whether no seed was ever applied, so that nobody can call.
    ///
    /// # Errors
    /// As every method of [`Registry`].
    pub async fn is_empty(&self) -> Result<bool, RegistryError> {
        let rows = self.0.pool.read(|it| &it.has_orgs, &[]).await.map_err(Failure::of_a_read)?;
        Ok(!rows.first().map(|row| portals::get(row, 0)).transpose()?.unwrap_or(false))
    }

    /// Makes a change to its end, even if nobody waits for it any more.
    async fn change<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Arc<Inner>) -> F,
    ) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, RegistryError>> + Send + 'static,
    {
        let task = tokio::spawn(work(Arc::clone(&self.0)));
        task.await.unwrap_or_else(|_| {
            Err(RegistryError::Unknown("the change was broken off with its runtime".to_owned()))
        })
    }
}

impl Inner {
    /// A connection for a transaction, which shares it with nothing.
    async fn connect(&self) -> Result<Connected, RegistryError> {
        Connected::to(self.pool.target()).await.map_err(RegistryError::NotApplied)
    }
}

impl fmt::Debug for PostgresRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresRegistry")
            .field("database", &self.0.pool.target().to_string())
            .finish_non_exhaustive()
    }
}

impl sealed::Sealed for PostgresRegistry {}

impl Registry for PostgresRegistry {
    async fn apply_seed(&self, seed: &Seed, now: Timestamp) -> Result<(), RegistryError> {
        let (seed, now) = (seed.clone(), now.unix_seconds());
        self.change(|inner| async move {
            let mut connected = inner.connect().await?;
            let apply = async {
                let transaction = migrations::begin_alone(&mut connected.client).await?;
                seeding::apply(&transaction, &seed, now).await?;
                transaction.commit().await
            };
            apply.await.map_err(|error| Failure::of(&error).into())
        })
        .await
    }

    async fn grant(
        &self,
        request: &TokenRequest,
        rules: TokenRules,
        now: Timestamp,
    ) -> Result<Result<AccessToken, OAuthError>, RegistryError> {
        let mut granted = AccessToken::new(token::generate()?);
        let (refresh_token, code) = match &request.grant {
            Grant::RefreshToken(refresh_token) => (Hashed::of(refresh_token.expose()), None),
            Grant::AuthorizationCode { code, .. } => {
                let refresh_token = token::generate()?;
                let hashed = Hashed::of(refresh_token.expose());
                granted.refresh_token = Some(refresh_token);
                (hashed, Some(Hashed::of(code.expose())))
            }
        };
        let request = HashedRequest {
            client_id: request.client_id.clone(),
            client_secret: Hashed::of(request.client_secret.expose()),
            refresh_token,
            code,
            access_token: Hashed::of(granted.access_token.expose()),
        };
        let now = now.unix_seconds();
        self.change(move |inner| async move {
            let result = credentials::grant(&inner.pool, &request, rules, now).await;
            // It may have ended the oldest one.
            if rules == TokenRules::AsTheService {
                inner.principals.forget();
            }
            Ok(result?.map(|()| granted))
        })
        .await
    }

    async fn revoke(&self, refresh_token: &str, now: Timestamp) -> Result<bool, RegistryError> {
        let (refresh_token, now) = (Hashed::of(refresh_token), now.unix_seconds());
        self.change(move |inner| async move {
            let result = credentials::revoke(&inner.pool, refresh_token, now).await;
            inner.principals.forget();
            result
        })
        .await
    }

    async fn end_access_token(&self, access_token: &str) -> Result<bool, RegistryError> {
        let access_token = Hashed::of(access_token);
        self.change(move |inner| async move {
            let result = credentials::end(&inner.pool, access_token).await;
            inner.principals.forget();
            result
        })
        .await
    }

    async fn principal(
        &self,
        access_token: &str,
        now: Timestamp,
    ) -> Result<Option<Principal>, RegistryError> {
        let (access_token, now) = (Hashed::of(access_token), now.unix_seconds());
        let query = || credentials::principal(&self.0.pool, access_token, now);
        self.0.principals.find(access_token, now, query).await
    }

    async fn orgs(&self) -> Result<Vec<Org>, RegistryError> {
        let rows = self.0.pool.read(|it| &it.orgs, &[]).await.map_err(Failure::of_a_read)?;
        rows.iter().map(credentials::read_org).collect()
    }

    async fn users(&self, org: OrgId) -> Result<Vec<User>, RegistryError> {
        credentials::users(&self.0.pool, org).await
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
        portals::list(&self.0.pool, org).await
    }

    async fn portal(&self, org: OrgId, name: &str) -> Result<Option<Portal>, RegistryError> {
        portals::get_portal(&self.0.pool, org, name).await
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
