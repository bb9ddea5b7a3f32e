//! [`SqliteRegistry`]: the embedded engine, one durable file for one machine.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portal_model::oauth::{AccessToken, Grant, OAuthError, TokenRequest};
use portal_model::{Portal, PortalName, Timestamp};
use tokio::sync::watch;

use crate::commit::Writer;
use crate::error::RegistryError;
use crate::org::{Org, OrgId, Principal, User, UserId};
use crate::principals::Principals;
use crate::registry::{CreateConflict, Registry, RenameConflict, sealed};
use crate::seed::Seed;
use crate::token::{self, Hashed, TokenRules};
pub use backup::backup;
use checkpoint::Checkpoints;
use credentials::{HashedGrant, HashedRequest};
use database::Opened;
use files::Files;
use readers::Readers;
use state::Closing;

mod admin;
mod audit;
mod backup;
pub(crate) mod checkpoint;
mod credentials;
pub(crate) mod database;
pub(crate) mod failure;
pub(crate) mod files;
pub(crate) mod format;
mod portals;
mod readers;
mod reseeding;
mod seeding;
mod state;

/// A registry in a data directory.
///
/// A change that was acknowledged survives the end of the process and a loss of power. Any number
/// of processes may open one data directory of a local disk at once; a network file system is no
/// place for it. Its methods need a tokio runtime.
#[derive(Clone)]
pub struct SqliteRegistry(Arc<Inner>);

/// Fields are dropped in this order: the registry is closed once nothing has it open.
struct Inner {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    principals: Principals,
    failure: watch::Receiver<Option<RegistryError>>,
    _closing: Closing,
}

/// How to open a [`SqliteRegistry`].
///
/// ```
/// use portal_store::sqlite::OpenOptions;
///
/// # let directory = tempfile::tempdir()?;
/// let registry = OpenOptions::new().accept_loss(true).open(directory.path())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    accept_loss: bool,
}

impl OpenOptions {
    /// As [`SqliteRegistry::open`] does.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a registry that has lost acknowledged commits, as far as its state file tells, or
    /// whose state file can't be read, with what is left.
    pub fn accept_loss(mut self, accept_loss: bool) -> Self {
        self.accept_loss = accept_loss;
        self
    }

    /// Opens the registry in `directory`, and makes both if they are missing, readable by their
    /// owner only. Waits for the disk; reads all of the database to verify it.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] with what to do about it: the directory can't be written; the
    /// file is of a newer version, damaged, or not a registry, and is left as it is; it has lost
    /// commits; or another process keeps it locked.
    pub fn open(self, directory: &Path) -> Result<SqliteRegistry, RegistryError> {
        let Opened { connection, path, state, history } =
            database::open(directory, self.accept_loss)?;
        let files = Files::new(&path, Arc::clone(&state), history.registry)?;
        let failure = files.failure();
        let checkpoints =
            Checkpoints::start(database::open_for_checkpoints(&path)?, Arc::clone(&state))?;
        let readers = Readers::open(&path)?;
        let writer = Writer::start(connection, files, checkpoints)?;
        Ok(SqliteRegistry(Arc::new(Inner {
            writer,
            readers,
            principals: Principals::default(),
            failure,
            _closing: Closing(state),
            path,
        })))
    }
}

impl SqliteRegistry {
    /// Opens the registry in `directory` with the default [`OpenOptions`].
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open(directory: &Path) -> Result<Self, RegistryError> {
        OpenOptions::new().open(directory)
    }

