//! Over the ledger of one machine: what it writes, and what happens when it hangs or fails.

use std::path::Path;
use std::time::Duration;

use portal_http::client::SafeClient;
use portal_http::ledger::Ledger;
use portal_model::Outcome;
use portal_model::flow::Policy;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{client, name, names, requests, server};

/// How many transactions the file has seen: its change counter.
fn commits(directory: &Path) -> u32 {
    let file = std::fs::read(directory.join("ledger.sqlite")).unwrap();
    u32::from_be_bytes(file[24..28].try_into().unwrap())
}

#[tokio::test]
async fn undisturbed_create_writes_three_times() {
    let (server, directory) = (server(&[]).await, TempDir::new().unwrap());
    let ledger = Ledger::open(directory.path()).unwrap();
    let safe = SafeClient::new(client(&server, Policy::default()), ledger);
    for portal in ["FirstPortal", "SecondPortal"] {
        let (before, sent) = (commits(directory.path()), requests(&server).len());
        let outcome = safe.create(name(portal)).allow_another().await;
        assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
        assert!(commits(directory.path()) - before <= 3);
        let since = &requests(&server)[sent..];
        assert!(since.ends_with(&["GET portals".to_owned(), "POST portals".to_owned()]));
        assert!(since.len() == 2 || since[0] == "GET org", "{since:?}");
    }
}

/// Makes every write of the ledger wait, as a disk that hangs.
fn hang(directory: &Path) -> Connection {
    let connection = Connection::open(directory.join("ledger.sqlite")).unwrap();
    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    connection
}

#[tokio::test]
async fn hanging_ledger_sends_nothing() {
    let (server, directory) = (server(&[]).await, TempDir::new().unwrap());
    let ledger = Ledger::open(directory.path()).unwrap();
    let mut policy = Policy::rehearsal();
    policy.record_timeout = Duration::from_millis(200);
    // The claim that nobody waits for any more is applied in the end, and holds the entry for so long.
    policy.attempt_timeout = Duration::from_secs(1);
    let safe = SafeClient::new(client(&server, policy), ledger);
    let hung = hang(directory.path());
    let outcome = safe.create(name("AcmePortal")).await;
    // It can't be read either, so what it may hold of that name is not known.
    assert!(!outcome.exists(), "{outcome:?}");
    drop(hung);
    assert_eq!(names(&server).await, [""; 0]);
    let outcome = safe.create(name("AcmePortal")).await;
    assert!(outcome.is_ours(), "{outcome:?}");
}

#[tokio::test]
async fn ledger_that_hangs_at_end_withholds_no_outcome() {
    let (server, directory) =
        (server(&["POST request:delay=500ms"]).await, TempDir::new().unwrap());
    let ledger = Ledger::open(directory.path()).unwrap();
    let mut policy = Policy::rehearsal();
    policy.record_timeout = Duration::from_millis(200);
    let safe = SafeClient::new(client(&server, policy), ledger);
    let call = safe.create(name("AcmePortal")).start();
    super::sending(&call).await;
    let hung = hang(directory.path());
    let began = std::time::Instant::now();
    let outcome = call.await.outcome;
    assert!(outcome.is_ours(), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    drop(hung);
}

#[tokio::test]
async fn shutdown_waits_for_no_hanging_ledger() {
    let (server, directory) = (server(&[]).await, TempDir::new().unwrap());
    let ledger = Ledger::open(directory.path()).unwrap();
    let mut policy = Policy::rehearsal();
    policy.record_timeout = Duration::from_millis(200);
    let safe = SafeClient::new(client(&server, policy), ledger.clone());
    let hung = hang(directory.path());
    let began = std::time::Instant::now();
    safe.shutdown(Duration::from_secs(20)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(hung);
    let safe = SafeClient::new(client(&server, Policy::default()), ledger);
    assert_eq!(safe.shutdown(Duration::ZERO).await.unwrap(), []);
}

#[tokio::test]
async fn failing_ledger_sends_nothing() {
    let (server, directory) = (server(&[]).await, TempDir::new().unwrap());
    let ledger = Ledger::open(directory.path()).unwrap();
    let safe = SafeClient::new(client(&server, Policy::default()), ledger);
    let other = Connection::open(directory.path().join("ledger.sqlite")).unwrap();
    other.execute_batch("ALTER TABLE terms RENAME TO lost").unwrap();
    let outcome = safe.create(name("AcmePortal")).await;
    assert!(!outcome.exists(), "{outcome:?}");
    assert_eq!(names(&server).await, [""; 0]);
    other.execute_batch("ALTER TABLE lost RENAME TO terms").unwrap();
    let outcome = safe.create(name("AcmePortal")).await;
    assert!(outcome.is_ours(), "{outcome:?}");
}
