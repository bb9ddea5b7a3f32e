//! What holds of every engine, and what only a file on a disk has.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use portal_ledger::{
    AttemptEnd, Claim, ClaimRequest, Ending, EndingKind, EntryId, Filter, Ledger, LedgerError,
    Moment, OpenError, Permit, RecordError, Wanted, Why,
};
use portal_model::flow::{CreateIntent, Intent};
use portal_model::operation::CreateOperation;
use portal_model::{Org, OrgIdentity};
use tempfile::TempDir;

/// An engine, and where its data is.
struct Engine {
    ledger: Ledger,
    directory: Option<TempDir>,
}

impl Engine {
    fn all() -> [Self; 2] {
        let directory = TempDir::new().unwrap();
        let sqlite = Ledger::open(directory.path()).unwrap();
        [
            Self { ledger: Ledger::in_memory(), directory: None },
            Self { ledger: sqlite, directory: Some(directory) },
        ]
    }

    /// As another process of this machine has it.
    fn elsewhere(&self) -> Ledger {
        match &self.directory {
            Some(directory) => Ledger::open(directory.path()).unwrap(),
            None => self.ledger.clone(),
        }
    }
}

fn at(second: u64) -> Moment {
    Moment::new("boot", Duration::from_secs(second))
}

fn wants(id: &str, name: &str) -> ClaimRequest {
    let create = CreateOperation::new(name.parse().unwrap());
    let wanted = Wanted::Do(create.into());
    let mut request = ClaimRequest::new(EntryId::new(id), org("credential", "7"), wanted);
    request.policy.attempt_timeout = Duration::from_secs(20);
    request
}

fn org(credential: &str, id: &str) -> OrgIdentity {
    OrgIdentity::new("https://api.example", credential).with_org(Some(Org::new(id)))
}

fn intent(name: &str) -> Intent {
    CreateIntent::new(name.parse().unwrap()).into()
}

async fn granted(ledger: &Ledger, request: &ClaimRequest, second: u64) -> Permit {
    match ledger.claim(request, &at(second)).await.unwrap() {
        Claim::Granted(permit) => permit,
        other => panic!("{other:?}"),
    }
}

async fn wait(ledger: &Ledger, request: &ClaimRequest, second: u64) -> (Why, Moment) {
    match ledger.claim(request, &at(second)).await.unwrap() {
        Claim::Wait(wait) => (wait.why, wait.until),
        other => panic!("{other:?}"),
    }
}

fn doubt(second: u64) -> AttemptEnd {
    AttemptEnd { at: at(second), in_doubt: true }
}

#[tokio::test]
async fn operation_is_held_by_one_until_lease_ends() {
    for engine in Engine::all() {
        let (here, there) = (&engine.ledger, engine.elsewhere());
        let mut first = granted(here, &wants("1", "AcmePortal"), 100).await;
        first.record(&intent("AcmePortal"), &at(110)).await.unwrap();
        let second = wants("2", "AcmePortal");
        assert_eq!(wait(&there, &second, 134).await, (Why::SameUnderWay, at(135)));
        let adopted = granted(&there, &second, 135).await;
        assert_eq!(adopted.entry().id, EntryId::new("1"));
        assert_eq!((adopted.entry().attempts, adopted.horizon()), (1, Some(at(195))));
        let late = first.record(&intent("AcmePortal"), &at(136)).await;
        assert!(matches!(late, Err(RecordError::Adopted(_))), "{late:?}");
        let negative = first.end(&Ending::new(EndingKind::NotDone), &at(136)).await;
        assert!(matches!(negative, Err(RecordError::Adopted(_))), "{negative:?}");
    }
}

#[tokio::test]
async fn created_is_accepted_from_holder_that_lost_entry() {
    for engine in Engine::all() {
        let (here, there) = (&engine.ledger, engine.elsewhere());
        let mut first = granted(here, &wants("1", "AcmePortal"), 100).await;
        first.record(&intent("AcmePortal"), &at(100)).await.unwrap();
        let mut adopted = granted(&there, &wants("2", "AcmePortal"), 125).await;
        first.end(&Ending::new(EndingKind::Created), &at(126)).await.unwrap();
        let late = adopted.record(&intent("AcmePortal"), &at(127)).await;
        assert!(matches!(late, Err(RecordError::Adopted(_))), "{late:?}");
    }
}

#[tokio::test]
async fn key_makes_create_idempotent() {
    for engine in Engine::all() {
        let mut request = wants("1", "AcmePortal");
        request.key = Some("signup 1".to_owned());
        let mut permit = granted(&engine.ledger, &request, 100).await;
        permit.record(&intent("AcmePortal"), &at(100)).await.unwrap();
        permit.end(&Ending::new(EndingKind::Created), &at(101)).await.unwrap();
        request.id = EntryId::new("2");
        let again = engine.elsewhere().claim(&request, &at(9000)).await.unwrap();
        let Claim::Ended(entry) = again else { panic!("{again:?}") };
        assert_eq!((entry.id.as_str(), entry.name(), entry.order), ("1", "AcmePortal", 1));
    }
}

