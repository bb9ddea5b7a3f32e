use portal_http::client::IntentSink;
use portal_model::flow::{CreateIntent, RenameIntent};
use portal_model::outcome::{Doubt, NotDone, OutcomeKind, Unverified};
use portal_model::{Outcome, PortalName};
use tempfile::TempDir;

use super::*;
use crate::org::identity::tests::of_token;
use crate::org::place::Place;

struct Machine {
    state: TempDir,
    log: IntentLog,
}

impl Machine {
    fn new() -> Self {
        let state = TempDir::new().unwrap();
        let log = IntentLog::at(state.path()).unwrap();
        Self { state, log }
    }

    fn begin(&self, token: &str) -> OpenIntent {
        let identity = of_token(token);
        self.log.begin(Whose { identity, place: Place::Local, batch_row: None })
    }

    /// A process that sent a create and died.
    async fn killed(&self, name: &str) {
        record(&mut self.begin("1000.a"), &create(name)).await;
    }

    async fn entries(&self) -> Vec<Entry> {
        let found = self.log.all().await.unwrap();
        assert!(found.unreadable.is_empty(), "{found:?}");
        found.entries
    }

    async fn only(&self) -> Entry {
        let mut entries = self.entries().await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries.remove(0)
    }

    async fn state(&self) -> State {
        self.only().await.state()
    }

    async fn take(&self) -> (Entry, OpenIntent) {
        match self.log.take(&self.only().await).await.unwrap() {
            Taken::Held(entry, intent) => (*entry, intent),
            other => panic!("{other:?}"),
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.state.path().join("intents")).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }
}

fn name(name: &str) -> PortalName {
    PortalName::parse(name).unwrap()
}

fn create(portal: &str) -> Intent {
    CreateIntent::new(name(portal)).into()
}

fn created() -> Outcome {
    Outcome::Created { name: name("AcmePortal"), taken: Vec::new() }
}

fn not_created() -> Outcome {
    Outcome::NotCreated { name: name("AcmePortal"), why: NotDone::Exhausted { last: None } }
}

fn unknown() -> Outcome {
    let intent = CreateIntent::new(name("AcmePortal"));
    Outcome::Unknown {
        name: intent.name.into(),
        doubt: Doubt::InProgress,
        why: Unverified::Stopped,
    }
}

async fn record(intent: &mut OpenIntent, what: &Intent) {
    IntentSink::record(intent, what).await.unwrap();
}

async fn end(intent: &OpenIntent, outcome: &Outcome) {
    intent.clone().end(outcome).await.unwrap();
}

#[tokio::test]
async fn intent_is_in_progress_until_released() {
    let machine = Machine::new();
    let mut intent = machine.begin("1000.a");
    assert_eq!(machine.entries().await.len(), 0);
    record(&mut intent, &create("AcmePortal")).await;
    assert_eq!(machine.state().await, State::InProgress);
    assert!(matches!(machine.log.take(&machine.only().await).await.unwrap(), Taken::InProgress));
    drop(intent);
    assert_eq!(machine.state().await, State::InDoubt);
}

#[tokio::test]
async fn certain_outcome_is_undelivered_at_first() {
    let machine = Machine::new();
    let mut intent = machine.begin("1000.a");
    record(&mut intent, &create("AcmePortal")).await;
    end(&intent, &created()).await;
    assert_eq!(machine.state().await, State::Receipt);
    drop(intent);
    assert_eq!(machine.state().await, State::Undelivered);
    let (entry, intent) = machine.take().await;
    assert_eq!(entry.state(), State::Undelivered);
    intent.delivered().await.unwrap();
    assert_eq!(machine.state().await, State::Receipt);
}

