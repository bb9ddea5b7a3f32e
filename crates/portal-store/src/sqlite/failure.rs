//! Mapping SQLite's errors, those after which there is no way back, and waiting for locks of other
//! processes.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::watch;

use crate::error::RegistryError;

/// Why nothing more is read or written: the first failure that only a restart with other files
/// mends. What would be acknowledged after it would be lost, or contradict what was acknowledged.
#[derive(Clone, Debug, Default)]
pub(super) struct End(Arc<watch::Sender<Option<String>>>);

impl End {
    /// # Errors
    /// [`RegistryError::NotApplied`] from the first final failure on.
    pub(super) fn check(&self) -> Result<(), RegistryError> {
        self.0.borrow().clone().map_or(Ok(()), |why| Err(RegistryError::NotApplied(why)))
    }

    /// Ends it, unless it has ended before; returns why.
    pub(super) fn set(&self, why: String) -> String {
        self.0.send_if_modified(|ended| {
            ended.is_none().then(|| *ended = Some(why.clone())).is_some()
        });
        self.0.borrow().clone().unwrap_or(why)
    }

    /// Maps an error that occurred before anything was changed; of a damaged file it is the end.
    pub(super) fn not_applied(&self, error: &rusqlite::Error, path: &Path) -> RegistryError {
        if is_damage(error) {
            RegistryError::NotApplied(self.set(describe(error, path)))
        } else {
            not_applied(error, path)
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Option<String>> {
        self.0.subscribe()
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// How long to wait for another process that writes: 10 seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval between attempts to get the lock. SQLite's own backoff grows up to a tenth of a second,
/// which starves one of several processes that write constantly.
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// Makes a connection wait for locks of other connections, in any process.
pub(super) fn wait_for_others(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(|attempts: i32| {
        thread::sleep(RETRY_INTERVAL);
        RETRY_INTERVAL * attempts.unsigned_abs() < BUSY_TIMEOUT
    }))
}

/// Retries while another process holds the lock.
pub(super) fn retry_while_busy<T>(
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && started.elapsed() < BUSY_TIMEOUT => {
                thread::sleep(RETRY_INTERVAL);
            }
            result => return result,
        }
    }
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Maps an error that occurred before anything was changed.
pub(super) fn not_applied(error: &rusqlite::Error, path: &Path) -> RegistryError {
    if is_full(error) {
        RegistryError::no_room(path)
    } else {
        RegistryError::NotApplied(describe(error, path))
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    // A full disk has a separate error code for the shared-memory index of the log.
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error
            .sqlite_error()
            .is_some_and(|it| it.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

/// Describes an SQLite error to the operator of the server, in one sentence.
pub(super) fn describe(error: &rusqlite::Error, path: &Path) -> String {
    if is_full(error) {
        return RegistryError::no_room(path).to_string();
    }
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
            "{path} is locked: another process has been writing to it for {} seconds; wait \
             for it to finish and try again",
            BUSY_TIMEOUT.as_secs()
        ),
        Some(ErrorCode::NotADatabase) => format!(
            "{path} is not a registry but some other file; move it away, or use another data \
             directory"
        ),
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("{path} is damaged: {error}; restore a backup")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            format!(
                "{path} is not writable: {error}; check the owner of the file and its directory"
            )
        }
        _ => format!("{path} failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_file_is_one_sentence() {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let error = rusqlite::Error::SqliteFailure(busy, None);
        assert_eq!(
            describe(&error, Path::new("data/registry.sqlite")),
            "data/registry.sqlite is locked: another process has been writing to it for 10 \
             seconds; wait for it to finish and try again"
        );
    }
}
