//! Many creates by one client: its slots, and their order. With paused time.

use std::time::Duration;

use portal_model::flow::Policy;
use portal_model::outcome::{NotDone, Outcome, OutcomeKind};
use portal_model::{CreatePortal, PortalName, Response};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::script::{
    Act, CREATE, LIST, Scripted, creates, credential, lists_nothing, name, none, ours, policy,
    reason, safely,
};

/// The latency of a service under load.
const SLOW: Duration = Duration::from_millis(200);

fn allow_another() -> Policy {
    policy(|policy| policy.allow_another = true)
}

fn distinct(count: u32) -> impl Iterator<Item = PortalName> {
    (0..count).map(|number| PortalName::parse(&format!("Portal{number}")).unwrap())
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_stay_within_limit() {
    let service = Scripted::granting(lists_nothing);
    let safe = service.safe_with(allow_another());
    let creates: JoinSet<_> = distinct(40).map(|name| safe.create(name).into_future()).collect();
    creates.join_all().await;
    assert_eq!(service.max_in_flight(), 5);
}

#[tokio::test(start_paused = true)]
async fn thousand_concurrent_creates_meet_deadline() {
    let service = Scripted::granting(lists_nothing);
    // 1,000 creates of two requests each over five slots take 80 s, and a flow reserves 140 s for an
    // attempt and its verification.
    let mut policy = allow_another();
    policy.deadline = Duration::from_secs(240);
    let safe = service.slow(SLOW).safe_with(policy);
    let creates: JoinSet<_> = distinct(1000).map(|name| safe.create(name).into_future()).collect();
    let outcomes = creates.join_all().await;
    assert!(outcomes.iter().all(|outcome| outcome.kind() == OutcomeKind::Created));
}

#[tokio::test(start_paused = true)]
async fn failed_lists_are_repeated_before_new_creates() {
    let mut lists = 0;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        LIST => {
            lists += 1;
            if lists <= 50 { Act::Respond(Response::new(503, "")) } else { none() }
        }
        _ => creates(call),
    });
    let safe = service.slow(SLOW).safe_with(allow_another());
    let creates: JoinSet<_> = distinct(1000).map(|name| safe.create(name).into_future()).collect();
    let outcomes = creates.join_all().await;
    let other = outcomes.iter().find(|outcome| outcome.kind() != OutcomeKind::Created);
    assert_eq!(other, None);
}

#[tokio::test(start_paused = true)]
async fn create_behind_slow_calls_ends_by_deadline() {
    let service = Scripted::granting(|_| Act::Hang);
    let client = service.builder().concurrency(1).build(credential()).unwrap();
    let safe = safely(client.clone());
    safe.identify().await.unwrap();
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        calls.spawn(async move { client.send_once(&CreatePortal::new(name())).await });
    }
    tokio::task::yield_now().await;
    let why = reason(safe.create(name()).await);
    assert!(matches!(why, NotDone::Deadline { .. }), "{why:?}");
    assert_eq!(began.elapsed().as_secs(), Policy::default().deadline.as_secs());
}

#[tokio::test(start_paused = true)]
async fn creates_of_one_client_run_one_after_another() {
    let mut is_created = false;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        CREATE => {
            is_created = true;
            creates(call)
        }
        _ if is_created => ours(),
        _ => none(),
    });
    let safe = service.slow(SLOW).safe();
    let names = [name(), "SecondName".parse().unwrap()];
    let creates: JoinSet<_> =
        names.into_iter().map(|name| safe.create(name).into_future()).collect();
    let mut kinds: Vec<_> = creates.join_all().await.iter().map(Outcome::kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [OutcomeKind::Created, OutcomeKind::OrgHasPortal]);
    assert_eq!(service.count(CREATE), 1);
}
