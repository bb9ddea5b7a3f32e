//! Group commit: one thread writes, and changes that arrive during a commit share the next one.
//!
//! The cost of a commit is the wait for the disk, whatever it contains, so sixty-four changes in
//! one commit cost about as much as one. No change is ever delayed to wait for others.

use std::slice;
use std::sync::mpsc::{self, TrySendError};

use rusqlite::{Connection, ErrorCode};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::checkpoint::Checkpoints;
use super::failure::describe;
use super::files::Files;
use super::format::{count_commit, history};
use super::thread::Joined;
use crate::error::RegistryError;

/// Maximum number of changes in one commit; bounds how long the write lock is held.
const MAX_BATCH: usize = 512;

/// Maximum number of queued changes; further ones are refused at once. A slow disk takes a second
/// or two for this many. A longer queue would only add latency that callers can't see.
const MAX_WAITING: usize = 4096;

/// The single writer of a registry. Dropping it completes all queued changes: the thread ends once
/// the queue is closed.
pub(super) struct Writer {
    changes: mpsc::SyncSender<Box<dyn Change>>,
    _thread: Joined,
}

impl Writer {
    /// Starts the writer thread over `connection`, which is open on `files`.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if the thread can't be started.
    pub(super) fn start(
        connection: Connection,
        files: Files,
        checkpoints: Checkpoints,
    ) -> Result<Self, RegistryError> {
        let (changes, arriving) = mpsc::sync_channel(MAX_WAITING);
        let work = move || write(connection, &files, &arriving, checkpoints);
        Ok(Self { changes, _thread: Joined::spawn("writer", work)? })
    }

    /// Runs `work` in the next transaction and waits until it is durable. If another change of that
    /// transaction fails, `work` runs again in a transaction of its own.
    ///
    /// # Cancel safety
    /// Once the future was polled the change is queued and will be applied, even if the future is
    /// dropped.
    pub(super) async fn commit<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let (response, responded) = oneshot::channel();
        let runtime = Handle::try_current().ok();
        let change = Box::new(Pending { work, result: None, response, runtime });
        // Never blocks: a full queue is reported, so that callers can shed load.
        self.changes.try_send(change).map_err(|refused| match refused {
            TrySendError::Full(_) => RegistryError::Overloaded,
            TrySendError::Disconnected(_) => RegistryError::NotApplied(STOPPED.to_owned()),
        })?;
        // The writer dropped the change without responding, so it has panicked, possibly after COMMIT.
        responded.await.unwrap_or_else(|_| Err(RegistryError::Unknown(STOPPED.to_owned())))
    }
}

const STOPPED: &str = "the writer thread has stopped";

/// A queued change.
trait Change: Send {
    /// May be called again after its transaction was rolled back.
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()>;

    /// Sends the result, or the failure, to the caller.
    fn respond(self: Box<Self>, failure: Option<RegistryError>);

    /// The runtime of the caller.
    fn runtime(&self) -> Option<&Handle>;
}

struct Pending<T, F> {
    work: F,
    result: Option<T>,
    response: oneshot::Sender<Result<T, RegistryError>>,
    runtime: Option<Handle>,
}

impl<T: Send, F: Fn(&Connection) -> rusqlite::Result<T> + Send> Change for Pending<T, F> {
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        // From an attempt that was rolled back.
        self.result = None;
        self.result = Some((self.work)(connection)?);
        Ok(())
    }

    fn respond(self: Box<Self>, failure: Option<RegistryError>) {
        let response = match (failure, self.result) {
            (None, Some(result)) => Ok(result),
            (failure, _) => Err(failure.unwrap_or(RegistryError::Unknown(STOPPED.to_owned()))),
        };
        // The caller may have dropped its future.
        let _ = self.response.send(response);
    }

    fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }
}

fn write(
    mut connection: Connection,
    files: &Files,
    arriving: &mpsc::Receiver<Box<dyn Change>>,
    mut checkpoints: Checkpoints,
) {
    while let Ok(first) = arriving.recv() {
        // Whatever was queued during the last commit; waiting for more would only add latency.
        let mut batch = vec![first];
        batch.extend(arriving.try_iter().take(MAX_BATCH - 1));
        let changes = batch.len();
        let failures = commit_all(&connection, files, &mut batch);
        Responses(batch.into_iter().zip(failures).collect()).deliver();
        // Only after the responses, so that no caller waits for a checkpoint.
        checkpoints.after_commit(&mut connection, changes);
    }
}

