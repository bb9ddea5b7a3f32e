//! A few threads that read, each over its own connection, from one queue.
//!
//! Waking a thread takes longer than a typical read. So a queued read wakes no thread at once: the
//! runtime polls its other tasks first, and the reads that they queue share one wake-up. If one of
//! those is slow, the others wait for it until the next wake-up, or until there are too many of them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::database::open_for_reading;
use super::failure::not_applied;
use crate::error::RegistryError;

/// Number of threads, and so of concurrent reads.
const READERS: usize = 4;

/// Number of waiting reads for which a thread wakes another.
const BACKLOG: usize = 32;

/// The threads. Dropping this completes all queued reads.
pub(super) struct Readers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads wait for.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reads: VecDeque<Read>,
    /// Threads that wait.
    parked: usize,
    /// Whether one of them is about to be woken.
    is_waking: bool,
    is_closed: bool,
}

/// Runs a query and sends its result to the caller.
type Read = Box<dyn FnOnce(&mut Reader) + Send>;

impl Readers {
    /// Opens all connections up front, so that reads keep working in a process that runs out of
    /// file descriptors.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if a connection can't be opened or a thread can't be started.
    pub(super) fn open(path: &Path) -> Result<Self, RegistryError> {
        let mut readers = Self { queue: Arc::default(), threads: Vec::new() };
        for _ in 0..READERS {
            let mut reader = Reader { path: path.to_owned(), connection: None };
            reader.connect().map_err(|error| not_applied(&error, path))?;
            let queue = Arc::clone(&readers.queue);
            let thread = thread::Builder::new()
                .name("portal-store reader".to_owned())
                .spawn(move || queue.serve(&mut reader))
                .map_err(|error| {
                    RegistryError::NotApplied(format!("failed to start a reader thread: {error}"))
                })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs a read on one of the threads, so that waiting for the disk blocks no task.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let (response, responded) = oneshot::channel();
        let wake_up = self.queue.push(Box::new(move |reader| {
            // The caller may have dropped its future.
            let _ = response.send(reader.read(work));
        }));
        if wake_up.is_some() {
            yield_now().await;
        }
        drop(wake_up);
        responded
            .await
            .unwrap_or_else(|_| Err(RegistryError::NotApplied("the read has failed".to_owned())))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread can't have panicked.
            let _ = thread.join();
        }
    }
}

impl Queue {
    /// Queues a read. If the caller is the one to wake a thread, returns what does so when dropped.
    fn push(&self, read: Read) -> Option<WakeUp<'_>> {
        let mut state = self.lock();
        state.reads.push_back(read);
        if state.is_waking || state.parked == 0 {
            return None;
        }
        state.is_waking = true;
        Some(WakeUp(self))
    }

    /// Serves reads until the queue is closed and empty.
    fn serve(&self, reader: &mut Reader) {
        let mut state = self.lock();
        loop {
            if let Some(read) = state.reads.pop_front() {
                let is_behind = state.reads.len() >= BACKLOG && state.parked > 0;
                drop(state);
                if is_behind {
                    self.changed.notify_one();
                }
                // A panic is reported to its caller, by the channel that it drops.
                let _ = catch_unwind(AssertUnwindSafe(|| read(reader)));
                state = self.lock();
            } else if state.is_closed {
                return;
            } else {
                state.parked += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.parked -= 1;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes a thread on drop, and so also if the caller is cancelled: others rely on it.
struct WakeUp<'a>(&'a Queue);

impl Drop for WakeUp<'_> {
    fn drop(&mut self) {
        self.0.lock().is_waking = false;
        self.0.changed.notify_one();
    }
}

/// The connection of one thread.
struct Reader {
    path: PathBuf,
    /// `None` after an error.
    connection: Option<Connection>,
}

impl Reader {
    fn read<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, RegistryError> {
        let result = self.connect().and_then(work);
        if result.is_err() {
            self.connection = None;
        }
        result.map_err(|error| not_applied(&error, &self.path))
    }

    /// The connection, which is opened anew after an error.
    fn connect(&mut self) -> rusqlite::Result<&Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open_for_reading(&self.path)?,
        };
        Ok(self.connection.insert(connection))
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::pin::pin;

    use super::*;
    use crate::sqlite::{database, format};

    fn readers() -> (tempfile::TempDir, Readers) {
        let directory = tempfile::tempdir().unwrap();
        let opened = database::open(directory.path(), false).unwrap();
        let readers = Readers::open(&opened.path).unwrap();
        (directory, readers)
    }

    fn version(connection: &Connection) -> rusqlite::Result<u32> {
        connection.pragma_query_value(None, "user_version", |row| row.get(0))
    }

    #[tokio::test]
    async fn failure_or_panic_of_read_costs_no_reader() {
        let (_directory, readers) = readers();
        for _ in 0..2 * READERS {
            let failed = readers.read(|connection| connection.execute_batch("nonsense")).await;
            assert!(matches!(failed, Err(RegistryError::NotApplied(_))), "{failed:?}");
            let failed = readers.read(|_| -> rusqlite::Result<()> { panic!("a bug") }).await;
            assert!(matches!(failed, Err(RegistryError::NotApplied(_))), "{failed:?}");
        }
        assert_eq!(readers.read(version).await, Ok(format::VERSION));
    }

    #[tokio::test]
    async fn dropped_caller_wakes_reader_for_others() {
        let (_directory, readers) = readers();
        let mut other = pin!(readers.read(version));
        {
            let mut first = pin!(readers.read(version));
            tokio::select! {
                biased;
                _ = &mut first => panic!("no reader is awake yet"),
                _ = &mut other => panic!("no reader is awake yet"),
                () = ready(()) => {}
            }
        }
        assert_eq!(other.await, Ok(format::VERSION));
    }

    #[tokio::test]
    async fn slow_read_delays_no_later_one() {
        let (_directory, readers) = readers();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let mut slow = pin!(readers.read(move |_| {
            released.recv().unwrap();
            Ok(())
        }));
        let later = async {
            // Not to share its wake-up.
            yield_now().await;
            yield_now().await;
            readers.read(version).await
        };
        tokio::select! {
            biased;
            _ = &mut slow => panic!("it is not released"),
            version = later => assert_eq!(version, Ok(format::VERSION)),
        }
        release.send(()).unwrap();
        slow.await.unwrap();
    }

    #[tokio::test]
    async fn backlog_behind_slow_read_is_served() {
        let (_directory, readers) = readers();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let mut slow = pin!(readers.read(move |_| {
            released.recv().unwrap();
            Ok(())
        }));
        let reads = async {
            let reads = (0..=BACKLOG).map(|_| readers.read(version));
            futures_util::future::join_all(reads).await
        };
        tokio::select! {
            biased;
            _ = &mut slow => panic!("it is not released"),
            versions = reads => assert!(versions.iter().all(Result::is_ok)),
        }
        release.send(()).unwrap();
        slow.await.unwrap();
    }
}
