//! When a create tries again, how long it waits, and when it gives up. On paused time.

use std::time::Duration;

use portal_model::Response;
use portal_model::error::with_sources;
use portal_model::flow::{Activity, NotSent};
use portal_model::outcome::{NotDone, Outcome, Unverified};
use tokio::time::Instant;

use super::script::{Act, CREATE, LIST, Scripted, created, lost, name, none, policy, reason};

fn with_header(status: u16, name: &'static str, value: &'static str) -> Act {
    Act::Respond(Response::new(status, "").with_headers(|header| (header == name).then_some(value)))
}

#[tokio::test(start_paused = true)]
async fn rate_limited_create_waits_as_long_as_asked() {
    let mut limits = 2;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        LIST => none(),
        _ if limits == 0 => created(),
        _ => {
            limits -= 1;
            with_header(429, "retry-after", "7")
        }
    });
    let began = Instant::now();
    let outcome = service.safe().create(name()).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    let seconds = began.elapsed().as_secs();
    assert!((14..=16).contains(&seconds), "{seconds} s: twice 7 s and the jitter");
}

#[tokio::test(start_paused = true)]
async fn transient_502_is_created_within_two_seconds() {
    let mut is_first = true;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        CREATE if std::mem::take(&mut is_first) => Act::Respond(Response::new(502, "<html>")),
        CREATE => created(),
        _ => none(),
    });
    let began = Instant::now();
    let outcome = service.safe().create(name()).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn unreachable_service_ends_within_20_seconds() {
    for failure in [
        || Act::Fail(NotSent::ConnectTimedOut.into()),
        || Act::Respond(Response::new(503, "<html>maintenance")),
        || Act::Hang,
    ] {
        let service = Scripted::granting(move |_| failure());
        let began = Instant::now();
        let outcome = service.safe().create(name()).await;
        assert!(matches!(reason(outcome), NotDone::Unreachable(_)));
        assert!(began.elapsed() <= Duration::from_secs(21), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn rate_limit_with_zero_wait_backs_off() {
    let service = Scripted::granting(|_| with_header(429, "retry-after", "0"));
    let began = Instant::now();
    let outcome = service.safe().create(name()).await;
    assert!(matches!(reason(outcome), NotDone::RateLimited { .. }));
    // The backoff grows to between 5 s and 10 s.
    let most = 6 + began.elapsed().as_secs() / 5;
    assert!(service.count(LIST) as u64 <= most, "{} lists", service.count(LIST));
}

#[tokio::test(start_paused = true)]
async fn unavailable_service_is_retried_after_its_wait() {
    let mut is_first = true;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        LIST if std::mem::take(&mut is_first) => with_header(503, "retry-after", "7"),
        LIST => none(),
        _ => created(),
    });
    let began = Instant::now();
    let outcome = service.safe().create(name()).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    let seconds = began.elapsed().as_secs();
    assert!((7..=8).contains(&seconds), "{seconds} s: 7 s and the jitter");
}

#[tokio::test(start_paused = true)]
async fn baseline_from_cache_sends_nothing() {
    let service = Scripted::granting(|_| with_header(204, "age", "60"));
    let outcome = service.safe().create(name()).await;
    assert!(matches!(reason(outcome), NotDone::Unreachable(_)));
    assert_eq!((service.count(LIST), service.count(CREATE)), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn list_from_cache_is_no_proof_of_absence() {
    let mut is_sent = false;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        CREATE => {
            is_sent = true;
            lost()
        }
        _ if is_sent => with_header(204, "age", "60"),
        _ => none(),
    });
    let safe = service.safe_with(policy(|policy| policy.max_attempts = 1));
    let outcome = safe.create(name()).await;
    let Outcome::Unknown { why: Unverified::Deadline, .. } = outcome else { panic!("{outcome:?}") };
}

#[tokio::test(start_paused = true)]
async fn lost_response_is_verified_until_absence_holds() {
    let service = Scripted::granting(|call| match call.what.as_str() {
        CREATE => lost(),
        _ => none(),
    });
    let call = service.safe_with(policy(|policy| policy.max_attempts = 1)).create(name()).start();
    let mut activity = call.activity();
    let waiting = |activity: &Activity| matches!(activity, Activity::WaitingToVerify { .. });
    let shown = activity.wait_for(waiting).await.unwrap().clone();
    let Activity::WaitingToVerify { doubt, .. } = shown else { unreachable!() };
    assert_eq!(with_sources(&doubt), "response lost: reset");
    let began = Instant::now();
    assert!(matches!(reason(call.await.outcome), NotDone::Exhausted { .. }));
    assert_eq!(began.elapsed().as_secs(), 70);
}
