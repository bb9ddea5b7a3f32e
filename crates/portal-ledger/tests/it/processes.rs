//! Processes that are killed, frozen, or three at once, over one ledger.

#[cfg(unix)]
mod frozen;

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use portal_ledger::{AttemptEnd, Ending, EndingKind, Filter, Ledger, Refusal};
use portal_testkit::{Cluster, needs};
use tempfile::TempDir;

use crate::engine::{Engine, at, intent, org, pool, wants};

const PLACE: &str = "PORTAL_LEDGER_PLACE";
const SCRATCH: &str = "PORTAL_LEDGER_SCRATCH";

/// A process of this test binary.
struct Process {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(role: &str, place: &str, scratch: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([&format!("processes::{role}"), "--exact", "--ignored", "--nocapture"])
            .env(PLACE, place)
            .env(SCRATCH, scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stdin = child.stdin.take().unwrap();
        Self { child, stdin, lines }
    }

    /// The next line that its role says, rather than the test harness.
    fn says(&mut self) -> Option<String> {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        lines.find_map(|line| Some(line.split_once("> ")?.1.to_owned()))
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it has said by its end.
    fn said(mut self) -> Vec<String> {
        std::iter::from_fn(|| self.says()).collect()
    }
}

/// From the child to its parent. Fails once nobody listens any more.
fn say(what: &str) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "> {what}").unwrap();
}

fn ledger() -> Option<Ledger> {
    let place = env::var(PLACE).ok()?;
    let is_url = place.starts_with("postgres://");
    Some(if is_url { Ledger::postgres(pool(&place)) } else { Ledger::open(place).unwrap() })
}

/// Creates one portal after another, and says each step once it is durable. Where the ledger fails it
/// makes no attempt.
#[tokio::test]
#[ignore = "a process that another test starts"]
async fn creator() {
    let Some(ledger) = ledger() else { return };
    for count in 0.. {
        let name = format!("Portal{}x{count}", std::process::id());
        let mut request = wants(&name, &name);
        request.org = org("credential", &name);
        let mut permit = loop {
            match ledger.claim(&request, &at(100)).await {
                Ok(Ok(permit)) => break permit,
                Ok(other) => panic!("{other:?}"),
                // Whether it was granted or not: the same again tells.
                Err(_) => {}
            }
        };
        say(&format!("granted {name}"));
        if permit.record(&intent(&name), &at(100)).await.is_err() {
            continue;
        }
        say(&format!("recorded {name}"));
        permit.attempt_ended(AttemptEnd::new(at(100), false));
        if permit.end(&Ending::new(EndingKind::Created), &at(100)).await.is_ok() {
            say(&format!("ended {name}"));
        }
    }
}

/// What was acknowledged is there, and what was not ended is adopted with every attempt.
async fn check(ledger: &Ledger, said: &[String]) {
    let entries = ledger.entries(&Filter::default()).await.unwrap();
    for line in said {
        let (step, name) = line.split_once(' ').unwrap();
        let entry = entries.iter().find(|entry| entry.name() == name).expect(line);
        match step {
            "granted" => {}
            "recorded" => assert_eq!(entry.attempts, 1, "{line}"),
            "ended" => assert_eq!(entry.ending().unwrap().kind, EndingKind::Created, "{line}"),
            _ => panic!("{line}"),
        }
    }
}

