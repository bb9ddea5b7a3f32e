//! Checkpoints: moving commits from the write-ahead log into the database file to keep the log
//! small.
//!
//! SQLite's automatic checkpoint runs inside of the commit that fills the log, and the callers of
//! that commit wait. Here a separate thread does most of the work over its own connection while
//! commits continue. Under constant load it would never catch up, because commits keep appending;
//! so the writer moves the small remainder between two commits, after which the log restarts from
//! its beginning.

use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::time::Duration;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, MAIN_DB};

use super::failure::wait_for_others;
use super::state::StateFile;
use super::thread::Joined;
use crate::error::RegistryError;

/// Pages that the thread moves at once: 16 MiB. Fewer are the same pages more often: at 4 MiB, a loaded
/// server creates an eighth fewer portals.
const DUE_PAGES: i32 = 4000;

/// Log size from which it restarts: 64 MiB. The writer waits for the disk for it, ten times as long as
/// for a commit, so it must be rare.
const FULL_PAGES: i32 = 4 * DUE_PAGES;

/// The same while nobody else waits: 4 MiB. A commit that overwrites an earlier log takes half the time
/// of one that makes the file longer, and in so short a log all but the first five hundred creates do.
const LONE_PAGES: i32 = 1000;

/// How many commits in a row have one change each while nobody else waits. Under load each other one has:
/// the first to arrive after a commit.
const LONE_COMMITS: u32 = 8;

/// How long the writer waits for readers of older pages: 10 milliseconds. If they take longer, it
/// tries again later.
const READER_TIMEOUT: Duration = Duration::from_millis(10);

/// The checkpoint thread of a writer. Dropping it waits for a checkpoint in progress.
pub(super) struct Checkpoints {
    requests: mpsc::Sender<()>,
    /// Receives one message per request, once most of the log is moved.
    done: mpsc::Receiver<()>,
    is_requested: bool,
    /// How many of the last commits had one change each.
    lone: u32,
    _thread: Joined,
}

impl Checkpoints {
    /// Starts the thread over `connection`. It also syncs `state`.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if the thread can't be started.
    pub(super) fn start(
        connection: Connection,
        state: Arc<StateFile>,
    ) -> Result<Self, RegistryError> {
        let (requests, requested) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        let thread = Joined::spawn("checkpoint", move || {
            for () in requested {
                // Whatever fails here also fails for the writer, which reports it to its callers.
                let _ = connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE);
                // Bounds how far the state file falls behind in a loss of power: by one log at
                // most.
                let _ = state.sync();
                if finished.send(()).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { requests, done, is_requested: false, lone: 0, _thread: thread })
    }

    /// Starts or finishes a checkpoint if one is due. Call between two commits of the writer; `changes`
    /// shared the last one.
    pub(super) fn after_commit(&mut self, writer: &mut Connection, changes: usize) {
        self.lone = if changes > 1 { 0 } else { self.lone.saturating_add(1) };
        let has_finished =
            self.is_requested && !matches!(self.done.try_recv(), Err(TryRecvError::Empty));
        self.is_requested &= !has_finished;
        let Ok((pages, moved)) = writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::NOOP)
        else {
            return;
        };
        // A log that was moved completely restarts with the next commit.
        if moved == pages {
            return;
        }
        let (due, full) = if self.lone < LONE_COMMITS {
            (DUE_PAGES, FULL_PAGES)
        } else {
            (LONE_PAGES, LONE_PAGES)
        };
        if has_finished && pages >= full {
            finish(writer);
        } else if !self.is_requested && (pages - moved >= due || pages >= full) {
            self.is_requested = true;
            // If the thread has died, `done` is closed, and the writer does the whole checkpoint
            // next time.
            let _ = self.requests.send(());
        }
    }
}

