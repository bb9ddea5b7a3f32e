//! Checkpoints: moving what is committed from the write-ahead log into the database file, so that
//! the log stays small.
//!
//! SQLite's own way lets every thousandth page's commit do it, and that commit's callers wait.
//! Here a thread of its own does the bulk on a connection of its own, while commits go on. Under
//! constant load it never catches up, because commits add to the log meanwhile; so the writer does
//! the little that is left, between two commits, and the log begins again from its start.

use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, MAIN_DB};

use super::failure::wait_for_others;
use super::state::StateFile;
use crate::error::RegistryError;

/// A log of so many pages is due: 4 MiB.
const DUE_PAGES: i32 = 1000;

/// How long the writer waits for readers of the log's older pages: 10 milliseconds. Later on it
/// tries again.
const BRIEFLY: Duration = Duration::from_millis(10);

/// The thread of a writer. Dropping it waits until a checkpoint under way has ended.
pub(crate) struct Checkpoints {
    /// `None` only while it is dropped.
    requests: Option<mpsc::Sender<()>>,
    /// One for each request, once the bulk is done.
    done: mpsc::Receiver<()>,
    is_requested: bool,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread over `connection`, which also syncs `state`.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if the thread can't be started.
    pub(crate) fn start(
        connection: Connection,
        state: Arc<StateFile>,
    ) -> Result<Self, RegistryError> {
        let (requests, requested) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("portal-store checkpoints".to_owned())
            .spawn(move || {
                for () in requested {
                    // What fails here fails for the writer too, which reports it to its callers.
                    let _ = connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE);
                    // In a loss of power it then is behind by one log at most.
                    let _ = state.sync();
                    if finished.send(()).is_err() {
                        break;
                    }
                }
            })
            .map_err(|error| {
                RegistryError::NotApplied(format!(
                    "failed to start the thread of checkpoints: {error}"
                ))
            })?;
        Ok(Self { requests: Some(requests), done, is_requested: false, thread: Some(thread) })
    }

    /// Keeps the log small; to be called between two commits of the writer.
    pub(crate) fn after_commit(&mut self, writer: &mut Connection) {
        let has_finished =
            self.is_requested && !matches!(self.done.try_recv(), Err(TryRecvError::Empty));
        self.is_requested &= !has_finished;
        let Ok((pages, moved)) = writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::NOOP)
        else {
            return;
        };
        // A log that has been moved in full begins again with the next commit.
        if pages < DUE_PAGES || moved == pages {
            return;
        }
        if has_finished {
            finish(writer);
        } else if !self.is_requested {
            self.is_requested = true;
            // If the thread has died, `done` is closed: next time the writer does it all.
            let _ = self.requests.as_ref().map(|requests| requests.send(()));
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Moves what was committed while the thread moved the bulk.
fn finish(writer: &mut Connection) {
    // Either fails if another process or a reader needs the log as it is, or the disk is full: it
    // is tried again after a later commit, and what can't be written then fails by itself.
    let _ = writer.busy_timeout(BRIEFLY);
    let _ = writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::RESTART);
    let _ = wait_for_others(writer);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::RecvTimeoutError;
    use std::time::Instant;

    use super::*;
    use crate::sqlite::database;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// A log that is about to get its first pages, its connections, and where it is.
    fn log(directory: &tempfile::TempDir) -> (Connection, Checkpoints, std::path::PathBuf) {
        let database::Opened { connection: writer, path, state, .. } =
            database::open(directory.path(), false).unwrap();
        writer.execute_batch("CREATE TABLE pages (page BLOB)").unwrap();
        let checkpoints = Checkpoints::start(database::open_for_checkpoints(&path).unwrap(), state);
        (writer, checkpoints.unwrap(), path.with_extension("sqlite-wal"))
    }

    /// A commit of 25 pages.
    fn commit(writer: &mut Connection, checkpoints: &mut Checkpoints) {
        writer.execute("INSERT INTO pages VALUES (zeroblob(100000))", []).unwrap();
        checkpoints.after_commit(writer);
    }

    #[test]
    fn log_under_constant_load_stays_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, mut checkpoints, log) = log(&directory);
        let mut largest = 0;
        // 60 MB: fifteen times what is due.
        for _ in 0..600 {
            commit(&mut writer, &mut checkpoints);
            largest = largest.max(fs::metadata(&log).unwrap().len());
        }
        // What is due, and what is committed while the bulk is moved.
        assert!(largest < 40_000_000, "{largest}");
        drop(checkpoints);
        drop(writer);
        assert!(!log.exists(), "the last connection to close leaves no log");
    }

    #[test]
    fn log_that_a_reader_needs_grows_until_it_has_read() {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, mut checkpoints, log) = log(&directory);
        commit(&mut writer, &mut checkpoints);
        let reader = database::open_for_reading(&log.with_extension("sqlite")).unwrap();
        let transaction = reader.unchecked_transaction().unwrap();
        let count = |connection: &Connection| -> u32 {
            connection.query_row("SELECT count(*) FROM pages", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count(&transaction), 1);
        for _ in 0..100 {
            commit(&mut writer, &mut checkpoints);
        }
        assert_eq!(count(&transaction), 1, "the reader's snapshot is untouched");
        drop(transaction);
        let started = Instant::now();
        while writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::NOOP).unwrap().0 > DUE_PAGES {
            commit(&mut writer, &mut checkpoints);
            assert!(started.elapsed() < DEADLINE);
        }
    }

    #[test]
    fn drop_waits_for_the_checkpoint_under_way() {
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
