//! The connections for reading.
//!
//! A read runs on its caller's thread. What it reads is in memory, as a rule, so it takes less time than
//! waking another thread would, and in WAL mode it waits for no commit.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::database::open_for_reading;
use super::failure::{End, not_applied};
use crate::error::RegistryError;

/// Number of connections that are kept open.
const KEPT: usize = 4;

/// The connections. Dropping them closes one after the other: SQLite removes the log with the last
/// one, and not if several are closed at once.
pub(super) struct Readers {
    path: PathBuf,
    end: End,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Opens all connections up front, so that reads keep working in a process that runs out of
    /// file descriptors.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if a connection can't be opened.
    pub(super) fn open(path: &Path, end: &End) -> Result<Self, RegistryError> {
        let idle: Result<_, _> = (0..KEPT).map(|_| open_for_reading(path)).collect();
        let idle = Mutex::new(idle.map_err(|error| not_applied(&error, path))?);
        Ok(Self { path: path.to_owned(), end: end.clone(), idle })
    }

    /// Runs a read over a connection that nobody else uses. One whose read failed is not used again.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, RegistryError> {
        self.end.check()?;
        let idle = self.lock().pop();
        let read = || {
            let connection = idle.map_or_else(|| open_for_reading(&self.path), Ok)?;
            let found = work(&connection)?;
            let mut idle = self.lock();
            if idle.len() < KEPT {
                idle.push(connection);
            }
            Ok(found)
        };
        read().map_err(|error| self.end.not_applied(&error, &self.path))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::sqlite::{database, format};

    fn readers() -> (tempfile::TempDir, Readers) {
        let directory = tempfile::tempdir().unwrap();
        let opened = database::open(directory.path(), false).unwrap();
        let readers = Readers::open(&opened.path, &End::default()).unwrap();
        (directory, readers)
    }

    fn version(connection: &Connection) -> rusqlite::Result<u32> {
        connection.pragma_query_value(None, "user_version", |row| row.get(0))
    }

    /// Reads over one more connection than `depth`, each with a lock on the database.
    fn nested(readers: &Readers, depth: usize) {
        let read = readers.read(|connection| {
            if depth > 0 {
                nested(readers, depth - 1);
            }
            version(connection)
        });
        assert_eq!(read, Ok(format::VERSION));
    }

    #[test]
    fn failure_or_panic_of_read_costs_no_reader() {
        let (_directory, readers) = readers();
        for _ in 0..2 * KEPT {
            let failed = readers.read(|connection| connection.execute_batch("nonsense"));
            assert!(matches!(failed, Err(RegistryError::NotApplied(_))), "{failed:?}");
            let panics = || readers.read(|_| -> rusqlite::Result<()> { panic!("a bug") });
            assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        }
        assert_eq!(readers.read(version), Ok(format::VERSION));
    }

    #[test]
    fn last_connection_to_close_leaves_no_log() {
        let (directory, readers) = readers();
        nested(&readers, 2 * KEPT);
        assert_eq!(readers.lock().len(), KEPT);
        drop(readers);
        let left = std::fs::read_dir(directory.path()).unwrap();
        let log = left
            .map(|file| file.unwrap().file_name())
            .find(|name| name.to_string_lossy().ends_with("-wal"));
        assert_eq!(log, None);
    }

    #[test]
    fn slow_read_delays_no_other() {
        let (_directory, readers) = readers();
        let (release, released) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let readers = &readers;
            let slow = scope.spawn(move || readers.read(|_| Ok(released.recv())));
            while readers.lock().len() == KEPT {
                std::thread::yield_now();
            }
            assert_eq!(readers.read(version), Ok(format::VERSION));
            release.send(()).unwrap();
            assert_eq!(slow.join().unwrap(), Ok(Ok(())));
        });
    }
}
