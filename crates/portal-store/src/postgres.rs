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
//! rolls back. A create is one statement and one transaction, so a process that dies at any point
//! leaves no lock behind; those of other changes end with its session.
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
//! A seed, a change by an administrator, an access token, a revocation and a rename are transactions:
//! each reads the rows, decides, and writes. Those about tokens of one user, and renames of one portal,
//! wait for each other; a seed and a change by an administrator, which read everybody, exclude all about
//! tokens. Creates wait only if a portal limit changes.
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
//! | `schema` | creating the schema; locks |
//! | `pool` | the connections, with verified settings |
//! | `url` | the address of the database |
//! | `failure` | whether a failed statement may have taken effect |
//! | `tls` | a leaf |

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::engine::Engine;
use crate::error::RegistryError;
use crate::people::People;
use crate::principals::Principals;
use crate::sql::{Query, Rows, Value};
use failure::Failure;
use pool::{Pool, parameters};
pub use url::DatabaseUrl;

mod failure;
mod people;
mod pool;
mod schema;
mod tls;
mod url;

/// A registry in the schema `portal` of a PostgreSQL database.
///
/// Any number of processes on any number of machines may open the same database at once. A handle
/// is bound to the tokio runtime that opened it. See the [module](self) for how it keeps the
/// guarantees of [`Registry`](crate::Registry).
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
    /// See [`Registry`](crate::Registry).
    pub async fn is_empty(&self) -> Result<bool, RegistryError> {
        Ok(self.0.pool.read("SELECT FROM orgs LIMIT 1", &[]).await?.is_empty())
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

/// If another transaction holds the name uncommitted, the insert waits for its end.
const CREATE: &str = "
    INSERT INTO portals (org_id, limit_slot, created_by, modified_by, name, name_key, created_at,
                         modified_at)
    VALUES ((SELECT org_id FROM users WHERE id = $1),
            (SELECT portal_limit FROM users JOIN orgs ON orgs.id = org_id WHERE users.id = $1),
            $1, $1, $2, $3, $4, $4)
    ON CONFLICT DO NOTHING
    RETURNING id";

impl Engine for PostgresRegistry {
    fn principals(&self) -> &Principals {
        &self.0.principals
    }

    async fn read<T: Send>(
        &self,
        query: &Query<T>,
        values: Vec<Value>,
    ) -> Result<Vec<T>, RegistryError> {
        // PostgreSQL text can't contain NUL, not even in a comparison.
        let is_storable = |value: &Value| match value {
            Value::Text(Some(text)) => !text.contains('\0'),
            _ => true,
        };
        if !values.iter().all(is_storable) {
            return Ok(Vec::new());
        }
        let rows = self.0.pool.read(query.text, &parameters(&values)).await?;
        let read: Result<_, _> = rows.iter().map(|row| (query.read)(row)).collect();
        read.map_err(|damaged| Failure::from(damaged).not_applied())
    }

    async fn create(&self, values: Vec<Value>) -> Result<bool, RegistryError> {
        self.change(move |inner| async move {
            Ok(!inner.pool.change(CREATE, &parameters(&values)).await?.is_empty())
        })
        .await
    }

    async fn decide<T: Send + 'static>(
        &self,
        rows: Rows,
        rule: impl Fn(&mut People) -> T + Send + Sync + 'static,
    ) -> Result<T, RegistryError> {
        self.change(move |inner| async move { people::decide(&inner.pool, &rows, rule).await })
            .await
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
