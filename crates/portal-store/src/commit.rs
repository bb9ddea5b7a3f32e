//! Group commit: one thread writes, and what arrives while a commit runs goes into the next one.
//!
//! A commit waits for the disk, whatever is in it, so sixty-four changes in one cost about as much
//! as one. Nothing is ever delayed in the hope of company.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::error::RegistryError;
use crate::sqlite::database::sentence;

/// Most changes of one commit; it bounds how long the write lock is held.
const MAX_BATCH: usize = 512;

/// The one writer of a registry. Dropping it finishes what was handed in.
pub(crate) struct Writer {
    /// `None` while it is dropped only.
    changes: Option<mpsc::Sender<Box<dyn Change>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread over `connection`, which is to the file at `path`.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] where the system gives no thread.
    pub(crate) fn start(connection: Connection, path: PathBuf) -> Result<Self, RegistryError> {
        let (changes, arriving) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("portal-store writer".to_owned())
            .spawn(move || write(connection, &path, &arriving))
            .map_err(|error| {
                RegistryError::NotApplied(format!("the system gives no thread: {error}"))
            })?;
        Ok(Self { changes: Some(changes), thread: Some(thread) })
    }

    /// Does `work` in the next transaction and waits until that is durable.
    ///
    /// # Cancel safety
    /// From the first poll on the work is done, whether or not anyone waits for the answer.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let (answer, answered) = oneshot::channel();
        let change = Box::new(Pending { work: Some(work), result: None, answer });
        self.changes
            .as_ref()
            .and_then(|changes| changes.send(change).ok())
            .ok_or_else(|| RegistryError::NotApplied(STOPPED.to_owned()))?;
        answered.await.unwrap_or_else(|_| Err(RegistryError::Unknown(STOPPED.to_owned())))
    }
}

const STOPPED: &str = "the thread that writes the registry has stopped";

impl Drop for Writer {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there was answered with `Unknown` already.
            let _ = thread.join();
        }
    }
}

/// A change that waits for its transaction.
trait Change: Send {
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()>;

    /// Gives whoever waits the result, or why there is none.
    fn answer(self: Box<Self>, failure: Option<RegistryError>);
}

struct Pending<T, F> {
    work: Option<F>,
    result: Option<T>,
    answer: oneshot::Sender<Result<T, RegistryError>>,
}

impl<T: Send, F: FnOnce(&Connection) -> rusqlite::Result<T> + Send> Change for Pending<T, F> {
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(connection)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<RegistryError>) {
        let answer = match (failure, self.result) {
            (None, Some(result)) => Ok(result),
            (failure, _) => Err(failure.unwrap_or(RegistryError::Unknown(STOPPED.to_owned()))),
        };
        // Whoever asked may have gone.
        let _ = self.answer.send(answer);
    }
}

fn write(
    mut connection: Connection,
    path: &std::path::Path,
    arriving: &mpsc::Receiver<Box<dyn Change>>,
) {
    while let Ok(first) = arriving.recv() {
        let mut batch = vec![first];
        batch.extend(arriving.try_iter().take(MAX_BATCH - 1));
        let mut failures = Vec::with_capacity(batch.len());
        let failure = commit(&mut connection, &mut batch, &mut failures)
            .err()
            .map(|failure| failure.describe(path));
        failures.resize_with(batch.len(), || None);
        for (change, own) in batch.into_iter().zip(failures) {
            let own = own.map(|error| RegistryError::NotApplied(sentence(&error, path)));
            change.answer(own.or_else(|| failure.clone()));
        }
    }
}

/// Why a whole batch came to nothing.
enum Failure {
    NotApplied(rusqlite::Error),
    InDoubt(rusqlite::Error),
}

impl Failure {
    fn describe(&self, path: &std::path::Path) -> RegistryError {
        match self {
            Self::NotApplied(error) => RegistryError::NotApplied(sentence(error, path)),
            Self::InDoubt(error) => RegistryError::Unknown(sentence(error, path)),
        }
    }
}

/// Applies a batch in one transaction; a change that fails is undone alone and leaves its reason
/// in `failures`.
fn commit(
    connection: &mut Connection,
    batch: &mut [Box<dyn Change>],
    failures: &mut Vec<Option<rusqlite::Error>>,
) -> Result<(), Failure> {
    let mut transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(Failure::NotApplied)?;
    for change in batch {
        match apply(&mut transaction, change.as_mut()) {
            Ok(()) => failures.push(None),
            // A full disk, for one, makes the engine roll back the whole transaction.
            Err(error) if transaction.is_autocommit() => return Err(Failure::NotApplied(error)),
            Err(error) => failures.push(Some(error)),
        }
    }
    transaction.commit().map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => Failure::NotApplied(error),
        _ => Failure::InDoubt(error),
    })
}

fn apply(transaction: &mut Transaction<'_>, change: &mut dyn Change) -> rusqlite::Result<()> {
    // Rolled back where it is dropped without a commit.
    let savepoint = transaction.savepoint()?;
    change.apply(&savepoint)?;
    savepoint.commit()
}

#[cfg(test)]
mod tests;
