//! [`SqliteRegistry`]: the embedded engine, one durable file on one machine.
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | contents |
//! |---|---|
//! | `backup` | [`backup`] |
//! | `commit` | the writer thread with its group commit |
//! | `readers` | the connections that read |
//! | `database` | creating and opening the file |
//! | `checkpoint` | keeps the write-ahead log small |
//! | `files`, `format` | whether the files are still the same; whether the file is a registry |
//! | `state` | what the database must contain, stored outside of it |
//! | `failure`, `thread` | SQLite's errors, and waiting for locks; a thread that is joined |
//! | `people` | reading and writing orgs, users and credentials |
//! | `credentials`, `portals` | SQL statements for tokens and portals |

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portal_model::oauth::{AccessToken, OAuthError, TokenRequest};
use portal_model::{Portal, PortalName, Timestamp};
use rusqlite::{Connection, Params, Row};
use tokio::sync::watch;

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
pub use backup::backup;
use checkpoint::Checkpoints;
use commit::Writer;
use credentials::Issue;
use database::Opened;
use files::Files;
use readers::Readers;
use state::Closing;

mod backup;
mod checkpoint;
mod commit;
mod credentials;
mod database;
mod failure;
mod files;
mod format;
mod people;
mod portals;
mod readers;
mod state;
mod thread;

/// A registry in a data directory.
///
/// An acknowledged change survives the end of the process and a loss of power. Any number of
/// processes may open the same data directory at once, on a local disk: network file systems are
/// not supported. The methods need a tokio runtime.
#[derive(Clone)]
pub struct SqliteRegistry(Arc<Inner>);

/// Field order is drop order: the registry is closed after everything that uses it.
struct Inner {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    principals: Principals,
    ended: watch::Receiver<Option<String>>,
    _closing: Closing,
}

impl SqliteRegistry {
    /// Opens the registry in `directory`. Both are created if missing, readable only by their
    /// owner. Blocks on the disk: it reads the whole database to verify it.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`], with what to do about it, if the directory is not writable,
    /// or the file was written by a newer version, is damaged, is not a registry, has lost commits,
    /// or is locked by another process. The file is left unchanged.
    pub fn open(directory: &Path) -> Result<Self, RegistryError> {
        Self::open_database(directory, false)
    }

    /// Like [`open`](Self::open), even if its state file shows that acknowledged commits were lost,
    /// or can't be read.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// let registry = portal_store::SqliteRegistry::open_accepting_loss(directory.path())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`open`](Self::open), except for lost commits.
    pub fn open_accepting_loss(directory: &Path) -> Result<Self, RegistryError> {
        Self::open_database(directory, true)
    }

    fn open_database(directory: &Path, accept_loss: bool) -> Result<Self, RegistryError> {
        let Opened { connection, path, state, history } = database::open(directory, accept_loss)?;
        let files = Files::new(&path, Arc::clone(&state), history)?;
        let ended = files.end.subscribe();
        let checkpoints =
            Checkpoints::start(database::open_for_checkpoints(&path)?, Arc::clone(&state))?;
        let readers = Readers::open(&path, &files.end)?;
        let writer = Writer::start(connection, files, checkpoints)?;
        Ok(Self(Arc::new(Inner {
            writer,
            readers,
            principals: Principals::default(),
            ended,
            _closing: Closing(state),
            path,
        })))
    }

    /// Completes once the registry is unusable, until a restart with other files: a file was
    /// removed, replaced or overwritten with an older copy while open, which is detected at the next
    /// change, or was found damaged. A server should shut down then. The future does not keep the
    /// registry open.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub fn failed(&self) -> impl Future<Output = RegistryError> + Send + use<> {
        let mut ended = self.0.ended.clone();
        async move {
            let why = ended.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
            match why {
                Some(why) => RegistryError::NotApplied(why),
                // The registry was closed without a failure.
                None => std::future::pending().await,
            }
        }
    }

    /// Commits a change, after which a cached principal may be wrong.
    async fn commit_and_forget<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let result = self.0.writer.commit(work).await;
        self.0.principals.forget();
        result
    }

    /// Reads all rows of a statement.
    fn rows<T>(
        &self,
        statement: &str,
        parameters: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, RegistryError> {
        let work = |connection: &Connection| {
            connection.prepare_cached(statement)?.query_map(parameters, read)?.collect()
        };
        self.0.readers.read(work)
    }
}