#[tokio::test]
async fn negative_outcome_after_doubt_may_appear_late() {
    let machine = Machine::new();
    let mut intent = machine.begin("1000.a");
    record(&mut intent, &create("AcmePortal")).await;
    end(&intent, &not_created()).await;
    drop(intent);
    let entry = machine.only().await;
    assert!(entry.may_appear_late());
    machine.log.appeared(&entry).await.unwrap();
    let entry = machine.only().await;
    assert!(!entry.may_appear_late());
    assert_eq!(receipts(&[entry])[0].name, "AcmePortal");

    let machine = Machine::new();
    let mut intent = machine.begin("1000.a");
    record(&mut intent, &create("AcmePortal")).await;
    intent.note_end(Ending::NotCreated { kind: OutcomeKind::Rejected }).await.unwrap();
    drop(intent);
    assert!(!machine.only().await.may_appear_late());
}

#[tokio::test]
async fn unknown_outcome_stays_in_doubt_with_its_end() {
    let machine = Machine::new();
    let mut intent = machine.begin("1000.a");
    record(&mut intent, &create("AcmePortal")).await;
    end(&intent, &unknown()).await;
    intent.delivered().await.unwrap();
    let entry = machine.only().await;
    assert_eq!(entry.state(), State::InDoubt);
    let recorded = entry.history.last_attempt_ended().cloned();
    assert!(recorded.is_some());
    // A recovery that makes no attempt leaves that moment as it is.
    let (_, intent) = machine.take().await;
    end(&intent, &unknown()).await;
    drop(intent);
    assert_eq!(machine.only().await.history.last_attempt_ended().cloned(), recorded);
}

#[tokio::test]
async fn second_recovery_waits_from_start_of_first() {
    let machine = Machine::new();
    machine.killed("AcmePortal").await;
    assert_eq!(machine.only().await.history.last_attempt_ended(), None);
    let (entry, intent) = machine.take().await;
    let first = entry.history.last_attempt_ended().cloned();
    assert!(first.is_some());
    end(&intent, &unknown()).await;
    drop(intent);
    let (entry, mut intent) = machine.take().await;
    assert_eq!(entry.history.last_attempt_ended().cloned(), first);
    // A take-over that sends again is another matter.
    record(&mut intent, &create("AcmePortal")).await;
    drop(intent);
    assert_eq!(machine.only().await.history.last_attempt_ended(), None);
}

#[tokio::test]
async fn torn_line_is_overwritten_by_next() {
    let machine = Machine::new();
    machine.killed("AcmePortal").await;
    let path = machine.only().await.path;
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.clone() + r#"{"ended":{"at":"#).unwrap();
    assert_eq!(machine.state().await, State::InDoubt);
    let (_, intent) = machine.take().await;
    end(&intent, &created()).await;
    drop(intent);
    assert_eq!(machine.state().await, State::Undelivered);
    assert!(fs::read_to_string(&path).unwrap().lines().all(|line| line.ends_with('}')));
}

#[tokio::test]
async fn unreadable_file_concerns_its_org_only() {
    let machine = Machine::new();
    machine.killed("AcmePortal").await;
    fs::write(machine.only().await.path, "nonsense\n").unwrap();
    let found = machine.log.all().await.unwrap();
    assert_eq!((found.entries.len(), found.unreadable.len()), (0, 1));
    assert_eq!(machine.log.about(&of_token("1000.a"), &[]).await.unwrap().unreadable.len(), 1);
    assert_eq!(machine.log.about(&of_token("1000.b"), &[]).await.unwrap().unreadable.len(), 0);
    assert_eq!(found.unreadable[0].portal(), "AcmePortal");
    assert!(!found.unreadable[0].may_concern(&of_token("1000.b")));
}

#[tokio::test]
async fn file_without_whole_first_line_is_unreadable() {
    for keep in [|_: &str| 0, |text: &str| text.len() / 2, |text: &str| text.len() - 1] {
        let machine = Machine::new();
        machine.killed("AcmePortal").await;
        let path = machine.only().await.path;
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..keep(&text)]).unwrap();
        let found = machine.log.about(&of_token("1000.a"), &[]).await.unwrap();
        assert_eq!((found.entries.len(), found.unreadable.len()), (0, 1), "{found:?}");
        assert_eq!(machine.log.about(&of_token("1000.b"), &[]).await.unwrap().unreadable.len(), 0);
    }
}

