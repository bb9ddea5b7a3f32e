//! The driver of a create, on paused time.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portal_http::client::{Baseline, IntentSink};
use portal_model::Response;
use portal_model::flow::{Activity, Intent, NoAnswer};
use portal_model::outcome::{NotCreated, Origin, Outcome};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::script::{Act, CREATE, LIST, Scripted, TOKEN, created, name, none, ours, quick};

/// Notes what happens to the intent, among the calls of the service.
#[derive(Clone, Default)]
struct Notes {
    lines: Arc<Mutex<Vec<String>>>,
    full: bool,
}

impl Notes {
    fn note(&self, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl IntentSink for Notes {
    async fn record(&mut self, intent: &Intent) -> io::Result<()> {
        self.note(&format!("record {} {}", intent.name, intent.posts));
        if self.full { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    async fn clear(&mut self) -> io::Result<()> {
        self.note("clear");
        Ok(())
    }
}

/// A service whose calls stand among the notes.
fn noted(notes: &Notes, mut script: impl FnMut(&str) -> Act + Send + 'static) -> Scripted {
    let notes = notes.clone();
    Scripted::granting(move |call| {
        notes.note(call.what.split(' ').next().unwrap());
        script(&call.what)
    })
}

#[tokio::test(start_paused = true)]
async fn a_create_looks_then_sends_once() {
    let service = Scripted::granting(|call| if call.what == LIST { none() } else { created() });
    let outcome = service.client().create(name()).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    assert_eq!(service.seen(), [TOKEN, LIST, CREATE]);
}

#[tokio::test(start_paused = true)]
async fn creates_that_share_their_baseline_look_once_and_look_again_in_doubt() {
    let mut posts = 0;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        CREATE => {
            posts += 1;
            if posts < 5 { created() } else { Act::Fail(NoAnswer::TimedOut.into()) }
        }
        _ if posts == 5 => ours(),
        _ => none(),
    });
    let (client, baseline) = (service.client(), Baseline::new());
    let creates: JoinSet<_> =
        (0..5).map(|_| client.create_sharing(client.flow(name()), (), &baseline)).collect();
    let outcomes = creates.join_all().await;
    let kinds: Vec<_> = outcomes.iter().map(Outcome::kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "created").count(), 4, "{kinds:?}");
    assert!(kinds.contains(&"present"), "{kinds:?}");
    let seen = service.seen();
    assert_eq!(seen.iter().filter(|what| **what == LIST).count(), 2, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn an_intent_is_recorded_before_the_post_and_cleared_once_it_is_certain() {
    let notes = Notes::default();
    let mut sent = false;
    let service = noted(&notes, move |what| match what {
        CREATE => {
            sent = true;
            Act::Fail(NoAnswer::Broken("reset".to_owned()).into())
        }
        _ if sent => ours(),
        _ => none(),
    });
    let client = service.client();
    let outcome = client.create_with(client.flow(name()), notes.clone()).await;
    assert!(matches!(outcome, Outcome::Present { origin: Origin::Appeared, .. }), "{outcome:?}");
    let expected = ["GET", "record PortalsAPItest100 1", "POST", "GET", "clear"];
    assert_eq!(notes.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_where_the_intent_cant_be_recorded() {
    let notes = Notes { full: true, ..Notes::default() };
    let service = noted(&notes, |_| none());
    let client = service.client();
    let outcome = client.create_with(client.flow(name()), notes.clone()).await;
    let Outcome::NotCreated { reason: NotCreated::NotStarted(why), .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(why, "the intent can't be recorded: no storage space");
    assert_eq!(notes.lines(), ["GET", "record PortalsAPItest100 1", "clear"]);
}

#[tokio::test(start_paused = true)]
async fn a_create_goes_on_to_its_end_when_its_caller_hangs_up() {
    let service = Scripted::granting(|call| if call.what == LIST { none() } else { Act::Hang });
    let client = service.builder().policy(quick()).build(super::script::credential()).unwrap();
    let notes = Notes::default();
    let creating = client.create_with(client.flow(name()), notes.clone());
    let mut activity = creating.activity();
    activity.wait_for(|activity| matches!(activity, Activity::Sending { .. })).await.unwrap();
    drop(creating);
    assert!(activity.wait_for(|activity| *activity == Activity::Done).await.is_ok());
    while activity.changed().await.is_ok() {}
    assert_eq!(notes.lines().last().unwrap(), "clear");
}

#[tokio::test(start_paused = true)]
async fn stopped_while_a_post_is_under_way_it_is_in_doubt_and_the_intent_stays() {
    let service = Scripted::granting(|call| if call.what == LIST { none() } else { Act::Hang });
    let client = service.client();
    let notes = Notes::default();
    let creating = client.create_with(client.flow(name()), notes.clone());
    let mut activity = creating.activity();
    activity.wait_for(|activity| matches!(activity, Activity::Sending { .. })).await.unwrap();
    let began = Instant::now();
    creating.stop();
    let outcome = creating.await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    let Outcome::Unknown { intent, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(notes.lines(), ["record PortalsAPItest100 1"]);

    let service = Scripted::granting(|_| ours());
    let outcome = service.client().resume(intent, notes.clone()).await;
    assert!(matches!(outcome, Outcome::Present { .. }), "{outcome:?}");
    assert_eq!(service.count("POST /crm"), 0);
    assert_eq!(notes.lines().last().unwrap(), "clear");
}

#[tokio::test(start_paused = true)]
async fn stopped_before_a_post_nothing_is_in_doubt() {
    let service = Scripted::granting(|_| Act::Hang);
    let creating = service.client().create(name());
    creating.activity().wait_for(|activity| *activity == Activity::LookingFirst).await.unwrap();
    creating.stop();
    let outcome = creating.await;
    let Outcome::NotCreated { reason: NotCreated::Stopped, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(service.count("POST /crm"), 0);
}

#[test]
fn a_runtime_that_shuts_down_leaves_the_intent_and_an_honest_outcome() {
    let notes = Notes::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let service = Scripted::granting(|call| if call.what == LIST { none() } else { Act::Hang });
    let client = service.client();
    let entered = runtime.enter();
    let creating = client.create_with(client.flow(name()), notes.clone());
    drop(entered);
    runtime.block_on(async {
        let mut activity = creating.activity();
        activity.wait_for(|activity| matches!(activity, Activity::Sending { .. })).await.unwrap();
    });
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(creating);
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(notes.lines(), ["record PortalsAPItest100 1"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_run_at_once_than_the_org_may_have() {
    let service = Scripted::granting(|call| if call.what == LIST { none() } else { created() });
    let client = service.client();
    let mut creates = JoinSet::new();
    for _ in 0..40 {
        creates.spawn(client.create(name()));
    }
    while let Some(outcome) = creates.join_next().await {
        outcome.unwrap();
    }
    assert_eq!(service.most_at_once(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_create_comes_back_when_the_service_says() {
    let mut throttles = 3;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        LIST => none(),
        _ if throttles == 0 => created(),
        _ => {
            throttles -= 1;
            let answer = Response::new(429, "").with_retry_after(Some("7"), None);
            Act::Say(answer)
        }
    });
    let began = Instant::now();
    let outcome = service.client().create(name()).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    assert_eq!(began.elapsed().as_secs(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_for_until_the_service_has_settled() {
    let service = Scripted::granting(|call| match call.what.as_str() {
        CREATE => Act::Fail(NoAnswer::Broken("reset".to_owned()).into()),
        _ => none(),
    });
    let mut policy = quick();
    policy.max_posts = 1;
    let client = service.builder().policy(policy).build(super::script::credential()).unwrap();
    let creating = client.create(name());
    let mut activity = creating.activity();
    let settling = |activity: &Activity| matches!(activity, Activity::Settling { .. });
    let shown = activity.wait_for(settling).await.unwrap().clone();
    assert_eq!(
        shown,
        Activity::Settling { cause: "the answer was lost: the connection broke: reset".to_owned() }
    );
    let began = Instant::now();
    let outcome = creating.await;
    let Outcome::NotCreated { reason: NotCreated::Exhausted, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}