impl fmt::Debug for SqliteRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteRegistry").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl sealed::Sealed for SqliteRegistry {}

impl Registry for SqliteRegistry {
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
        let work = move |connection: &_| Issue { connection, request: &request, now }.run(rules);
        let issued = match rules {
            TokenRules::LifetimesOnly => self.0.writer.commit(work).await?,
            // This may expire the oldest one.
            TokenRules::ServiceLimits => self.commit_and_forget(work).await?,
        };
        Ok(issued.map(|()| granted))
    }

    async fn revoke(&self, refresh_token: &str, now: Timestamp) -> Result<bool, RegistryError> {
        let (refresh_token, now) = (Hashed::of(refresh_token), now.unix_seconds());
        let work = move |connection: &_| credentials::revoke(connection, refresh_token, now);
        self.commit_and_forget(work).await
    }

    async fn expire_access_token(&self, access_token: &str) -> Result<bool, RegistryError> {
        let access_token = Hashed::of(access_token);
        let work = move |connection: &_| credentials::expire(connection, access_token);
        self.commit_and_forget(work).await
    }

    async fn authenticate(
        &self,
        access_token: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Principal>>, RegistryError> {
        let (access_token, now) = (Hashed::of(access_token), now.unix_seconds());
        let query = || async move {
            self.0.readers.read(|connection| {
                let principal = credentials::authenticate(connection, access_token, now)?;
                Ok(principal.map(Arc::new))
            })
        };
        self.0.principals.find(access_token, now, query).await
    }

    async fn orgs(&self) -> Result<Vec<Org>, RegistryError> {
        self.rows(sql::ORGS, (), |row| sql::org(row))
    }

    async fn users(&self, org: OrgId) -> Result<Vec<User>, RegistryError> {
        self.rows(sql::USERS, [org.0], |row| sql::user(row, 0))
    }

    async fn create_portal(
        &self,
        org: OrgId,
        user: UserId,
        name: &PortalName,
        now: Timestamp,
    ) -> Result<Result<(), CreateConflict>, RegistryError> {
        let (name, now) = (name.clone(), now.unix_seconds());
        let work = move |connection: &_| portals::create(connection, org, user, &name, now);
        self.0.writer.commit(work).await
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
        let work = move |connection: &_| portals::rename(connection, org, user, &old, &new, now);
        self.0.writer.commit(work).await
    }

    async fn portals(&self, org: OrgId) -> Result<Vec<Portal>, RegistryError> {
        self.rows(sql::PORTALS, [org.0], |row| sql::portal(row))
    }

    async fn portal(&self, org: OrgId, name: &str) -> Result<Option<Portal>, RegistryError> {
        let found = self.rows(sql::PORTAL, (org.0, name_key(name)), |row| sql::portal(row))?;
        Ok(found.into_iter().next())
    }
}

impl Administration for SqliteRegistry {
    async fn credentials(&self, org: OrgId) -> Result<Vec<Credential>, RegistryError> {
        self.rows(sql::CREDENTIALS, [org.0], |row| sql::credential(row))
    }

    async fn decide<T: Send + 'static>(
        &self,
        rule: impl Fn(&mut People) -> T + Send + 'static,
    ) -> Result<T, RegistryError> {
        let work = move |connection: &Connection| {
            let mut people = people::read(connection)?;
            let result = rule(&mut people);
            for change in people.take_changes() {
                people::write(connection, &change)?;
            }
            Ok(result)
        };
        self.commit_and_forget(work).await
    }

    async fn audit_log(&self, limit: u32) -> Result<Vec<AuditEntry>, RegistryError> {
        let mut entries = self.rows(sql::AUDIT, [limit], |row| sql::audit_entry(row))?;
        entries.reverse();
        Ok(entries)
    }
}