/// Kills two processes while they create, between calls and in the middle of one.
async fn kill_creators(engine: &Engine, place: &str, kills: u64) {
    for round in 0..kills {
        let mut processes = [(); 2].map(|()| Process::start("creator", place, Path::new("")));
        let mut said = Vec::new();
        for process in &mut processes {
            said.extend((0..4 + round % 3).map_while(|_| process.says()));
        }
        // Into the next call, or through it.
        thread::sleep(Duration::from_micros(round * 617 % 5000));
        for process in &mut processes {
            process.kill();
        }
        for process in processes {
            said.extend(process.said());
        }
        engine.at(100).await;
        check(&engine.elsewhere(), &said).await;
        let entries = engine.ledger.entries(&Filter::default()).await.unwrap();
        for left in entries.iter().filter(|entry| entry.ending().is_none()) {
            let mut again = wants(&format!("again {}", left.id), left.name());
            again.org = left.org.clone();
            let claim = engine.elsewhere().claim(&again, &engine.at(125).await).await.unwrap();
            // A server may commit after the end of the client that asked for it.
            let Ok(adopted) = claim else {
                let ended = engine.ledger.entry(&left.id).await.unwrap().unwrap();
                assert_eq!(ended.ending().unwrap().kind, EndingKind::Created, "{claim:?}");
                continue;
            };
            assert_eq!(adopted.entry().id, left.id);
            assert!(adopted.entry().attempts >= left.attempts, "{left:?}");
            adopted.end(&Ending::new(EndingKind::NotDone), &at(125)).await.unwrap();
        }
    }
}

fn kills() -> u64 {
    env::var("PORTAL_LEDGER_KILLS").map_or(6, |text| text.parse().unwrap())
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill() {
    let engine = Engine::sqlite();
    kill_creators(&engine, &engine.place(), kills()).await;
}

#[needs(postgresql)]
#[tokio::test]
async fn what_was_acknowledged_survives_kill_over_postgresql() {
    let engine = Engine::postgres().await;
    kill_creators(&engine, &engine.place(), kills()).await;
}

/// Three processes create while their server is killed, and go on once it is back.
#[needs(postgresql)]
#[tokio::test]
async fn what_was_acknowledged_survives_kill_of_postgresql() {
    let cluster = Cluster::start();
    let place = cluster.url("postgres");
    let mut processes = [(); 3].map(|()| Process::start("creator", &place, Path::new("")));
    let mut said = Vec::new();
    for _ in 0..kills() / 3 {
        for process in &mut processes {
            said.extend((0..20).map_while(|_| process.says()));
        }
        cluster.kill();
        cluster.start_again();
    }
    for process in &mut processes {
        let more: Vec<_> = (0..20).map_while(|_| process.says()).collect();
        assert_eq!(more.len(), 20, "it goes on");
        said.extend(more);
    }
    for mut process in processes {
        process.kill();
        said.extend(process.said());
    }
    check(&Ledger::postgres(pool(&place)), &said).await;
}

/// Wants the same portal as others, a few times; its holder is alone.
#[tokio::test]
#[ignore = "a process that another test starts"]
async fn contender() {
    let Some(ledger) = ledger() else { return };
    let alone = Path::new(&env::var_os(SCRATCH).unwrap()).join("alone");
    for count in 0..8 {
        let id = format!("{} {count}", std::process::id());
        let mut permit = loop {
            match ledger.claim(&wants(&id, "AcmePortal"), &at(100)).await.unwrap() {
                Ok(permit) => break permit,
                Err(Refusal::Wait(_)) => tokio::task::yield_now().await,
                other => panic!("{other:?}"),
            }
        };
        fs::File::create_new(&alone).expect("alone");
        permit.record(&intent("AcmePortal"), &at(100)).await.unwrap();
        fs::remove_file(&alone).unwrap();
        permit.attempt_ended(AttemptEnd::new(at(100), false));
        permit.end(&Ending::new(EndingKind::NotDone), &at(100)).await.unwrap();
    }
    say("done");
}

async fn contend(engine: &Engine, place: &str) {
    let scratch = TempDir::new().unwrap();
    let processes = [(); 3].map(|()| Process::start("contender", place, scratch.path()));
    for process in processes {
        assert_eq!(process.said(), ["done"]);
    }
    let entries = engine.ledger.entries(&Filter::default()).await.unwrap();
    assert_eq!(entries.len(), 24);
    assert!(entries.iter().all(|entry| entry.attempts == 1), "{entries:?}");
}

#[tokio::test]
async fn three_processes_hold_entry_one_at_a_time() {
    let engine = Engine::sqlite();
    contend(&engine, &engine.place()).await;
}

#[needs(postgresql)]
#[tokio::test]
async fn three_processes_hold_entry_one_at_a_time_over_postgresql() {
    let engine = Engine::postgres().await;
    contend(&engine, &engine.place()).await;
}
