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

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, params_from_iter};
use tokio::sync::watch;

use crate::engine::Engine;
use crate::error::RegistryError;
use crate::people::People;
use crate::principals::Principals;
use crate::sql::{Query, Rows, Value};
pub use backup::backup;
use checkpoint::Checkpoints;
use commit::Writer;
use database::Opened;
use files::Files;
use readers::Readers;
use state::Closing;

mod backup;
mod checkpoint;
mod commit;
mod database;
mod failure;
mod files;
mod format;
mod people;
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
}

impl fmt::Debug for SqliteRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteRegistry").field("path", &self.0.path).finish_non_exhaustive()
    }
}

/// An unknown user makes a NOT NULL column NULL, which is an error.
const CREATE: &str = "
    INSERT INTO portals (org_id, limit_slot, created_by, modified_by, name, name_key, created_at,
                         modified_at, id)
    VALUES ((SELECT org_id FROM users WHERE id = $1),
            (SELECT portal_limit FROM users JOIN orgs ON orgs.id = org_id WHERE users.id = $1),
            $1, $1, $2, $3, $4, $4,
            (SELECT coalesce(max(id) + 1, 10000000000 + abs(random()) % 80000000000) FROM portals))
    ON CONFLICT DO NOTHING";

impl Engine for SqliteRegistry {
    fn principals(&self) -> &Principals {
        &self.0.principals
    }

    async fn read<T: Send>(
        &self,
        query: &Query<T>,
        values: Vec<Value>,
    ) -> Result<Vec<T>, RegistryError> {
        self.0.readers.read(|connection| people::query(connection, query.text, &values, query.read))
    }

    async fn create(&self, values: Vec<Value>) -> Result<bool, RegistryError> {
        let work = move |connection: &Connection| {
            connection.prepare_cached(CREATE)?.execute(params_from_iter(&values))
        };
        self.0.writer.commit(work).await.map(|created| created == 1)
    }

    async fn decide<T: Send + 'static>(
        &self,
        rows: Rows,
        rule: impl Fn(&mut People) -> T + Send + Sync + 'static,
    ) -> Result<T, RegistryError> {
        let work = move |connection: &_| people::decide(connection, &rows, &rule);
        self.0.writer.commit(work).await
    }
}
