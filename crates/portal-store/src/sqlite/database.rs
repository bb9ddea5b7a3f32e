//! The file: how it is made, brought up to date and opened, and what its errors mean.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::error::RegistryError;

/// The name of the file in the registry's folder; SQLite keeps two more beside it.
pub(crate) const FILE_NAME: &str = "registry.sqlite";

/// How long one process waits for another that writes: 10 seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a process that waits looks again. SQLite's own way waits longer each time, up to a
/// tenth of a second, and so leaves out one of several processes that write all the time.
const MOMENT: Duration = Duration::from_millis(1);

/// The version that a file has after every migration; a new one has 0.
const VERSION: u32 = 2;

/// Each leads to the next version.
const MIGRATIONS: [&str; VERSION as usize] = [
    include_str!("../../migrations/sqlite/0001_registry.sql"),
    include_str!("../../migrations/sqlite/0002_portals_without_look_ups.sql"),
];

/// Makes the folder and the file where they are missing, readable by their owner only, and brings
/// the file up to date. Any number of processes may do so at once.
pub(crate) fn open(folder: &Path) -> Result<(Connection, PathBuf), RegistryError> {
    let path = folder.join(FILE_NAME);
    create_private(folder, &path).map_err(|error| {
        RegistryError::NotApplied(format!(
            "the registry's folder {} can't be written: {error}; give a folder that can be",
            folder.display()
        ))
    })?;
    let connection = open_for_writing(&path)
        .map_err(|error| RegistryError::NotApplied(sentence(&error, &path)))?;
    let version = patiently(|| migrate(&connection))
        .map_err(|error| RegistryError::NotApplied(sentence(&error, &path)))?;
    if version > VERSION {
        return Err(RegistryError::NotApplied(format!(
            "{} was written by a newer version of this program: it has format {version}, this \
             one knows {VERSION}; use the newer version, or give another folder",
            path.display()
        )));
    }
    Ok((connection, path))
}

/// Opens one more connection to a file that is up to date, to do checkpoints only.
pub(crate) fn open_for_checkpoints(path: &Path) -> Result<Connection, RegistryError> {
    let open = || {
        let connection = connect(path)?;
        // A connection that has read nothing yet does not know of the log, and its checkpoints do
        // nothing.
        connection.pragma_query_value(None, "user_version", |_| Ok(()))?;
        Ok(connection)
    };
    open().map_err(|error| RegistryError::NotApplied(sentence(&error, path)))
}

/// Opens one more connection to a file that is up to date.
pub(crate) fn open_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open_for_writing(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    // The change of mode needs the file for itself for a moment, and does not wait for it.
    patiently(|| connection.pragma_update(None, "journal_mode", "WAL"))?;
    // A commit is on the disk before it returns; `fullfsync` makes macOS mean it.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    // They have a thread of their own.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_for_others(&mut connection)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Whichever connection moves the log into the file; the last one to close does it as well.
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Without it a statement whose parameters are bound anew is parsed and planned anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Applies what is missing; gives the version of the file.
fn migrate(connection: &Connection) -> rusqlite::Result<u32> {
    let version = || connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let found = version()?;
    if found >= VERSION {
        return Ok(found);
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let found = version()?;
    for (migration, leads_to) in MIGRATIONS.iter().zip(1..).filter(|(_, to)| *to > found) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", leads_to)?;
    }
    transaction.commit()?;
    Ok(found.max(VERSION))
}

/// Makes a connection wait while another one, of any process, has the lock.
pub(crate) fn wait_for_others(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(|attempts: i32| {
        thread::sleep(MOMENT);
        MOMENT * attempts.unsigned_abs() < PATIENCE
    }))
}

/// Tries again while another process is in the way.
fn patiently<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && started.elapsed() < PATIENCE => {
                thread::sleep(MOMENT);
            }
            result => return result,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(unix)]
fn create_private(folder: &Path, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // SQLite gives the files beside it the same mode.
    fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

#[cfg(not(unix))]
fn create_private(folder: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::OpenOptions::new().append(true).create(true).open(path).map(drop)
}

/// What an error of the engine means for whoever runs it, in one sentence.
pub(crate) fn sentence(error: &rusqlite::Error, path: &Path) -> String {
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
            "{path} is locked: another process has been writing to it for {} seconds; let that \
             one finish, and try again",
            PATIENCE.as_secs()
        ),
        Some(ErrorCode::NotADatabase) => format!(
            "{path} is no registry but some other file; move it away, or give another folder"
        ),
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("{path} is damaged: {error}; restore it from a copy")
        }
        Some(ErrorCode::DiskFull) => {
            format!("the disk is full under {path}; make room, and try again")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            format!("{path} can't be written: {error}; check who owns it and its folder")
        }
        _ => format!("{path} failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = open(folder.path()).unwrap();
        let mode: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        let synchronous: u32 =
            connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), synchronous), ("wal", 2), "2 is FULL");
    }

    #[test]
    fn statement_bound_anew_is_not_planned_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, path) = open(folder.path()).unwrap();
        let others = [open_for_reading(&path).unwrap(), open_for_checkpoints(&path).unwrap()];
        for connection in others.iter().chain([&connection]) {
            let is_stable = connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG);
            assert_eq!(is_stable, Ok(true));
        }
    }

    #[test]
    fn every_migration_leads_to_the_next_version() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = open(folder.path()).unwrap();
        assert_eq!(migrate(&connection).unwrap(), VERSION);
    }

    #[test]
    fn a_locked_file_is_said_in_one_sentence() {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let error = rusqlite::Error::SqliteFailure(busy, None);
        assert_eq!(
            sentence(&error, Path::new("data/registry.sqlite")),
            "data/registry.sqlite is locked: another process has been writing to it for 10 \
             seconds; let that one finish, and try again"
        );
    }
}
