//! Many creates by one client: its slots, and their order. With paused time.

use std::time::Duration;

use portal_model::flow::Flow;
use portal_model::flow::Policy;
use portal_model::outcome::{NotDone, Outcome, OutcomeKind};
use portal_model::{ApiVersion, CreateOperation, CreatePortal, Response};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::script::{
    Act, CREATE, LIST, Scripted, created, creates, credential, name, never_responds, none, ours,
    policy, reason, sending,
};

/// The latency of a service under load.
const SLOW: Duration = Duration::from_millis(200);

fn allow_another() -> Policy {
    policy(|policy| policy.allow_another = true)
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_stay_within_limit() {
    let service = Scripted::granting(creates);
    let client = service.client_with(allow_another());
    let creates: JoinSet<_> = (0..40).map(|_| client.create(name())).collect();
    creates.join_all().await;
    assert_eq!(service.max_in_flight(), 5);
}

#[tokio::test(start_paused = true)]
async fn thousand_concurrent_creates_meet_deadline() {
    let service = Scripted::granting(creates);
    // 1,000 creates of two requests each over five slots take 80 s, and a flow reserves 140 s for an
    // attempt and its verification.
    let mut policy = allow_another();
    policy.deadline = Duration::from_secs(240);
    let client = service.slow(SLOW).client_with(policy);
    let creates: JoinSet<_> = (0..1000).map(|_| client.create(name())).collect();
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
        _ => created(),
    });
    let client = service.slow(SLOW).client_with(allow_another());
    let creates: JoinSet<_> = (0..1000).map(|_| client.create(name())).collect();
    let outcomes = creates.join_all().await;
    let other = outcomes.iter().find(|outcome| outcome.kind() != OutcomeKind::Created);
    assert_eq!(other, None);
}

#[tokio::test(start_paused = true)]
async fn create_behind_slow_calls_ends_by_deadline() {
    let service = Scripted::granting(|_| Act::Hang);
    let client = service.builder().concurrency(1).build(credential()).unwrap();
    client.authenticate().await.unwrap();
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        calls.spawn(async move { client.send_once(&CreatePortal::new(name())).await });
    }
    tokio::task::yield_now().await;
    assert_eq!(reason(client.create(name()).await), NotDone::Deadline { last: None });
    assert_eq!(began.elapsed().as_secs(), Policy::default().deadline.as_secs());
}

#[tokio::test(start_paused = true)]
async fn creates_of_one_client_run_one_after_another() {
    let mut is_created = false;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        CREATE => {
            is_created = true;
            created()
        }
        _ if is_created => ours(),
        _ => none(),
    });
    let client = service.slow(SLOW).client();
    let names = [name(), "SecondName".parse().unwrap()];
    let creates: JoinSet<_> = names.into_iter().map(|name| client.clone().create(name)).collect();
    let mut kinds: Vec<_> = creates.join_all().await.iter().map(Outcome::kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [OutcomeKind::Created, OutcomeKind::OrgHasPortal]);
    assert_eq!(service.count(CREATE), 1);
}

#[tokio::test(start_paused = true)]
async fn queued_create_can_be_stopped() {
    let service = Scripted::granting(never_responds);
    let client = service.client();
    let first = client.create(name());
    sending(&first).await;
    let began = Instant::now();
    let second = client.create("SecondName".parse().unwrap());
    second.stop();
    assert_eq!(reason(second.await), NotDone::Stopped);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn create_queued_until_deadline_sends_nothing() {
    let service = Scripted::granting(never_responds);
    let client = service.client();
    let first = client.create(name());
    sending(&first).await;
    let sent = service.seen().len();
    let policy = policy(|policy| policy.deadline = Duration::from_secs(50));
    let second = CreateOperation::new("SecondName".parse().unwrap());
    let second = Flow::new(second.into(), policy, ApiVersion::V7);
    let began = Instant::now();
    assert_eq!(reason(client.perform(second, ()).await), NotDone::Deadline { last: None });
    assert_eq!(began.elapsed().as_secs(), 50);
    assert_eq!(service.seen().len(), sent);
}
