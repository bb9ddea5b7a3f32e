use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};

use super::*;
use crate::sqlite::database::{self, Opened};

/// A writer over a new registry with two more tables.
fn writer(directory: &tempfile::TempDir) -> (Writer, PathBuf) {
    let Opened { connection, path, state, history } =
        database::open(directory.path(), false).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE parents (id INTEGER PRIMARY KEY);
             CREATE TABLE changes (id INTEGER PRIMARY KEY, parent REFERENCES parents, text)",
        )
        .unwrap();
    let files = Files::new(&path, Arc::clone(&state), history).unwrap();
    let checkpoints = Checkpoints::start(database::open_for_checkpoints(&path).unwrap(), state);
    (Writer::start(connection, files, checkpoints.unwrap()).unwrap(), path)
}

fn insert(connection: &Connection) -> rusqlite::Result<usize> {
    connection.execute("INSERT INTO changes DEFAULT VALUES", [])
}

fn count(connection: &Connection) -> usize {
    connection.query_row("SELECT count(*) FROM changes", [], |row| row.get::<_, u32>(0)).unwrap()
        as usize
}

/// Queues a change.
fn begin<T>(change: &mut Pin<&mut impl Future<Output = T>>) {
    assert!(change.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// Keeps the writer busy with a transaction until released.
fn keep_busy(
    writer: &Writer,
) -> (Pin<Box<impl Future<Output = Result<(), RegistryError>> + use<'_>>>, mpsc::Sender<()>) {
    let (started, has_started) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let mut running = Box::pin(writer.commit(move |_| {
        started.send(()).unwrap();
        released.recv().unwrap();
        Ok(())
    }));
    begin(&mut running.as_mut());
    has_started.recv().unwrap();
    (running, release)
}

#[tokio::test]
async fn changes_during_commit_share_next_commit() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, path) = writer(&directory);
    let (running, release) = keep_busy(&writer);
    let mut arrived: Vec<_> = (0..63).map(|_| Box::pin(writer.commit(insert))).collect();
    for change in &mut arrived {
        begin(&mut change.as_mut());
    }
    let other = path.clone();
    let mut last = pin!(writer.commit(move |connection| {
        // Counts inside of the transaction that is shared with the others, and outside, where
        // nothing is committed yet.
        Ok((count(connection), count(&Connection::open(&other)?)))
    }));
    begin(&mut last);
    release.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(last.await.unwrap(), (63, 0));
    for change in arrived {
        assert_eq!(change.await, Ok(1));
    }
    assert_eq!(count(&Connection::open(path).unwrap()), 63);
}

#[tokio::test]
async fn failing_change_is_undone_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, path) = writer(&directory);
    let (running, release) = keep_busy(&writer);
    let mut first = pin!(writer.commit(insert));
    let mut failing = pin!(writer.commit(|connection| {
        insert(connection)?;
        connection.execute("INSERT INTO nowhere DEFAULT VALUES", [])
    }));
    let mut last = pin!(writer.commit(insert));
    begin(&mut first);
    begin(&mut failing);
    begin(&mut last);
    release.send(()).unwrap();
    running.await.unwrap();
    assert_eq!((first.await, last.await), (Ok(1), Ok(1)));
    assert!(matches!(failing.await, Err(RegistryError::NotApplied(_))));
    assert_eq!(count(&Connection::open(path).unwrap()), 2);
}

#[tokio::test]
async fn batch_with_failing_change_applies_others_once() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, path) = writer(&directory);
    let (running, release) = keep_busy(&writer);
    let work = |number: u32| {
        move |connection: &Connection| match number % 5 {
            // On a full disk SQLite rolls back the whole transaction.
            3 => {
                connection.pragma_update(None, "max_page_count", 1)?;
                let text = "INSERT INTO changes (text) VALUES (zeroblob(1000000))";
                let result = connection.execute(text, []);
                connection.pragma_update(None, "max_page_count", 1_000_000)?;
                result
            }
            _ => connection.execute("INSERT INTO changes (id) VALUES (?)", [number]),
        }
    };
    let mut changes: Vec<_> = (0..20).map(|it| Box::pin(writer.commit(work(it)))).collect();
    for change in &mut changes {
        begin(&mut change.as_mut());
    }
    release.send(()).unwrap();
    running.await.unwrap();
    for (change, number) in changes.into_iter().zip(0..) {
        match (change.await, number % 5) {
            (Err(RegistryError::NoRoom(why)), 3) => assert!(why.contains("full"), "{why}"),
            (result, _) => assert_eq!(result, Ok(1), "{number}"),
        }
    }
    assert_eq!(count(&Connection::open(path).unwrap()), 16);
}

