//! The reader threads: each has its own connection, and all serve one queue.
//!
//! Waking a thread takes longer than a typical read, so a read does not wake one at once: its caller
//! first yields to the other tasks of the runtime, and the reads queued by then share one wake-up. The
//! price: if one of them is slow, those behind it wait until a later read wakes another thread, unless
//! the queue is as long as [`BACKLOG`].

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::database::open_for_reading;
use super::failure::{End, not_applied};
use super::thread::spawn;
use crate::error::RegistryError;

/// Number of threads, and so of concurrent reads.
const READERS: usize = 4;

/// Length of the queue at which a reader thread wakes another one.
const BACKLOG: usize = 8;

/// The threads.
pub(super) struct Readers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<Reader>>,
}

/// The queue, shared by callers and threads.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reads: VecDeque<Read>,
    /// Number of threads that wait on `changed`.
    parked: usize,
    /// Number of times that a thread was woken.
    wake_ups: u64,
    is_closed: bool,
}

/// Runs a query and sends its result to the caller, unless the caller is gone.
type Read = Box<dyn FnOnce(&mut Reader) + Send>;

impl Readers {
    /// Opens all connections up front, so that reads keep working in a process that runs out of
    /// file descriptors.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if a connection can't be opened or a thread can't be started.
    pub(super) fn open(path: &Path, end: &End) -> Result<Self, RegistryError> {
        let mut readers = Self { queue: Arc::default(), threads: Vec::new() };
        for _ in 0..READERS {
            let reader = Reader::open(path, end.clone());
            let mut reader = reader.map_err(|error| not_applied(&error, path))?;
            let queue = Arc::clone(&readers.queue);
            readers.threads.push(spawn("reader", move || {
                queue.serve(&mut reader);
                reader
            })?);
        }
        Ok(readers)
    }

    /// Runs a read on one of the threads, so that waiting for the disk blocks no task.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let (response, receiver) = oneshot::channel();
        let wake_up = self.queue.push(Box::new(move |reader| {
            if !response.is_closed() {
                let _ = response.send(reader.read(work));
            }
        }));
        // Dropped before the wake-up if this future is: the read does not run then.
        let responded = receiver;
        if wake_up.is_some() {
            yield_now().await;
        }
        drop(wake_up);
        responded
            .await
            .unwrap_or_else(|_| Err(RegistryError::NotApplied("the read panicked".to_owned())))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.changed.notify_all();
        // All have ended before the first connection is closed: SQLite removes the log with the last
        // one, and not if several are closed at once.
        let readers: Vec<_> = self.threads.drain(..).map(JoinHandle::join).collect();
        drop(readers);
    }
}

impl Queue {
    /// Queues a read. Returns a guard that wakes a thread on drop, unless all are awake.
    fn push(&self, read: Read) -> Option<WakeUp<'_>> {
        let mut state = self.lock();
        state.reads.push_back(read);
        (state.parked > 0).then(|| WakeUp { queue: self, seen: state.wake_ups })
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
                // A panic drops the response channel, so the caller gets an error.
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

/// Wakes a thread on drop, unless one was woken since the read was queued. Each read has one: a future
/// that is neither polled nor dropped must hold up no read but its own.
struct WakeUp<'a> {
    queue: &'a Queue,
    seen: u64,
}

impl Drop for WakeUp<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        if state.wake_ups == self.seen {
            state.wake_ups += 1;
            drop(state);
            self.queue.changed.notify_one();
        }
    }
}

/// The connection of one thread.
struct Reader {
    path: PathBuf,
    end: End,
    /// `None` after an error or a panic.
    connection: Option<Connection>,
}

impl Reader {
    fn open(path: &Path, end: End) -> rusqlite::Result<Self> {
        Ok(Self { path: path.to_owned(), end, connection: Some(open_for_reading(path)?) })
    }

    fn read<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, RegistryError> {
        self.end.check()?;
        let read = || {
            let connection = match self.connection.take() {
                Some(connection) => connection,
                None => open_for_reading(&self.path)?,
            };
            let found = work(&connection)?;
            self.connection = Some(connection);
            Ok(found)
        };
        read().map_err(|error| self.end.not_applied(&error, &self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::pin::pin;
    use std::thread;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::sqlite::{database, format};

    const DEADLINE: Duration = Duration::from_secs(30);

    fn readers() -> (tempfile::TempDir, Readers) {
        let directory = tempfile::tempdir().unwrap();
        let opened = database::open(directory.path(), false).unwrap();
        let readers = Readers::open(&opened.path, &End::default()).unwrap();
        // Until then a read needs no wake-up.
        while readers.queue.lock().parked < READERS {
            thread::yield_now();
        }
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
    async fn caller_that_is_not_polled_holds_up_no_other() {
        let (_directory, readers) = readers();
        let mut idle = pin!(readers.read(version));
        tokio::select! {
            biased;
            _ = &mut idle => panic!("no reader is awake yet"),
            () = ready(()) => {}
        }
        let other = timeout(DEADLINE, readers.read(version)).await;
        assert_eq!(other, Ok(Ok(format::VERSION)));
        assert_eq!(idle.await, Ok(format::VERSION));
    }

    #[tokio::test]
    async fn read_of_dropped_caller_does_not_run() {
        let (_directory, readers) = readers();
        let (ran, has_run) = std::sync::mpsc::channel();
        {
            let mut dropped = pin!(readers.read(move |_| {
                ran.send(()).unwrap();
                Ok(())
            }));
            tokio::select! {
                biased;
                _ = &mut dropped => panic!("no reader is awake yet"),
                () = ready(()) => {}
            }
        }
        drop(readers);
        assert!(has_run.recv().is_err());
    }

    #[tokio::test]
    async fn last_connection_to_close_leaves_no_log() {
        let (directory, readers) = readers();
        // Each has a lock on the database by then.
        let reads = (0..READERS * BACKLOG).map(|_| readers.read(version));
        assert!(futures_util::future::join_all(reads).await.iter().all(Result::is_ok));
        drop(readers);
        let left = std::fs::read_dir(directory.path()).unwrap();
        let log = left
            .map(|file| file.unwrap().file_name())
            .find(|name| name.to_string_lossy().ends_with("-wal"));
        assert_eq!(log, None);
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
    async fn read_queued_while_all_readers_are_busy_is_served() {
        let (_directory, readers) = readers();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let slow = (0..READERS).map(|_| {
            let released = Arc::clone(&released);
            readers.read(move |_| {
                let _ = released.lock().unwrap().recv();
                Ok(())
            })
        });
        let mut slow = pin!(futures_util::future::join_all(slow));
        while readers.queue.lock().parked > 0 {
            // Each turn wakes one more.
            let mut another = pin!(readers.read(version));
            tokio::select! {
                biased;
                _ = &mut slow => panic!("none is released"),
                _ = &mut another => {}
                () = yield_now() => {}
            }
        }
        // Queued before the others are released.
        let (late, ..) = tokio::join!(readers.read(version), async { drop(release) }, slow);
        assert_eq!(late, Ok(format::VERSION));
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
            versions = timeout(DEADLINE, reads) => {
                assert!(versions.unwrap().iter().all(Result::is_ok));
            }
        }
        release.send(()).unwrap();
        slow.await.unwrap();
    }
}
