//! Group commit: one thread writes, and what arrives while a commit runs goes into the next one.
//!
//! A commit waits for the disk, whatever is in it, so sixty-four changes in one cost about as much
//! as one. Nothing is ever delayed to wait for more.

use std::slice;
use std::sync::mpsc::{self, TrySendError};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::RegistryError;
use crate::sqlite::checkpoint::Checkpoints;
use crate::sqlite::failure::{describe, not_applied};
use crate::sqlite::files::Files;
use crate::sqlite::format::count_commit;

/// Most changes of one commit; it bounds how long the write lock is held.
const MAX_BATCH: usize = 512;

/// Most changes that wait for a commit; what comes on top is refused at once. At the speed of a
/// slow disk these take a second or two, which is as long as anyone should wait unknowingly.
const MAX_WAITING: usize = 4096;

/// The one writer of a registry. Dropping it finishes what was handed in.
pub(crate) struct Writer {
    /// `None` only while it is dropped.
    changes: Option<mpsc::SyncSender<Box<dyn Change>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread over `connection`, which is to `files`.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if the thread can't be started.
    pub(crate) fn start(
        connection: Connection,
        files: Files,
        checkpoints: Checkpoints,
    ) -> Result<Self, RegistryError> {
        let (changes, arriving) = mpsc::sync_channel(MAX_WAITING);
        let thread = thread::Builder::new()
            .name("portal-store writer".to_owned())
            .spawn(move || write(connection, &files, &arriving, checkpoints))
            .map_err(|error| {
                RegistryError::NotApplied(format!("failed to start the writer's thread: {error}"))
            })?;
        Ok(Self { changes: Some(changes), thread: Some(thread) })
    }

    /// Does `work` in the next transaction and waits until that is durable. If another change of
    /// that transaction fails, `work` is done again in a transaction of its own.
    ///
    /// # Cancel safety
    /// From the first poll on the work is done, whether or not anyone waits for the response.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let (response, responded) = oneshot::channel();
        let runtime = Handle::try_current().ok();
        let change = Box::new(Pending { work, result: None, response, runtime });
        let changes = self.changes.as_ref().ok_or_else(stopped)?;
        changes.try_send(change).map_err(|refused| match refused {
            TrySendError::Full(_) => RegistryError::Overloaded,
            TrySendError::Disconnected(_) => stopped(),
        })?;
        responded.await.unwrap_or_else(|_| Err(RegistryError::Unknown(STOPPED.to_owned())))
    }
}

const STOPPED: &str = "the thread that writes the registry has stopped";

fn stopped() -> RegistryError {
    RegistryError::NotApplied(STOPPED.to_owned())
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            // After a panic in there every caller has got `Unknown` already.
            let _ = thread.join();
        }
    }
}

/// A change that waits for its transaction.
trait Change: Send {
    /// May be called again, after a transaction that was rolled back.
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()>;

    /// Gives the caller the result, or why there is none.
    fn respond(self: Box<Self>, failure: Option<RegistryError>);

    /// Where the caller waits.
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
        self.result = None;
        self.result = Some((self.work)(connection)?);
        Ok(())
    }

    fn respond(self: Box<Self>, failure: Option<RegistryError>) {
        let response = match (failure, self.result) {
            (None, Some(result)) => Ok(result),
            (failure, _) => Err(failure.unwrap_or(RegistryError::Unknown(STOPPED.to_owned()))),
        };
        // The caller may have gone.
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
        let mut batch = vec![first];
        batch.extend(arriving.try_iter().take(MAX_BATCH - 1));
        let failures = commit_all(&connection, files, &mut batch);
        Responses(batch.into_iter().zip(failures).collect()).deliver();
        // After the responses: nobody waits for a checkpoint.
        checkpoints.after_commit(&mut connection);
    }
}

/// Commits a batch, together if possible; gives for each change why it was not kept.
fn commit_all(
    connection: &Connection,
    files: &Files,
    batch: &mut [Box<dyn Change>],
) -> Vec<Option<RegistryError>> {
    match commit(connection, files, batch) {
        Ok(()) => vec![None; batch.len()],
        // One change's failure must not become its neighbours': each has its own transaction now.
        // What the service would refuse, such as a name that is taken, is not a failure, so no
        // client can have this happen at will.
        Err(Failure::OfChange(_)) if batch.len() > 1 => batch
            .iter_mut()
            .map(|change| commit(connection, files, slice::from_mut(change)).err())
            .map(|failure| failure.map(RegistryError::from))
            .collect(),
        Err(failure) => vec![Some(failure.into()); batch.len()],
    }
}

/// Why a transaction was not kept, or may not have been.
enum Failure {
    /// A change failed, and all were rolled back.
    OfChange(RegistryError),
    /// The transaction could not be begun or committed.
    OfTransaction(RegistryError),
}

impl From<Failure> for RegistryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::OfChange(error) | Failure::OfTransaction(error) => error,
        }
    }
}

/// Applies changes in one transaction: all, or none.
fn commit(
    connection: &Connection,
    files: &Files,
    changes: &mut [Box<dyn Change>],
) -> Result<(), Failure> {
    let not_applied = |error: rusqlite::Error| not_applied(&error, files.path());
    files.expect_present().map_err(Failure::OfTransaction)?;
    let transaction =
        Transaction::begin(connection).map_err(not_applied).map_err(Failure::OfTransaction)?;
    let before = connection.total_changes();
    for change in changes {
        change.apply(connection).map_err(not_applied).map_err(Failure::OfChange)?;
    }
    if connection.total_changes() == before {
        // Refusals only: they wait for no disk, and hold when it is full.
        return Ok(());
    }
    let commits = count_commit(connection).map_err(not_applied).map_err(Failure::OfTransaction)?;
    transaction.commit().map_err(|error| {
        Failure::OfTransaction(match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => not_applied(error),
            // It may have reached the disk.
            _ => RegistryError::Unknown(describe(&error, files.path())),
        })
    })?;
    files.committed(commits).map_err(Failure::OfTransaction)
}

/// An open transaction; rolled back if it is dropped without a commit. rusqlite's own parses its
/// statements every time.
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
        // A full disk, for one, has made the engine roll back already. If this fails, so does the
        // next BEGIN, and its callers get the error.
        if !self.0.is_autocommit() {
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// What the callers of one commit are waiting for.
struct Responses(Vec<(Box<dyn Change>, Option<RegistryError>)>);

impl Responses {
    /// Wakes the runtime once for all of them: it is a task in there that wakes the callers, which
    /// costs no system call for each.
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

/// A runtime that is shut down drops the task without running it, and callers in another one must
/// not be left in doubt: dropping it delivers too.
impl Drop for Responses {
    fn drop(&mut self) {
        for (change, failure) in self.0.drain(..) {
            change.respond(failure);
        }
    }
}

#[cfg(test)]
mod tests;