#[tokio::test]
async fn file_of_other_portal_or_org_is_unreadable() {
    for (portal, token) in [("AcmeOther", "1000.a"), ("AcmePortal", "1000.b")] {
        let machine = Machine::new();
        machine.killed("AcmePortal").await;
        let path = machine.only().await.path;
        let name = FileName::new(portal, &of_token(token));
        fs::rename(&path, path.with_file_name(name.to_string())).unwrap();
        let found = machine.log.all().await.unwrap();
        assert_eq!((found.entries.len(), found.unreadable.len()), (0, 1), "{found:?}");
        assert!(found.unreadable[0].may_concern(&of_token(token)));
    }
}

#[tokio::test]
async fn old_receipts_go_and_intents_in_doubt_stay() {
    let machine = Machine::new();
    machine.killed("AcmePortal").await;
    let mut intent = machine.begin("1000.a");
    record(&mut intent, &create("AcmeOther")).await;
    end(&intent, &created()).await;
    intent.delivered().await.unwrap();
    let day = Duration::from_secs(25 * 60 * 60);
    for path in machine.files() {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - day).unwrap();
    }
    IntentLog::at(machine.state.path()).unwrap();
    assert_eq!(machine.only().await.name(), "AcmePortal");
}

#[tokio::test]
async fn discarded_intent_is_receipt() {
    let machine = Machine::new();
    machine.killed("AcmePortal").await;
    assert!(machine.log.discard(&machine.only().await).await.unwrap());
    let entry = machine.only().await;
    assert_eq!((entry.state(), entry.may_appear_late()), (State::Receipt, true));
    assert!(entry.is_discarded_create());
}

#[tokio::test]
async fn receipts_follow_renames() {
    let machine = Machine::new();
    let mut intent = machine.begin("1000.a");
    record(&mut intent, &create("AcmePortal")).await;
    end(&intent, &created()).await;
    intent.delivered().await.unwrap();
    let names = || async {
        let entries = machine.entries().await;
        receipts(&entries).into_iter().map(|receipt| receipt.name).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["AcmePortal"]);
    // Later, by the clock that they sort by.
    let begun = machine.only().await.history.begun.time();
    while Moment::now().time() == begun {}
    let mut intent = machine.begin("1000.a");
    record(&mut intent, &RenameIntent::new("AcmePortal", name("AcmeOther")).into()).await;
    let renamed = Outcome::Renamed { old: "AcmePortal".to_owned(), new: name("AcmeOther") };
    IntentSink::end(&mut intent, &renamed).await.unwrap();
    intent.delivered().await.unwrap();
    assert_eq!(names().await, ["AcmeOther"]);
}

#[tokio::test]
async fn org_lock_excludes_identities_of_one_org_only() {
    let machine = Machine::new();
    let lock = |identity: Identity| machine.log.try_lock_org(&identity).unwrap();
    let org = identity::tests::org;
    let held = lock(of_token("1000.a").with_org(Some(org("7000")))).unwrap();
    assert!(lock(of_token("1000.a")).is_none());
    assert!(lock(of_token("1000.b").with_org(Some(org("7000")))).is_none());
    assert!(lock(of_token("1000.b")).is_some());
    drop(held);
    assert!(lock(of_token("1000.a")).is_some());
}

#[cfg(unix)]
#[test]
fn log_is_closed_to_others_and_must_be_writable() {
    use std::os::unix::fs::PermissionsExt as _;

    let machine = Machine::new();
    let mode = |path: &str| {
        fs::metadata(machine.state.path().join(path)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("intents"), mode("org-locks")), (0o700, 0o700));
    let file = machine.state.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(IntentLog::at(&file).is_err());
}
