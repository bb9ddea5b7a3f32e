//! A call is stopped, dropped, or its task dies.

use std::time::Duration;

use portal_http::client::{Bounds, Client, SafeClient, Transport, TransportError};
use portal_http::ledger::Ledger;
use portal_model::Outcome;
use portal_model::flow::Activity;
use portal_model::outcome::NotDone;

use super::{name, names, safe, sending, server};

/// After that, no attempt can take effect any more.
const SETTLED: Duration = Duration::from_secs(300);

/// Stops a create at its `number`th activity. Returns whether it got there.
async fn stop_at(number: usize, faults: &[&str]) -> bool {
    let server = server(faults).await;
    let ledger = Ledger::in_memory();
    let mut call = safe(&server, &ledger).create(name("AcmePortal")).start();
    let mut activity = call.activity();
    let mut shown = vec![activity.borrow().clone()];
    let stopped = loop {
        if shown.len() > number {
            call.stop();
            break (&mut call).await;
        }
        tokio::select! {
            biased;
            ended = &mut call => break ended,
            Ok(()) = activity.changed() => shown.push(activity.borrow().clone()),
        }
    };
    tokio::time::sleep(SETTLED).await;
    let exists = !names(&server).await.is_empty();
    match &stopped.outcome {
        Outcome::Unknown { .. } => assert!(stopped.entry.is_some(), "{shown:?}"),
        outcome => assert_eq!(outcome.exists(), exists, "{faults:?} {shown:?}: {outcome:?}"),
    }
    // The same again, in the next process, ends with one portal.
    let again = safe(&server, &ledger.after_restart()).create(name("AcmePortal")).await;
    assert!(again.exists(), "{faults:?} {shown:?}: {again:?}");
    assert_eq!(names(&server).await, ["AcmePortal"], "{shown:?}");
    shown.len() > number
}

#[tokio::test(start_paused = true)]
async fn call_stopped_at_any_activity_is_true() {
    let sets: [&[&str]; 5] = [
        &[],
        &["POST committed:drop:@1"],
        &["POST request:drop:@1", "GET request:stale=5s"],
        &["POST request:delay=40s:@1", "GET request:500:@3"],
        &["POST request:429=3:@1", "GET request:html:@2"],
    ];
    for faults in sets {
        // Without some latency all of it happens at once.
        let faults = &[faults, &["request:delay=1ms", "committed:delay=1ms"]].concat();
        let mut number = 0;
        while stop_at(number, faults).await {
            number += 1;
        }
        assert!(number >= 3, "{faults:?}: {number} activities");
    }
}

#[tokio::test(start_paused = true)]
async fn queued_call_stops_at_once() {
    let server = server(&["POST request:delay=10s"]).await;
    let safe = safe(&server, &Ledger::in_memory());
    let first = safe.create(name("FirstPortal")).start();
    sending(&first).await;
    let began = tokio::time::Instant::now();
    let second = safe.create(name("SecondPortal")).start();
    second.stop();
    let Outcome::NotCreated { why: NotDone::Stopped, .. } = second.await.outcome else { panic!() };
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(first.await.outcome.is_ours());
}

#[tokio::test(start_paused = true)]
async fn dropped_call_goes_on() {
    let server = server(&["POST request:delay=10s"]).await;
    let safe = safe(&server, &Ledger::in_memory());
    let call = safe.create(name("AcmePortal")).start();
    let mut activity = call.activity();
    sending(&call).await;
    drop(call);
    activity.wait_for(|activity| *activity == Activity::Done).await.unwrap();
    assert_eq!(names(&server).await, ["AcmePortal"]);
    // Awaited with a limit, it is the same.
    let rename = safe.rename("AcmePortal", name("AcmeHelp")).into_future();
    assert!(tokio::time::timeout(Duration::from_millis(1), rename).await.is_err());
    tokio::time::sleep(SETTLED).await;
    assert_eq!(names(&server).await, ["AcmeHelp"]);
}

/// Panics at the first attempt.
struct Faulty;

impl Transport for Faulty {
    async fn send(
        &self,
        _: http::Request<bytes::Bytes>,
        bounds: Bounds,
    ) -> Result<http::Response<bytes::Bytes>, TransportError> {
        assert!(!bounds.is_attempt, "an attempt");
        Ok(http::Response::builder().status(204).body(bytes::Bytes::new()).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn outcome_is_delivered_after_panic() {
    let credential = portal_http::client::Credential::access_token("t".to_owned());
    let builder = Client::builder().api_url("https://www.zohoapis.eu").transport(Faulty);
    let safe = SafeClient::new(builder.build(credential).unwrap(), Ledger::in_memory());
    let safe = safe.with_org_id("7000");
    let outcome = safe.create(name("AcmePortal")).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    // It holds up nobody for longer than its attempt may last.
    let began = tokio::time::Instant::now();
    drop(safe.create(name("AcmePortal")).await);
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
}

#[test]
fn outcome_is_delivered_after_end_of_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (server, call) = first.block_on(async {
        let server = server(&["POST request:delay=10s"]).await;
        let call = safe(&server, &Ledger::in_memory()).create(name("AcmePortal")).start();
        sending(&call).await;
        (server, call)
    });
    drop(first);
    let ended = runtime().block_on(call);
    assert!(matches!(ended.outcome, Outcome::Unknown { .. }), "{:?}", ended.outcome);
    drop(server);
}