#[tokio::test]
async fn change_beyond_full_queue_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, path) = writer(&directory);
    let (running, release) = keep_busy(&writer);
    let mut waiting: Vec<_> =
        (0..MAX_WAITING).map(|_| Box::pin(writer.commit(|_| Ok(())))).collect();
    for change in &mut waiting {
        begin(&mut change.as_mut());
    }
    assert_eq!(writer.commit(insert).await, Err(RegistryError::Overloaded));
    release.send(()).unwrap();
    running.await.unwrap();
    for change in waiting {
        assert_eq!(change.await, Ok(()));
    }
    assert_eq!(writer.commit(insert).await, Ok(1));
    assert_eq!(count(&Connection::open(path).unwrap()), 1);
}

#[test]
fn callers_survive_shutdown_of_another_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _) = writer(&directory);
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (mut running, release) = keep_busy(&writer);
    let mut ended = Box::pin(writer.commit(insert));
    let mut alive = Box::pin(writer.commit(insert));
    first.block_on(async { begin(&mut ended.as_mut()) });
    second.block_on(async { begin(&mut alive.as_mut()) });
    drop(first);
    release.send(()).unwrap();
    second.block_on(&mut running).unwrap();
    assert_eq!(second.block_on(alive), Ok(1));
}

#[tokio::test]
async fn failed_commit_is_unknown_and_writer_continues() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _) = writer(&directory);
    let result = writer.commit(|connection| {
        connection.pragma_update(None, "defer_foreign_keys", true)?;
        connection.execute("INSERT INTO changes (parent) VALUES (7)", [])
    });
    assert!(matches!(result.await, Err(RegistryError::Unknown(_))));
    assert_eq!(writer.commit(insert).await, Ok(1));
    assert_eq!(writer.commit(|connection| Ok(count(connection))).await, Ok(1));
}

#[tokio::test]
async fn full_disk_is_reported_and_nothing_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _) = writer(&directory);
    let result = writer.commit(|connection| {
        insert(connection)?;
        connection.pragma_update(None, "max_page_count", 1)?;
        connection.execute("INSERT INTO changes (text) VALUES (zeroblob(1000000))", [])
    });
    let RegistryError::NoRoom(why) = result.await.unwrap_err() else { panic!() };
    assert!(why.starts_with("the disk is full under "), "{why}");
    assert_eq!(writer.commit(|connection| Ok(count(connection))).await, Ok(0));
}

#[tokio::test]
async fn dead_writer_leaves_no_caller_without_result() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, _) = writer(&directory);
    let (release, released) = mpsc::channel::<()>();
    let mut dying = pin!(writer.commit(move |_| -> rusqlite::Result<()> {
        released.recv().unwrap();
        panic!("on purpose")
    }));
    begin(&mut dying);
    let mut waiting = pin!(writer.commit(insert));
    begin(&mut waiting);
    release.send(()).unwrap();
    let unknown = RegistryError::Unknown(STOPPED.to_owned());
    assert_eq!(dying.await, Err(unknown.clone()));
    assert_eq!(waiting.await, Err(unknown));
    // Later callers fail at once, or are in doubt while the thread is ending.
    assert!(writer.commit(insert).await.is_err());
}

#[tokio::test]
async fn dropped_writer_finishes_what_was_submitted() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, path) = writer(&directory);
    for _ in 0..10 {
        begin(&mut pin!(writer.commit(insert)));
    }
    drop(writer);
    assert_eq!(count(&Connection::open(path).unwrap()), 10);
}
