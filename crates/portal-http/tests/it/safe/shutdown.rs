//! `shutdown`, and `recover` in the next process.

use std::time::Duration;

use portal_http::client::ReadError;
use portal_http::ledger::{Entry, Filter, Ledger};
use portal_model::Outcome;
use portal_model::flow::Activity;
use portal_model::outcome::NotDone;
use tokio::time::Instant;

use super::{name, names, safe, sending, server};

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_what_is_in_doubt() {
    let server = server(&["POST request:delay=10s"]).await;
    let safe = safe(&server, &Ledger::in_memory());
    let first = safe.create(name("FirstPortal")).start();
    sending(&first).await;
    let queued = safe.create(name("SecondPortal")).start();
    assert_eq!(safe.shutdown(Duration::from_secs(20)).await.unwrap(), []);
    assert!(first.await.outcome.is_ours());
    for stopped in [queued, safe.create(name("ThirdPortal")).start()] {
        let outcome = stopped.await.outcome;
        assert!(
            matches!(outcome, Outcome::NotCreated { why: NotDone::Stopped, .. }),
            "{outcome:?}"
        );
    }
    assert_eq!(names(&server).await, ["FirstPortal"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_returns_what_stays_in_doubt() {
    let server = server(&["POST request:delay=15s:@1"]).await;
    let ledger = Ledger::in_memory();
    let safe = safe(&server, &ledger);
    let call = safe.create(name("AcmePortal")).start();
    sending(&call).await;
    let began = Instant::now();
    let left = safe.shutdown(Duration::from_secs(5)).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(left.iter().map(Entry::name).collect::<Vec<_>>(), ["AcmePortal"]);
    assert!(matches!(call.await.outcome, Outcome::Unknown { .. }));

    // The next process determines it; presence counts at once.
    let next = super::safe(&server, &ledger.after_restart());
    let recovered = tokio::spawn(next.recover()).await.unwrap().unwrap();
    let [ended] = &recovered[..] else { panic!("{recovered:?}") };
    assert!(ended.outcome.is_ours(), "{:?}", ended.outcome);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(next.recover().await.unwrap().is_empty());
    assert_eq!(names(&server).await, ["AcmePortal"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_returns_nothing_that_ended_while_a_recovery_waited_for_it() {
    let server = server(&["POST request:delay=1s"]).await;
    let ledger = Ledger::in_memory();
    let safe = safe(&server, &ledger);
    let call = safe.create(name("AcmePortal")).start();
    sending(&call).await;
    let [entry] = &ledger.entries(&Filter::default()).await.unwrap()[..] else { panic!() };
    let recovery = safe.recover_entry(&entry.id);
    let is_waiting = |activity: &Activity| matches!(activity, Activity::WaitingForOthers);
    recovery.activity().wait_for(is_waiting).await.unwrap();
    assert!(call.await.outcome.is_ours());
    assert_eq!(safe.shutdown(Duration::from_secs(20)).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn shutdown_returns_what_was_in_doubt_before_once() {
    let server = server(&["POST request:delay=1m:@1"]).await;
    let ledger = Ledger::in_memory();
    let safe = safe(&server, &ledger);
    let call = safe.create(name("AcmePortal")).start();
    sending(&call).await;
    call.stop();
    assert!(matches!(call.await.outcome, Outcome::Unknown { .. }));
    let recovery = tokio::spawn(safe.recover());
    // Neither has an outcome by then: both are about one entry.
    let grace = Duration::from_secs(1);
    let left = safe.shutdown(grace).await.unwrap();
    assert_eq!(left.iter().map(Entry::name).collect::<Vec<_>>(), ["AcmePortal"]);
    assert_eq!(recovery.await.unwrap().unwrap().len(), 1);
    // A client that has done nothing yet has the same entry, and asks nobody which org it is.
    let requests = server.requests().len();
    let next = super::safe(&server, &ledger.after_restart());
    assert_eq!(next.shutdown(grace).await.unwrap(), left);
    assert_eq!(server.requests().len(), requests);
}

#[tokio::test(start_paused = true)]
async fn recovery_that_could_not_look_is_an_error() {
    let server = server(&["GET request:500"]).await;
    let safe = safe(&server, &Ledger::in_memory());
    let error = safe.recover().await.unwrap_err();
    assert!(matches!(error, ReadError::Identify(_)), "{error:?}");
    server.set_faults([]);
    assert_eq!(safe.recover().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn recovery_never_sends() {
    let server = server(&["POST request:delay=1m", "POST request:drop"]).await;
    let ledger = Ledger::in_memory();
    let call = safe(&server, &ledger).create(name("AcmePortal")).start();
    sending(&call).await;
    call.stop();
    let entry = call.await.entry.unwrap();
    server.set_faults([]);
    let next = safe(&server, &ledger.after_restart());
    let ended = next.recover_entry(&entry).await;
    assert!(matches!(ended.outcome, Outcome::NotCreated { .. }), "{:?}", ended.outcome);
    assert_eq!((ended.entry, names(&server).await), (Some(entry), vec![]));
}
