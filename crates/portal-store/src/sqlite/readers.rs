//! A small pool of connections for reading; each serves one read at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::database::open_for_reading;
use super::failure::not_applied;
use crate::error::RegistryError;

/// Number of concurrent reads.
const READERS: usize = 4;

#[derive(Clone)]
pub(super) struct Readers(Arc<Pool>);

struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// Opens all connections up front, so that reads keep working in a process that runs out of
    /// file descriptors.
    pub(super) fn open(path: &Path) -> Result<Self, RegistryError> {
        let open = |_| open_for_reading(path).map_err(|error| not_applied(&error, path));
        let idle = (0..READERS).map(open).collect::<Result<_, _>>()?;
        let free = Arc::new(Semaphore::new(READERS));
        Ok(Self(Arc::new(Pool { path: path.to_owned(), idle: Mutex::new(idle), free })))
    }

    /// Runs a read on a blocking thread, so that waiting for the disk blocks no task.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let stopped = |what: &str| RegistryError::NotApplied(format!("the read {what}"));
        let permit = Arc::clone(&self.0.free)
            .acquire_owned()
            .await
            .map_err(|_| stopped("was not started"))?;
        let pool = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || {
            let result = pool.with(work);
            drop(permit);
            result.map_err(|error| not_applied(&error, &pool.path))
        });
        task.await.unwrap_or_else(|_| Err(stopped("was cancelled")))
    }
}

impl Pool {
    fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => open_for_reading(&self.path)?,
        };
        let result = work(&connection);
        // Don't reuse a connection after an error.
        if result.is_ok() {
            idle().push(connection);
        }
        result
    }
}
