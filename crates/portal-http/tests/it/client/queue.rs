//! Many creates of one client: its slots, and whose turn it is. On paused time.

use std::time::Duration;

use portal_model::flow::Policy;
use portal_model::outcome::{NotDone, Outcome, OutcomeKind};
use portal_model::{ApiVersion, CreateFlow, CreatePortal, Response};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::script::{
    Act, CREATE, LIST, Scripted, created, credential, name, never_responds, none, ours, reason,
    sending,
};

/// The latency of a service under load.
const SLOW: Duration = Duration::from_millis(200);

fn allow_another() -> Policy {
    let mut policy = Policy::default();
    policy.allow_another = true;
    policy
}

#[tokio::test(start_paused = true)]
async fn requests_at_once_stay_within_the_limit() {
    let service = Scripted::granting(|call| if call.what == LIST { none() } else { created() });
    let client = service.builder().policy(allow_another()).build(credential()).unwrap();
    let creates: JoinSet<_> = (0..40).map(|_| client.create(name())).collect();
    creates.join_all().await;
    assert_eq!(service.most_at_once(), 5);
}

#[tokio::test(start_paused = true)]
async fn thousand_creates_at_once_none_gives_up_within_deadline_of_the_queue() {
    let service = Scripted::granting(|call| if call.what == LIST { none() } else { created() });
    // 1,000 creates of two requests by five slots take 80 s; an attempt needs 140 s.
    let mut policy = allow_another();
    policy.deadline = Duration::from_secs(240);
    let client = service.slow(SLOW).builder().policy(policy).build(credential()).unwrap();
    let creates: JoinSet<_> = (0..1000).map(|_| client.create(name())).collect();
    let outcomes = creates.join_all().await;
    assert!(outcomes.iter().all(|outcome| outcome.kind() == OutcomeKind::Created));
}

#[tokio::test(start_paused = true)]
async fn thousand_creates_at_once_repeat_failed_lists_before_new_ones() {
    let mut lists = 0;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        LIST => {
            lists += 1;
            if lists <= 50 { Act::Say(Response::new(503, "")) } else { none() }
        }
        _ => created(),
    });
    let client = service.slow(SLOW).builder().policy(allow_another()).build(credential()).unwrap();
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
        calls.spawn(async move { client.call(&CreatePortal::new(name())).await });
    }
    tokio::task::yield_now().await;
    assert_eq!(reason(client.create(name()).await), NotDone::Deadline);
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
async fn create_that_waits_for_its_turn_can_be_stopped() {
    let service = Scripted::granting(|call| never_responds(&call.what));
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
async fn create_that_waits_for_its_turn_until_deadline_sends_nothing() {
    let service = Scripted::granting(|call| never_responds(&call.what));
    let client = service.client();
    let first = client.create(name());
    sending(&first).await;
    let sent = service.seen().len();
    let mut policy = Policy::default();
    policy.deadline = Duration::from_secs(50);
    let second = "SecondName".parse().unwrap();
    let second = CreateFlow::new(second, policy, ApiVersion::V7);
    let began = Instant::now();
    assert_eq!(reason(client.perform(second, ()).await), NotDone::Deadline);
    assert_eq!(began.elapsed().as_secs(), 50);
    assert_eq!(service.seen().len(), sent);
}
