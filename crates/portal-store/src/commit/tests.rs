use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use super::*;

/// A writer over a new file with one table.
fn writer(folder: &tempfile::TempDir) -> (Writer, PathBuf) {
    let path = folder.path().join("changes.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE parents (id INTEGER PRIMARY KEY);
             CREATE TABLE changes (id INTEGER PRIMARY KEY, parent REFERENCES parents, text)",
        )
        .unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    (Writer::start(connection, path.clone()).unwrap(), path)
}

fn insert(connection: &Connection) -> rusqlite::Result<usize> {
    connection.execute("INSERT INTO changes DEFAULT VALUES", [])
}

fn count(connection: &Connection) -> usize {
    connection.query_row("SELECT count(*) FROM changes", [], |row| row.get::<_, u32>(0)).unwrap()
        as usize
}

/// Hands a change in.
fn begin<T>(change: &mut Pin<&mut impl Future<Output = T>>) {
    assert!(change.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// A transaction that runs from now on until it is released.
fn keep_busy(
    writer: &Writer,
) -> (impl Future<Output = Result<(), RegistryError>> + use<'_>, mpsc::Sender<()>) {
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
async fn what_arrives_while_a_commit_runs_goes_into_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, path) = writer(&folder);
    let (running, release) = keep_busy(&writer);
    let mut arrived: Vec<_> = (0..63).map(|_| Box::pin(writer.commit(insert))).collect();
    for change in &mut arrived {
        begin(&mut change.as_mut());
    }
    let other = path.clone();
    let mut last = pin!(writer.commit(move |connection| {
        // In one transaction with the others, none of which is committed.
        Ok((count(connection), count(&Connection::open(other)?)))
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
async fn a_change_that_fails_is_undone_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, path) = writer(&folder);
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
async fn a_commit_that_fails_leaves_its_changes_in_doubt_and_the_writer_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _) = writer(&folder);
    let result = writer.commit(|connection| {
        connection.pragma_update(None, "defer_foreign_keys", true)?;
        connection.execute("INSERT INTO changes (parent) VALUES (7)", [])
    });
    assert!(matches!(result.await, Err(RegistryError::Unknown(_))));
    assert_eq!(writer.commit(insert).await, Ok(1));
    assert_eq!(writer.commit(|connection| Ok(count(connection))).await, Ok(1));
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _) = writer(&folder);
    let result = writer.commit(|connection| {
        insert(connection)?;
        connection.pragma_update(None, "max_page_count", 1)?;
        connection.execute("INSERT INTO changes (text) VALUES (zeroblob(1000000))", [])
    });
    let RegistryError::NotApplied(why) = result.await.unwrap_err() else { panic!() };
    assert!(why.starts_with("the disk is full under "), "{why}");
    assert_eq!(writer.commit(|connection| Ok(count(connection))).await, Ok(0));
}

#[tokio::test]
async fn a_writer_that_dies_leaves_nobody_without_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _) = writer(&folder);
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
    // Whoever comes later hears of it at once, or is in doubt while the thread is ending.
    assert!(writer.commit(insert).await.is_err());
}

#[tokio::test]
async fn a_writer_that_is_dropped_finishes_what_was_handed_in() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, path) = writer(&folder);
    for _ in 0..10 {
        begin(&mut pin!(writer.commit(insert)));
    }
    drop(writer);
    assert_eq!(count(&Connection::open(path).unwrap()), 10);
}