#[tokio::test]
async fn dropped_permit_frees_entry_unless_attempt_is_under_way() {
    for engine in Engine::all() {
        let ledger = &engine.ledger;
        drop(granted(ledger, &wants("1", "AcmePortal"), 100).await);
        let mut permit = granted(ledger, &wants("2", "AcmePortal"), 100).await;
        assert_eq!(permit.entry().id, EntryId::new("2"));
        permit.record(&intent("AcmePortal"), &at(100)).await.unwrap();
        drop(permit);
        assert_eq!(
            wait(ledger, &wants("3", "AcmePortal"), 101).await,
            (Why::SameUnderWay, at(125))
        );
        let mut permit = granted(ledger, &wants("3", "AcmePortal"), 125).await;
        permit.record(&intent("AcmePortal"), &at(125)).await.unwrap();
        permit.attempt_ended(doubt(126));
        drop(permit);
        assert_eq!(granted(ledger, &wants("4", "AcmePortal"), 126).await.entry().attempts, 2);
    }
}

#[tokio::test]
async fn entries_are_newest_first_and_filtered() {
    for engine in Engine::all() {
        for (id, second) in [("1", 100), ("2", 200), ("3", 300)] {
            let name = format!("AcmePortal{id}");
            let mut request = wants(id, &name);
            request.label = Some(format!("tenant {id}"));
            let mut permit = granted(&engine.ledger, &request, second).await;
            permit.record(&intent(&name), &at(second)).await.unwrap();
            let kind = if id == "2" { EndingKind::Unknown } else { EndingKind::Created };
            permit.end(&Ending::new(kind), &at(second)).await.unwrap();
        }
        let elsewhere = engine.elsewhere();
        let ids = async |filter: &Filter| {
            let entries = elsewhere.entries(filter).await.unwrap();
            entries.iter().map(|entry| entry.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&Filter::default()).await, ["3", "2", "1"]);
        let mut filter = Filter::default();
        filter.limit = Some(1);
        assert_eq!(ids(&filter).await, ["3"]);
        filter.is_unfinished = true;
        assert_eq!(ids(&filter).await, ["2"]);
        let mut filter = Filter::default();
        filter.labels = Some(["tenant 1", "tenant 2", "tenant 9"].map(str::to_owned).into());
        assert_eq!(ids(&filter).await, ["2", "1"]);
        filter.is_unfinished = true;
        assert_eq!(ids(&filter).await, ["2"]);
    }
}

