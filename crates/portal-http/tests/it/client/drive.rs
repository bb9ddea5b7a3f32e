//! The driver of flows, on paused time.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portal_http::client::IntentSink;
use portal_model::Response;
use portal_model::error::with_sources;
use portal_model::flow::{Activity, CreateIntent, Intent};
use portal_model::outcome::{NotDone, Origin, Outcome, OutcomeKind};
use tokio::time::{Instant, sleep};

use super::script::{
    Act, CREATE, Call, LIST, NAME, Scripted, TOKEN, creates, lost, name, never_responds, none,
    ours, policy, quick, reason, sending,
};

/// Notes what happens to the intent, among the requests.
#[derive(Clone, Default)]
struct Notes {
    lines: Arc<Mutex<Vec<String>>>,
    is_full: bool,
    /// How long writing takes.
    delay: Duration,
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
        let Intent::Create(create) = intent else { panic!("{intent:?}") };
        sleep(self.delay).await;
        self.note(&format!("record {} {}", create.name, create.attempts));
        if self.is_full { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    async fn end(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.note(&format!("end {}", outcome.kind()));
        Ok(())
    }
}

/// A service whose requests are among the notes.
fn noted(notes: &Notes, mut script: impl FnMut(&Call) -> Act + Send + 'static) -> Scripted {
    let notes = notes.clone();
    Scripted::granting(move |call| {
        notes.note(call.what.split(' ').next().unwrap());
        script(call)
    })
}

#[tokio::test(start_paused = true)]
async fn create_lists_then_sends_once() {
    let service = Scripted::granting(creates);
    let outcome = service.client().create(name()).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    assert_eq!(service.seen(), [TOKEN, LIST, CREATE]);
}

#[tokio::test(start_paused = true)]
async fn rename_finds_portal_then_sends_once() {
    let renamed =
        r#"{"portals":[{"code":"SUCCESS","details":{"name":"AcmeNew"},"status":"success"}]}"#;
    let service = Scripted::granting(move |call| match call.what.as_str() {
        LIST => ours(),
        _ => Act::Respond(Response::new(200, renamed)),
    });
    let outcome = service.client().rename(NAME, "AcmeNew".parse().unwrap()).await;
    assert!(matches!(outcome, Outcome::Renamed { .. }), "{outcome:?}");
    assert_eq!(
        service.seen(),
        [TOKEN.to_owned(), LIST.to_owned(), format!("PUT /crm/v7/settings/portals/{NAME}")]
    );
}

#[tokio::test(start_paused = true)]
async fn intent_spans_attempt_and_outcome() {
    let notes = Notes::default();
    let mut sent = false;
    let service = noted(&notes, move |call| match call.what.as_str() {
        CREATE => {
            sent = true;
            lost()
        }
        _ if sent => ours(),
        _ => none(),
    });
    let client = service.client();
    let outcome = client.perform(client.create_flow(name()), notes.clone()).await;
    assert!(matches!(outcome, Outcome::Present { origin: Origin::Appeared, .. }), "{outcome:?}");
    let expected = ["GET", "record PortalsAPItest100 1", "POST", "GET", "end present"];
    assert_eq!(notes.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn intent_that_cannot_be_written_sends_nothing() {
    let notes = Notes { is_full: true, ..Notes::default() };
    let service = noted(&notes, |_| none());
    let client = service.client();
    let outcome = client.perform(client.create_flow(name()), notes.clone()).await;
    assert_eq!(reason(outcome), NotDone::NotRecorded("no storage space".to_owned()));
    assert_eq!(notes.lines(), ["GET", "record PortalsAPItest100 1", "end not_created"]);
}

#[tokio::test(start_paused = true)]
async fn stop_during_slow_write_sends_nothing() {
    let notes = Notes { delay: Duration::from_secs(7), ..Notes::default() };
    let service = noted(&notes, never_responds);
    let client = service.client();
    let running = client.perform(client.create_flow(name()), notes.clone());
    let mut activity = running.activity();
    activity.wait_for(|activity| *activity == Activity::Recording).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    running.stop();
    assert_eq!(reason(running.await), NotDone::Stopped);
    assert_eq!(notes.lines(), ["GET", "record PortalsAPItest100 1", "end not_created"]);
}

#[tokio::test(start_paused = true)]
async fn write_beyond_deadline_sends_nothing() {
    let notes = Notes { delay: Duration::from_secs(250), ..Notes::default() };
    let service = noted(&notes, never_responds);
    let client = service.client();
    let outcome = client.perform(client.create_flow(name()), notes.clone()).await;
    assert_eq!(reason(outcome), NotDone::Deadline { last: None });
    assert_eq!(service.count(CREATE), 0);
}

#[tokio::test(start_paused = true)]
async fn create_continues_when_caller_hangs_up() {
    let service = Scripted::granting(never_responds);
    let client = service.client_with(quick());
    let notes = Notes::default();
    let running = client.perform(client.create_flow(name()), notes.clone());
    sending(&running).await;
    let mut activity = running.activity();
    drop(running);
    activity.wait_for(|activity| *activity == Activity::Done).await.unwrap();
    while activity.changed().await.is_ok() {}
    assert_eq!(notes.lines().last().unwrap(), "end not_created");
}

#[tokio::test(start_paused = true)]
async fn stopped_attempt_is_in_doubt_and_recoverable() {
    let service = Scripted::granting(never_responds);
    let client = service.client();
    let notes = Notes::default();
    let running = client.perform(client.create_flow(name()), notes.clone());
    sending(&running).await;
    let began = Instant::now();
    running.stop();
    let outcome = running.await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(notes.lines(), ["record PortalsAPItest100 1", "end unknown"]);

    let service = Scripted::granting(|_| ours());
    let client = service.client();
    let mut intent = CreateIntent::new(name());
    intent.attempts = 1;
    let flow = client.recover_flow(intent, Duration::from_secs(60));
    let outcome = client.perform(flow, notes.clone()).await;
    assert!(matches!(outcome, Outcome::Present { .. }), "{outcome:?}");
    assert_eq!(service.count("POST /crm"), 0);
    assert_eq!(notes.lines().last().unwrap(), "end present");
}

#[tokio::test(start_paused = true)]
async fn recovery_waits_for_slow_service() {
    let began = Instant::now();
    let service =
        Scripted::granting(
            move |_| {
                if began.elapsed() < Duration::from_secs(15) { none() } else { ours() }
            },
        );
    let client = service.client();
    let mut intent = CreateIntent::new(name());
    intent.attempts = 1;
    let outcome = client.perform(client.recover_flow(intent, Duration::from_secs(60)), ()).await;
    assert_eq!(outcome.kind(), OutcomeKind::Present);
    assert!(began.elapsed() < Duration::from_secs(26), "presence counts at once");
}

#[tokio::test(start_paused = true)]
async fn stop_before_attempt_leaves_nothing_in_doubt() {
    let service = Scripted::granting(|_| Act::Hang);
    let running = service.client().create(name());
    running.activity().wait_for(|activity| *activity == Activity::ListingFirst).await.unwrap();
    running.stop();
    assert_eq!(reason(running.await), NotDone::Stopped);
    assert_eq!(service.count("POST /crm"), 0);
}

#[test]
fn runtime_shutdown_keeps_intent_and_outcome() {
    let notes = Notes::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let service = Scripted::granting(never_responds);
    let client = service.client();
    let entered = runtime.enter();
    let running = client.perform(client.create_flow(name()), notes.clone());
    drop(entered);
    runtime.block_on(sending(&running));
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(running);
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(notes.lines(), ["record PortalsAPItest100 1"]);
}

#[tokio::test(start_paused = true)]
async fn lost_response_is_verified_until_absence_holds() {
    let service = Scripted::granting(|call| match call.what.as_str() {
        CREATE => lost(),
        _ => none(),
    });
    let client = service.client_with(policy(|policy| policy.max_attempts = 1));
    let running = client.create(name());
    let mut activity = running.activity();
    let waiting = |activity: &Activity| matches!(activity, Activity::WaitingToVerify { .. });
    let shown = activity.wait_for(waiting).await.unwrap().clone();
    let Activity::WaitingToVerify { doubt, until } = shown else { unreachable!() };
    assert_eq!(with_sources(&doubt), "response lost: reset");
    let began = Instant::now();
    assert!(matches!(reason(running.await), NotDone::Exhausted { .. }));
    assert_eq!(began.elapsed().as_secs(), 70);
    assert!(until.as_secs() >= 70);
}
