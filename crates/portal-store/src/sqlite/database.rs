//! The file: how it is made, brought up to date and opened, and what its errors mean.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use super::format::{self, Found, Thoroughness};
use super::state::{self, History, State, StateFile};
use crate::error::RegistryError;

/// The name of the file in the registry's folder; SQLite keeps two more beside it.
pub(crate) const FILE_NAME: &str = "registry.sqlite";

/// How long one process waits for another that writes: 10 seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a process that waits looks again. SQLite's own way waits longer each time, up to a
/// tenth of a second, and so leaves out one of several processes that write all the time.
const MOMENT: Duration = Duration::from_millis(1);

/// A registry that is open.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) state: Arc<StateFile>,
    pub(crate) history: History,
}

/// Opens the registry in `directory`, made if it is missing, readable by its owner only. Any number
/// of processes may do so at once.
///
/// Nothing is changed before it is certain that the file is ours and has all that it had, unless
/// the loss is accepted.
pub(crate) fn open(directory: &Path, accept_loss: bool) -> Result<Opened, RegistryError> {
    let path = directory.join(FILE_NAME);
    // Another program's database gets no files of ours beside it.
    format::inspect(&path)?;
    let directory_error = |error: io::Error| {
        RegistryError::NotApplied(format!(
            "the data directory {} can't be written: {error}; use one that can be",
            directory.display()
        ))
    };
    make_private(directory).map_err(directory_error)?;
    let state_path = directory.join(state::FILE_NAME);
    let state_file = open_private(&state_path).map_err(directory_error)?;
    let (state, is_alone) = StateFile::acquire(state_file, state_path)?;

    // Before the database: other processes may commit in between.
    let known = state.read();
    let known = if accept_loss { known.unwrap_or_default() } else { known? };
    let found = format::inspect(&path)?;
    if let (Some(known), false) = (&known, accept_loss) {
        state::compare(&known.history, found.history(), &path)?;
    }
    let was_closed = known.is_none_or(|known| known.is_closed);
    open_private(&path).map_err(directory_error)?;
    let connection = open_for_writing(&path).map_err(|error| not_applied(&error, &path))?;
    if is_alone && found != Found::Nothing {
        let thoroughness = if was_closed { Thoroughness::Pages } else { Thoroughness::Indexes };
        format::verify(&connection, &path, thoroughness)?;
    }
    let prepare = || {
        patiently(|| format::migrate(&connection))?;
        if is_alone {
            // The database itself is never empty, whatever happens to its log.
            connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE)?;
        }
        format::history(&connection)
    };
    let history = prepare().map_err(|error| not_applied(&error, &path))?;
    state
        .write(&State { history: history.clone(), is_closed: false })
        .and_then(|()| state.sync())
        .and_then(|()| sync_directory(directory))
        .map_err(|error| state.failed("written", &error))?;
    state.share()?;
    Ok(Opened { connection, path, state: Arc::new(state), history })
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
    // A page that contradicts itself is an error when it is read, not an answer.
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Whichever connection moves the log into the file; the last one to close does it as well.
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Without it a statement whose parameters are bound anew is parsed and planned anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Makes a connection wait while another one, of any process, has the lock.
pub(crate) fn wait_for_others(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(|attempts: i32| {
        thread::sleep(MOMENT);
        MOMENT * attempts.unsigned_abs() < PATIENCE
    }))
}

/// Tries again while another process is in the way.
pub(super) fn patiently<T>(
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
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

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Makes a directory for its owner only.
fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

/// Opens a file, made for its owner only if it is missing.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    // SQLite gives the files beside its own the same mode.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true).write(true).create(true).truncate(false).open(path)
}

/// Waits until the disk has the names of the files in a directory.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> RegistryError {
    RegistryError::NotApplied(format!("{} can't be written: {error}", path.display()))
}

/// An error of the engine before anything was changed.
pub(super) fn not_applied(error: &rusqlite::Error, path: &Path) -> RegistryError {
    RegistryError::NotApplied(sentence(error, path))
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
            "{path} is not a registry but some other file; move it away, or use another data \
             directory"
        ),
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("{path} is damaged: {error}; restore a backup")
        }
        Some(ErrorCode::DiskFull) => {
            format!("the disk is full under {path}; make room, and try again")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            format!("{path} can't be written: {error}; check who owns it and its directory")
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
        let connection = open(folder.path(), false).unwrap().connection;
        let mode: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        let synchronous: u32 =
            connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), synchronous), ("wal", 2), "2 is FULL");
    }

    #[test]
    fn statement_bound_anew_is_not_planned_anew() {
        let folder = tempfile::tempdir().unwrap();
        let Opened { connection, path, .. } = open(folder.path(), false).unwrap();
        let others = [open_for_reading(&path).unwrap(), open_for_checkpoints(&path).unwrap()];
        for connection in others.iter().chain([&connection]) {
            let is_stable = connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG);
            assert_eq!(is_stable, Ok(true));
        }
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
