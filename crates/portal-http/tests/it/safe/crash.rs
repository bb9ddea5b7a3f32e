//! A process dies, or freezes, and the same is done again.

use std::sync::mpsc;
use std::time::Duration;

use portal_http::client::{
    Bounds, Call, Client, Credential, SafeClient, Transport, TransportError,
};
use portal_http::ledger::Ledger;
use portal_http::server::{LocalServer, PortalService};
use portal_model::flow::{NotSent, Policy};
use portal_store::MemoryRegistry;
use tokio::time::Instant;

use super::{client, name, names, safe, sending, server};

/// Kills a create in mid-attempt and does it again; returns how long the second one took.
async fn again_after(fault: &str, key: Option<&str>) -> Duration {
    let server = server(&[fault]).await;
    let ledger = Ledger::in_memory();
    let create = |safe: SafeClient| {
        let create = safe.create(name("AcmePortal"));
        key.map_or(create.clone(), |key| create.key(key))
    };
    let call = create(safe(&server, &ledger)).start();
    sending(&call).await;
    let ledger = ledger.after_restart();
    let began = Instant::now();
    let outcome = create(safe(&server, &ledger)).await;
    assert!(outcome.is_ours(), "{fault}: {outcome:?}");
    let took = began.elapsed();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(names(&server).await, ["AcmePortal"], "{fault}");
    took
}

#[tokio::test(start_paused = true)]
async fn create_killed_in_mid_attempt_is_one_portal() {
    for key in [None, Some("4711")] {
        // The effect of the killed one is there, comes late, or never comes.
        assert!(again_after("POST committed:delay=1h:@1", key).await <= Duration::from_secs(1));
        assert!(again_after("POST request:delay=15s:@1", key).await <= Duration::from_secs(30));
        let took = again_after("POST request:delay=40s:@1", key).await;
        assert!(took <= Duration::from_secs(60), "{took:?}");
    }
}

/// What is done, killed and done again.
type Operation = fn(&SafeClient) -> Call;

/// Kills an operation after `time` and does it again; the portals of the org in the end.
async fn killed_after(time: Duration, operation: Operation, faults: &[&str]) -> Vec<String> {
    let server = server(&[]).await;
    let ledger = Ledger::in_memory();
    let other = safe(&server, &ledger).create(name("OldPortal")).allow_another();
    assert!(other.await.is_ours());
    tokio::time::sleep(Duration::from_secs(300)).await;
    server.set_faults(faults.iter().map(|fault| fault.parse().unwrap()));
    let call = operation(&safe(&server, &ledger)).key("4711").start();
    tokio::time::sleep(time).await;
    drop(call);
    let again = operation(&safe(&server, &ledger.after_restart())).key("4711").await;
    assert!(again.is_ours(), "{time:?} {faults:?}: {again:?}");
    tokio::time::sleep(Duration::from_secs(300)).await;
    let names = names(&server).await;
    assert!(names.iter().any(|name| name == again.name()), "{time:?} {faults:?}: {again:?}");
    names
}

#[tokio::test(start_paused = true)]
async fn operation_killed_at_any_point_is_done_once() {
    let operations: [(Operation, &[&str]); 3] = [
        (|safe| safe.create(name("AcmePortal")).allow_another(), &["OldPortal", "AcmePortal"]),
        (
            |safe| {
                let create = safe.create(name("AcmePortal")).fallback(name("AcmeHelp"));
                create.allow_another()
            },
            &["OldPortal", "AcmePortal"],
        ),
        (|safe| safe.rename("OldPortal", name("AcmePortal")), &["AcmePortal"]),
    ];
    let sets: [&[&str]; 4] = [
        &[],
        &["committed:drop:@3", "GET request:stale=8s"],
        &["POST request:delay=15s:@1", "PUT request:delay=15s:@1"],
        &["POST committed:500:@1", "PUT committed:html:@1", "GET request:500:@3"],
    ];
    for (operation, expected) in operations {
        for faults in sets {
            // Every millisecond of an undisturbed one, and every so often afterwards.
            let faults = &[faults, &["request:delay=2ms", "committed:delay=2ms"]].concat();
            for millis in (0..16).chain((1..10).map(|number| number * number * 400)) {
                let time = Duration::from_millis(millis);
                assert_eq!(killed_after(time, operation, faults).await, expected);
            }
        }
    }
}

/// Hands an attempt to the service only after a message, as a process that is frozen before its first
/// byte and wakes up.
struct Frozen {
    service: PortalService<MemoryRegistry>,
    asleep: mpsc::Sender<()>,
    wake: std::sync::Mutex<Option<mpsc::Receiver<()>>>,
}

impl Transport for Frozen {
    async fn send(
        &self,
        request: http::Request<bytes::Bytes>,
        bounds: Bounds,
    ) -> Result<http::Response<bytes::Bytes>, TransportError> {
        let wake = if bounds.is_attempt { self.wake.lock().unwrap().take() } else { None };
        if let Some(wake) = wake {
            self.asleep.send(()).unwrap();
            // Its whole thread stands still, timers included.
            wake.recv().unwrap();
        }
        if !bounds.may_begin() {
            return Err(NotSent::NotStarted("late".to_owned()).into());
        }
        self.service.send(request, bounds).await
    }
}

#[tokio::test]
async fn frozen_process_that_wakes_sends_nothing() {
    let server = LocalServer::start().await.unwrap();
    let ledger = Ledger::in_memory();
    let mut policy = Policy::rehearsal();
    policy.attempt_timeout = Duration::from_millis(300);
    policy.record_timeout = Duration::from_millis(100);
    let (asleep, frozen) = mpsc::channel();
    let (wake, woken) = mpsc::channel();
    let transport = Frozen { service: server.service().clone(), asleep, wake: Some(woken).into() };
    let credential = Credential::access_token(server.access_token().await.unwrap());
    let builder = Client::builder().api_url(server.url()).transport(transport);
    let slow =
        SafeClient::new(builder.policy(policy.clone()).build(credential).unwrap(), ledger.clone());
    let create = slow.create(name("AcmePortal")).key("4711");
    let sleeper = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(create.into_future())
    });
    tokio::task::spawn_blocking(move || frozen.recv().unwrap()).await.unwrap();

    let safe = SafeClient::new(client(&server, policy), ledger.clone());
    let outcome = safe.create(name("AcmePortal")).key("4711").await;
    assert!(outcome.is_ours(), "{outcome:?}");
    // As a colleague would, so that a second attempt would make a second portal.
    let renamed = safe.rename("AcmePortal", name("AcmeHelp")).await;
    assert!(renamed.is_ours(), "{renamed:?}");
    wake.send(()).unwrap();
    let late = tokio::task::spawn_blocking(|| sleeper.join().unwrap()).await.unwrap();
    assert_eq!(names(&server).await, ["AcmeHelp"], "{late:?}");
    assert!(!late.is_certain() || late.is_ours(), "{late:?}");
}