/// Moves what was committed while the thread was busy.
fn finish(writer: &mut Connection) {
    // Both fail if another process or a reader still needs the log, or the disk is full. The
    // checkpoint is retried after a later commit; a write that can't succeed reports its own error.
    let _ = writer.busy_timeout(READER_TIMEOUT);
    let _ = writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::RESTART);
    let _ = wait_for_others(writer);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::RecvTimeoutError;
    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::sqlite::database;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// Returns the writer's connection, its checkpoints, and the path of the log, all for a new
    /// database.
    fn log(directory: &tempfile::TempDir) -> (Connection, Checkpoints, std::path::PathBuf) {
        let database::Opened { connection: writer, path, state, .. } =
            database::open(directory.path(), false).unwrap();
        writer.execute_batch("CREATE TABLE pages (page BLOB)").unwrap();
        let checkpoints = Checkpoints::start(database::open_for_checkpoints(&path).unwrap(), state);
        (writer, checkpoints.unwrap(), path.with_extension("sqlite-wal"))
    }

    /// Commits 25 pages.
    fn commit(writer: &mut Connection, checkpoints: &mut Checkpoints) {
        writer.execute("INSERT INTO pages VALUES (zeroblob(100000))", []).unwrap();
        checkpoints.after_commit(writer, 2);
    }

    #[test]
    fn log_under_constant_load_stays_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, mut checkpoints, log) = log(&directory);
        let mut largest = 0;
        // 160 MB: more than twice the size from which it restarts.
        for _ in 0..1600 {
            commit(&mut writer, &mut checkpoints);
            largest = largest.max(fs::metadata(&log).unwrap().len());
        }
        // One full log, plus what is committed while the thread moves it.
        assert!(largest < 120_000_000, "{largest}");
        drop(checkpoints);
        drop(writer);
        assert!(!log.exists(), "the last connection to close leaves no log");
    }

    #[test]
    fn log_of_lone_changes_restarts_early() {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, mut checkpoints, log) = log(&directory);
        while !checkpoints.is_requested {
            writer.execute("INSERT INTO pages VALUES (zeroblob(100000))", []).unwrap();
            checkpoints.after_commit(&mut writer, 1);
        }
        assert!(fs::metadata(&log).unwrap().len() < 5_000_000);
        // As if the thread had moved it.
        checkpoints.done = mpsc::channel().1;
        checkpoints.after_commit(&mut writer, 1);
        let started = Instant::now();
        while writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::NOOP).unwrap().0 >= LONE_PAGES
        {
            writer.execute("INSERT INTO pages VALUES (zeroblob(100))", []).unwrap();
            checkpoints.after_commit(&mut writer, 1);
            assert!(started.elapsed() < DEADLINE);
        }
        assert!(fs::metadata(&log).unwrap().len() < 10_000_000, "it is overwritten");
    }

    #[test]
    fn log_in_use_by_reader_grows_until_released() {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, mut checkpoints, log) = log(&directory);
        commit(&mut writer, &mut checkpoints);
        let reader = database::open_for_reading(&log.with_extension("sqlite")).unwrap();
        let transaction = reader.unchecked_transaction().unwrap();
        let count = |connection: &Connection| -> u32 {
            connection.query_row("SELECT count(*) FROM pages", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count(&transaction), 1);
        for _ in 0..700 {
            commit(&mut writer, &mut checkpoints);
        }
        assert_eq!(count(&transaction), 1, "the reader's snapshot is untouched");
        drop(transaction);
        let started = Instant::now();
        while writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::NOOP).unwrap().0 > FULL_PAGES
        {
            commit(&mut writer, &mut checkpoints);
            assert!(started.elapsed() < DEADLINE);
        }
    }

    #[test]
    fn drop_waits_for_running_checkpoint() {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, mut checkpoints, log) = log(&directory);
        while !checkpoints.is_requested {
            commit(&mut writer, &mut checkpoints);
        }
        let (dropped, is_dropped) = mpsc::channel::<()>();
        let (pages, _) = writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::NOOP).unwrap();
        thread::spawn(move || {
            drop(checkpoints);
            drop(dropped);
        });
        assert_eq!(is_dropped.recv_timeout(DEADLINE), Err(RecvTimeoutError::Disconnected));
        let moved = writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::NOOP).unwrap();
        assert_eq!(moved, (pages, pages), "all of {}", log.display());
    }
}
