//! The database file: creating and opening it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::failure::{not_applied, retry_while_busy, wait_for_others};
use super::files::{self, beside};
use super::format::{self, Thoroughness};
use super::state::{self, History, State, StateFile};
use crate::error::RegistryError;

/// File name of the database in the data directory. SQLite keeps two more files beside it.
pub(super) const FILE_NAME: &str = "registry.sqlite";

/// An open registry.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) state: Arc<StateFile>,
    pub(super) history: History,
}

/// Opens the registry in `directory`, creating it if missing, readable only by its owner. Any
/// number of processes may do so at once.
///
/// Nothing is changed before the file is known to be a registry that has every acknowledged commit,
/// unless the loss is accepted.
pub(super) fn open(directory: &Path, accept_loss: bool) -> Result<Opened, RegistryError> {
    let path = directory.join(FILE_NAME);
    // Before any file of ours is created: another program's directory stays untouched.
    format::inspect(&path)?;
    let directory_error = |error: io::Error| {
        if error.kind() == io::ErrorKind::StorageFull {
            return RegistryError::no_room(&path);
        }
        RegistryError::NotApplied(format!(
            "data directory {} is not writable: {error}; use another directory",
            directory.display()
        ))
    };
    make_private(directory).map_err(directory_error)?;
    let state_path = directory.join(state::FILE_NAME);
    let state_file = open_private(&state_path).map_err(directory_error)?;
    let lock = open_private(&directory.join(state::LOCK_NAME)).map_err(directory_error)?;
    let (state, is_alone) = StateFile::acquire(state_file, lock, state_path)?;

    // Read before the database, because other processes may commit in between: the state must never
    // be newer than the database it is compared with.
    let known = state.read();
    let known = if accept_loss { known.unwrap_or_default() } else { known? };
    let found = format::inspect(&path)?;
    if let (Some(known), false) = (&known, accept_loss) {
        state::compare(&known.history, found.as_ref(), &path)?;
    }
    let was_closed = known.is_some_and(|known| known.is_closed) && !accept_loss;
    if found.is_none() {
        if !is_alone {
            return Err(RegistryError::NotApplied(files::replaced(&path)));
        }
        create(&path)?;
    }
    let connection = open_for_writing(&path).map_err(|error| not_applied(&error, &path))?;
    if is_alone && found.is_some() {
        let thoroughness = if was_closed { Thoroughness::Pages } else { Thoroughness::Indexes };
        format::verify(&connection, &path, thoroughness)?;
    }
    let history = format::history(&connection).map_err(|error| not_applied(&error, &path))?;
    sync_directory(directory)
        .and_then(|()| state.write(&State { history, is_closed: false }))
        .and_then(|()| state.sync())
        .map_err(|error| state.failed("write", &error))?;
    state.share()?;
    Ok(Opened { connection, path, state: Arc::new(state), history })
}

/// Creates an empty registry at `path`, atomically: a half-created one would be indistinguishable
/// from another program's database.
fn create(path: &Path) -> Result<(), RegistryError> {
    let new = beside(path, ".new");
    let remove = |path: &Path| match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot_write(path, &error)),
        _ => Ok(()),
    };
    // Left by a process that was killed during a create.
    for left_over in ["", "-journal", "-wal", "-shm"] {
        remove(&beside(&new, left_over))?;
    }
    open_private(&new).map_err(|error| cannot_write(&new, &error))?;
    let fill = || {
        let connection = open_for_writing(&new)?;
        // In one transaction: each statement alone would wait for the disk.
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(format::SCHEMA)?;
        transaction.commit()?;
        // Closing would checkpoint too, but without reporting errors.
        connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE)?;
        connection.close().map_err(|(_, error)| error)
    };
    fill().map_err(|error| not_applied(&error, &new))?;
    // SQLite would replay the log of a deleted database into the new one.
    for left_over in ["-wal", "-shm"] {
        remove(&beside(path, left_over))?;
    }
    let complete = || {
        sync_file(&new)?;
        fs::rename(&new, path)?;
        sync_directory(path.parent().unwrap_or(Path::new("")))
    };
    complete().map_err(|error| cannot_write(path, &error))
}

/// Opens another connection to a registry, for checkpoints only.
pub(super) fn open_for_checkpoints(path: &Path) -> Result<Connection, RegistryError> {
    let open = || {
        let connection = connect(path)?;
        // Until its first read a connection doesn't know about the log, and its checkpoints are
        // no-ops.
        connection.pragma_query_value(None, "user_version", |_| Ok(()))?;
        Ok(connection)
    };
    open().map_err(|error| not_applied(&error, path))
}

/// Opens another connection to a registry, for reading.
pub(super) fn open_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open_for_writing(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    // Changing the journal mode needs exclusive access for a moment and ignores the busy timeout.
    retry_while_busy(|| connection.pragma_update(None, "journal_mode", "WAL"))?;
    // Sync on every commit; on macOS only `fullfsync` really reaches the disk.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    // Checkpoints have their own thread.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_for_others(&mut connection)?;
    // Makes reading a malformed page an error rather than a wrong result.
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // The checkpoint may be run by any connection, or by the last one to close.
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Otherwise SQLite may parse and plan a prepared statement again when its parameters change.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Creates a directory accessible only by its owner.
fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let missing: Vec<_> = directory.ancestors().take_while(|it| !it.exists()).collect();
    builder.recursive(true).create(directory)?;
    // A directory entry that isn't synced can be lost with everything below it.
    for parent in missing.into_iter().filter_map(Path::parent) {
        sync_directory(parent)?;
    }
    Ok(())
}

/// Opens a file, creating it if missing with access only for its owner.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    // SQLite gives its files beside the database the same mode.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true).write(true).create(true).truncate(false).open(path)
}

/// Syncs a file, through a handle that may write: Windows refuses any other.
pub(super) fn sync_file(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.sync_all()
}

/// Syncs a directory, so that the names of its files are durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    // `parent()` of a bare file name is the empty path.
    let directory = if directory == Path::new("") { Path::new(".") } else { directory };
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> RegistryError {
    RegistryError::file(path, "write", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_connection_syncs_every_commit() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open(directory.path(), false).unwrap().connection;
        let mode: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        let synchronous: u32 =
            connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), synchronous), ("wal", 2), "2 is FULL");
    }

    #[test]
    fn statement_bound_anew_is_not_planned_anew() {
        let directory = tempfile::tempdir().unwrap();
        let Opened { connection, path, .. } = open(directory.path(), false).unwrap();
        let others = [open_for_reading(&path).unwrap(), open_for_checkpoints(&path).unwrap()];
        for connection in others.iter().chain([&connection]) {
            let is_stable = connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG);
            assert_eq!(is_stable, Ok(true));
        }
    }
}