/// Those that wait are committed together, and each sees what those before it wrote.
#[tokio::test]
async fn claims_at_once_are_decided_one_after_another() {
    for engine in Engine::all() {
        let request = |id: usize| {
            let mut request = wants(&id.to_string(), &format!("AcmePortal{}", id / 2));
            request.org = org("credential", &(id / 2).to_string());
            request
        };
        let requests: Vec<_> = (0..200).map(request).collect();
        let claims: Vec<_> = requests
            .into_iter()
            .map(|request| {
                let ledger = engine.ledger.clone();
                tokio::spawn(async move { ledger.claim(&request, &at(100)).await.unwrap() })
            })
            .collect();
        let (mut granted, mut under_way) = (Vec::new(), 0);
        for claim in claims {
            match claim.await.unwrap() {
                Claim::Granted(permit) => granted.push(permit),
                Claim::Wait(wait) if wait.why == Why::SameUnderWay => under_way += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((granted.len(), under_way), (100, 100));
    }
}

#[tokio::test]
async fn other_orgs_do_not_wait_for_each_other() {
    for engine in Engine::all() {
        let mut permits = Vec::new();
        for id in 0..20 {
            let mut request = wants(&id.to_string(), &format!("AcmePortal{id}"));
            request.org = org("one client of all", &id.to_string());
            permits.push(granted(&engine.ledger, &request, 100).await);
        }
        let mut request = wants("unknown", "AnotherPortal");
        request.org = OrgIdentity::new("https://api.example", "another");
        assert_eq!(wait(&engine.ledger, &request, 100).await, (Why::OtherUnderWay, at(125)));
    }
}

#[tokio::test]
async fn killed_process_writes_nothing_more() {
    let ledger = Ledger::in_memory();
    let mut permit = granted(&ledger, &wants("1", "AcmePortal"), 100).await;
    permit.record(&intent("AcmePortal"), &at(100)).await.unwrap();
    let restarted = ledger.after_restart();
    let late = permit.record(&intent("AcmePortal"), &at(101)).await;
    assert!(matches!(late, Err(RecordError::Ledger(LedgerError::NotApplied(_)))), "{late:?}");
    permit.attempt_ended(doubt(101));
    drop(permit);
    assert_eq!(
        wait(&restarted, &wants("2", "AcmePortal"), 102).await,
        (Why::SameUnderWay, at(125))
    );
}

fn file(directory: &Path) -> std::path::PathBuf {
    directory.join("ledger.sqlite")
}

#[test]
fn file_of_later_version_is_refused_untouched() {
    let directory = TempDir::new().unwrap();
    drop(Ledger::open(directory.path()).unwrap());
    let path = file(directory.path());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let error = Ledger::open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn database_of_another_program_is_refused_untouched() {
    let directory = TempDir::new().unwrap();
    let path = file(directory.path());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let error = Ledger::open(directory.path()).unwrap_err();
    assert!(error.to_string().ends_with("not a ledger"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn file_that_is_no_database_is_refused_untouched() {
    let directory = TempDir::new().unwrap();
    let path = file(directory.path());
    fs::write(&path, "not a database, and longer than its header would be: ".repeat(9)).unwrap();
    let before = fs::read(&path).unwrap();
    let error = Ledger::open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn damaged_row_is_reported_and_nothing_granted() {
    let directory = TempDir::new().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let mut permit = granted(&ledger, &wants("1", "AcmePortal"), 100).await;
    permit.record(&intent("AcmePortal"), &at(100)).await.unwrap();
    let connection = rusqlite::Connection::open(file(directory.path())).unwrap();
    connection.execute("UPDATE entries SET entry = '{'", []).unwrap();
    let error = ledger.claim(&wants("2", "OtherPortal"), &at(200)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Damaged(_)), "{error}");
}

#[tokio::test]
async fn missing_directory_is_made_private() {
    let directory = TempDir::new().unwrap();
    let inner = directory.path().join("state/portal");
    drop(Ledger::open(&inner).unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&file(&inner))), (0o700, 0o600));
    }
}

#[tokio::test]
async fn write_lock_of_another_process_delays_and_does_not_fail() {
    let directory = TempDir::new().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let connection = rusqlite::Connection::open(file(directory.path())).unwrap();
    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (request, now) = (wants("1", "AcmePortal"), at(100));
    let mut claim = std::pin::pin!(ledger.claim(&request, &now));
    let pending = tokio::time::timeout(Duration::from_millis(50), &mut claim).await;
    assert!(pending.is_err());
    connection.execute_batch("COMMIT").unwrap();
    assert!(matches!(claim.await.unwrap(), Claim::Granted(_)));
}

const CHILD: &str = "PORTAL_LEDGER_CHILD";

/// Creates one portal after another, and prints a line for each step once it is durable.
#[tokio::test]
#[ignore = "a process that another test starts"]
async fn child() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let ledger = Ledger::open(directory).unwrap();
    let (me, mut stdout) = (std::process::id(), std::io::stdout());
    for count in 0.. {
        let name = format!("Portal{me}x{count}");
        let mut request = wants(&name, &name);
        request.org = org("credential", &name);
        let mut permit = granted(&ledger, &request, 100).await;
        if writeln!(stdout, "granted {name}").is_err() {
            return;
        }
        permit.record(&intent(&name), &at(100)).await.unwrap();
        if writeln!(stdout, "recorded {name}").is_err() {
            return;
        }
        permit.end(&Ending::new(EndingKind::Created), &at(100)).await.unwrap();
        if writeln!(stdout, "ended {name}").is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill() {
    let directory = TempDir::new().unwrap();
    drop(Ledger::open(directory.path()).unwrap());
    for round in 0..6 {
        let spawn = || {
            Command::new(std::env::current_exe().unwrap())
                .args(["engines::child", "--exact", "--ignored", "--nocapture"])
                .env(CHILD, directory.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut children = [spawn(), spawn()];
        let pipes = children.each_mut().map(|child| child.stdout.take().unwrap());
        let mut pipes = pipes.map(BufReader::new);
        let mut said = Vec::new();
        for pipe in &mut pipes {
            let lines = pipe.lines().map(Result::unwrap).filter(|line| line.contains(" Portal"));
            // Killed at another step each time.
            said.extend(lines.take(5 + round));
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let ledger = Ledger::open(directory.path()).unwrap();
        let entries = ledger.entries(&Filter::default()).await.unwrap();
        for line in said {
            let (step, name) = line.rsplit_once(' ').unwrap();
            let entry = entries.iter().find(|entry| entry.name() == name).expect(&line);
            match step.rsplit(' ').next().unwrap() {
                "granted" => {}
                "recorded" => assert_eq!(entry.attempts, 1, "{line}"),
                "ended" => assert!(entry.ending().is_some(), "{line}"),
                _ => panic!("{line}"),
            }
        }
    }
}