/// Commits a batch, in one transaction if possible. Returns one result per change: why it failed,
/// or `None`.
fn commit_all(
    connection: &Connection,
    files: &Files,
    batch: &mut [Box<dyn Change>],
) -> Vec<Option<RegistryError>> {
    match commit(connection, files, batch) {
        Ok(Ok(())) => vec![None; batch.len()],
        // A failing change must not fail the others, so each is retried in its own transaction.
        // Refusals, such as a name that is taken, are results and not failures, so no client can
        // force this slow path.
        Ok(Err(_)) if batch.len() > 1 => batch
            .iter_mut()
            .map(|change| commit(connection, files, slice::from_mut(change)))
            .map(|committed| committed.flatten().err())
            .collect(),
        Ok(Err(failure)) | Err(failure) => vec![Some(failure); batch.len()],
    }
}

/// Applies changes in one transaction: all or none.
///
/// # Errors
/// The inner one if a change failed, and everything was rolled back; the outer one if the transaction
/// could not be begun or committed.
fn commit(
    connection: &Connection,
    files: &Files,
    changes: &mut [Box<dyn Change>],
) -> Result<Result<(), RegistryError>, RegistryError> {
    let not_applied = |error: rusqlite::Error| files.end.not_applied(&error, &files.path);
    // Writing to files that were removed or replaced succeeds, and all of it is lost later.
    files.expect_present()?;
    let transaction = Transaction::begin(connection).map_err(not_applied)?;
    let seen = history(connection).map_err(not_applied)?;
    files.expect_newest(seen)?;
    let before = connection.total_changes();
    for change in changes {
        if let Err(error) = change.apply(connection) {
            return Ok(Err(not_applied(error)));
        }
    }
    if connection.total_changes() == before {
        // Only refusals: without a write there is nothing to sync, and refusals work on a full
        // disk.
        return Ok(Ok(()));
    }
    // Part of the transaction, so that the count can't be ahead of or behind the content.
    let counted = count_commit(connection, seen).map_err(not_applied)?;
    transaction.commit().map_err(|error| {
        // Refused before anything was written: another process holds a lock.
        let is_refused = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        let why = describe(&error, &files.path);
        let refused = not_applied(error);
        // Otherwise the commit record may have reached the disk: in doubt.
        if is_refused { refused } else { RegistryError::Unknown(why) }
    })?;
    // Before the responses: what is acknowledged must be in the files that the next start opens, and
    // in the count that it is compared with.
    files.committed(counted).map(Ok)
}

/// An open transaction, rolled back on drop unless committed. `rusqlite::Transaction` would parse
/// its statements every time.
struct Transaction<'a>(&'a Connection);

impl<'a> Transaction<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self(connection))
    }

    fn commit(self) -> rusqlite::Result<()> {
        self.0.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SQLite has already rolled back after some errors, such as a full disk. If the rollback
        // fails, so does the next BEGIN, and its callers get the error.
        if !self.0.is_autocommit() {
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// The responses of one commit.
struct Responses(Vec<(Box<dyn Change>, Option<RegistryError>)>);

impl Responses {
    /// Spawns one task that sends all responses: waking the runtime from this thread takes a system
    /// call, waking callers from inside the runtime does not.
    fn deliver(self) {
        let runtime = match self.0.as_slice() {
            [(first, _), _, ..] => first.runtime().cloned(),
            _ => None,
        };
        if let Some(runtime) = runtime {
            runtime.spawn(async move { drop(self) });
        }
    }
}

/// Delivers whatever was not delivered. A runtime that shuts down drops the task without running
/// it, and the callers in other runtimes must not be left in doubt.
impl Drop for Responses {
    fn drop(&mut self) {
        for (change, failure) in self.0.drain(..) {
            change.respond(failure);
        }
    }
}

#[cfg(test)]
mod tests;