    /// Waits until no change is possible any more, because a file was removed or replaced while it
    /// was open; that is noticed at the next change. A server should end then. The future does not
    /// keep the registry open.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub fn failed(&self) -> impl Future<Output = RegistryError> + Send + use<> {
        let mut failure = self.0.failure.clone();
        async move {
            let failed = failure.wait_for(Option::is_some).await.ok().and_then(|it| it.clone());
            match failed {
                Some(error) => error,
                // The registry was closed without one.
                None => std::future::pending().await,
            }
        }
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
        let (seed, now) = (seed.clone(), now.unix_seconds());
        self.0.writer.commit(move |connection| seeding::apply(connection, &seed, now)).await
    }

    async fn grant(
        &self,
        request: &TokenRequest,
        rules: TokenRules,
        now: Timestamp,
    ) -> Result<Result<AccessToken, OAuthError>, RegistryError> {
        let mut granted = AccessToken::new(token::generate()?);
        let grant = match &request.grant {
            Grant::RefreshToken(refresh_token) => {
                HashedGrant::RefreshToken(Hashed::of(refresh_token.expose()))
            }
            Grant::AuthorizationCode { code, .. } => {
                let refresh_token = token::generate()?;
                let new_refresh_token = Hashed::of(refresh_token.expose());
                granted.refresh_token = Some(refresh_token);
                HashedGrant::Code { code: Hashed::of(code.expose()), new_refresh_token }
            }
        };
        let request = HashedRequest {
            client_id: request.client_id.clone(),
            client_secret: Hashed::of(request.client_secret.expose()),
            grant,
            access_token: Hashed::of(granted.access_token.expose()),
        };
        let now = now.unix_seconds();
        let result = self
            .0
            .writer
            .commit(move |connection| credentials::grant(connection, &request, rules, now))
            .await?;
        // It may have ended the oldest one.
        if rules == TokenRules::AsTheService {
            self.0.principals.forget();
        }
        Ok(result.map(|()| granted))
    }

    async fn revoke(&self, refresh_token: &str, now: Timestamp) -> Result<bool, RegistryError> {
        let (refresh_token, now) = (Hashed::of(refresh_token), now.unix_seconds());
        let work = move |connection: &_| credentials::revoke(connection, refresh_token, None, now);
        let result = self.0.writer.commit(work).await;
        self.0.principals.forget();
        result
    }

    async fn end_access_token(&self, access_token: &str) -> Result<bool, RegistryError> {
        let access_token = Hashed::of(access_token);
        let work = move |connection: &_| credentials::end(connection, access_token);
        let result = self.0.writer.commit(work).await;
        self.0.principals.forget();
        result
    }

    async fn principal(
        &self,
        access_token: &str,
        now: Timestamp,
    ) -> Result<Option<Principal>, RegistryError> {
        let (access_token, now) = (Hashed::of(access_token), now.unix_seconds());
        let query = move || {
            let work = move |connection: &_| credentials::principal(connection, access_token, now);
            self.0.readers.read(work)
        };
        self.0.principals.find(access_token, now, query).await
    }

    async fn orgs(&self) -> Result<Vec<Org>, RegistryError> {
        self.0.readers.read(credentials::orgs).await
    }

    async fn users(&self, org: OrgId) -> Result<Vec<User>, RegistryError> {
        self.0.readers.read(move |connection| credentials::users(connection, org)).await
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
        self.0.readers.read(move |connection| portals::list(connection, org)).await
    }

    async fn portal(&self, org: OrgId, name: &str) -> Result<Option<Portal>, RegistryError> {
        let name = name.to_owned();
        self.0.readers.read(move |connection| portals::get(connection, org, &name)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{access_token, at, refresh, seeded};

    crate::conformance::suite!(|directory| move || SqliteRegistry::open(&directory).unwrap());

    #[tokio::test]
    async fn revocation_by_another_process_counts_after_a_second() {
        let directory = tempfile::tempdir().unwrap();
        let open = || SqliteRegistry::open(directory.path()).unwrap();
        let (registry, _) = seeded(open).await;
        let token = access_token(&registry, &refresh("acme"), 0).await.unwrap();
        assert!(registry.principal(&token, at(5)).await.unwrap().is_some());
        assert_eq!(open().revoke("1000.acme.all", at(5)).await, Ok(true));
        assert_eq!(registry.principal(&token, at(6)).await, Ok(None));
    }
}
