//! Processes that are frozen, and go on later.

use std::io::Write as _;
use std::path::Path;

use portal_ledger::RecordError;
use portal_testkit::{Signal, needs, signal};

use super::{Process, ledger, say};
use crate::engine::{Engine, at, intent, wants};

/// Claims, and records once it is told to.
#[tokio::test]
#[ignore = "a process that another test starts"]
async fn sleeper() {
    let Some(ledger) = ledger() else { return };
    let mut permit = match ledger.claim(&wants("1", "AcmePortal"), &at(100)).await {
        Ok(Ok(permit)) => permit,
        other => return say(&format!("{other:?}")),
    };
    say("granted");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    match permit.record(&intent("AcmePortal"), &at(101)).await {
        Err(RecordError::Adopted(_)) => say("adopted"),
        other => say(&format!("{other:?}")),
    }
}

/// A process is frozen beyond the end of its lease: it makes no attempt when it wakes up.
async fn freeze(engine: &Engine, place: &str) {
    engine.at(100).await;
    let mut process = Process::start("frozen::sleeper", place, Path::new(""));
    assert_eq!(process.says().unwrap(), "granted");
    signal(&process.child, Signal::STOP);
    let mut adopted = engine.granted(&wants("2", "AcmePortal"), 125).await;
    adopted.record(&intent("AcmePortal"), &engine.at(125).await).await.unwrap();
    signal(&process.child, Signal::CONT);
    writeln!(process.stdin).unwrap();
    assert_eq!(process.says().unwrap(), "adopted");
    process.child.wait().unwrap();
}

#[tokio::test]
async fn frozen_process_learns_that_its_entry_was_adopted() {
    let engine = Engine::sqlite();
    freeze(&engine, &engine.place()).await;
}

#[needs(postgresql)]
#[tokio::test]
async fn frozen_process_learns_that_its_entry_was_adopted_over_postgresql() {
    let engine = Engine::postgres().await;
    freeze(&engine, &engine.place()).await;
}

/// A process that is frozen in the middle of a transaction does not keep the others from theirs.
#[needs(postgresql)]
#[tokio::test]
async fn process_frozen_in_transaction_loses_it() {
    let engine = Engine::postgres().await;
    let lock = engine.lock_origin_after(&wants("0", "AcmePortal")).await;
    let mut process = Process::start("frozen::sleeper", &engine.place(), Path::new(""));
    engine.wait_for_blocked_session().await;
    signal(&process.child, Signal::STOP);
    // It is granted the lock, and its client does nothing with it.
    drop(lock);
    let mut permit = engine.granted(&wants("2", "AcmePortal"), 100).await;
    permit.record(&intent("AcmePortal"), &engine.at(100).await).await.unwrap();
    signal(&process.child, Signal::CONT);
    let said = process.says().unwrap();
    // Its transaction was ended; where there is time for another one, that sees the new holder.
    let lost = ["Err(NotApplied(\"PostgreSQL: ", "Err(Unknown(\"PostgreSQL: ", "Ok(Err(Wait("];
    assert!(lost.iter().any(|lost| said.starts_with(lost)), "{said}");
    process.child.wait().unwrap();
}
