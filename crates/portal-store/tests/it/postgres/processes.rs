//! Three processes on one database create the same names and are killed.
//!
//! A child process is this test binary, started to run [`child`] alone.

use std::collections::HashSet;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use portal_store::{PostgresRegistry, Registry as _, RegistryError};
use portal_testkit::{Database, needs};

use super::open;
use crate::children::child_process;
use crate::{at, long, name, principal_of, seed};

const URL: &str = "PORTAL_STORE_TEST_URL";
const ROUND: &str = "PORTAL_STORE_TEST_ROUND";

const CHILDREN: usize = 3;
/// Number of creates before a kill.
const CREATES: usize = 100;

fn spawn(url: &str, round: usize) -> Child {
    child_process("postgres::processes::child")
        .env(URL, url)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Creates portals from eight tasks at once, under names that other children use too, and prints
/// each name once it is acknowledged.
#[test]
#[ignore = "a process that another test starts"]
fn child() {
    let url = env::var(URL).expect("set by the parent");
    let round = env::var(ROUND).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let registry = PostgresRegistry::open(&url).await.unwrap();
        registry.apply_seed(&seed(), at(0)).await.unwrap();
        let acme = principal_of(&registry, "acme").await;
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let (registry, acme, round) = (registry.clone(), acme.clone(), round.clone());
                tokio::spawn(async move {
                    for number in (task..).step_by(8) {
                        let name = name(&format!("Round{round}x{number}"));
                        let user = acme.user.id;
                        match registry.create_portal(user, &name, at(1)).await {
                            Ok(Ok(())) => writeln!(std::io::stdout(), "created {name}").unwrap(),
                            Ok(Err(_)) | Err(RegistryError::NotApplied(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_lose_and_duplicate_nothing() {
    let database = Database::create();
    let mut acknowledged = Vec::new();
    for round in 0..long(4, 20) {
        let (said, names) = mpsc::channel();
        let mut children: Vec<_> = (0..CHILDREN).map(|_| spawn(&database.url(), round)).collect();
        let readers: Vec<_> = children
            .iter_mut()
            .map(|child| {
                let (said, lines) = (said.clone(), BufReader::new(child.stdout.take().unwrap()));
                thread::spawn(move || {
                    for line in lines.lines() {
                        if let Some((_, name)) = line.unwrap().split_once("created ") {
                            said.send(name.to_owned()).unwrap();
                        }
                    }
                })
            })
            .collect();
        drop(said);
        for _ in 0..CREATES {
            acknowledged.push(names.recv_timeout(Duration::from_secs(120)).unwrap());
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        // Names reported before the kill count as well.
        acknowledged.extend(names);
        for reader in readers {
            reader.join().unwrap();
        }
    }
    let distinct: HashSet<_> = acknowledged.iter().collect();
    assert_eq!(distinct.len(), acknowledged.len(), "a name was given twice");
    eprintln!("{} creates acknowledged by processes that were killed", acknowledged.len());

    let registry = open(&database.url()).await;
    let acme = principal_of(&registry, "acme").await;
    let kept = registry.portals(acme.org.id).await.unwrap();
    let kept: HashSet<_> = kept.iter().map(|portal| &portal.name).collect();
    let lost: Vec<_> = distinct.difference(&kept).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // The killed processes have left no lock behind.
    registry.apply_seed(&seed(), at(2)).await.unwrap();
    let free = name("FreeName");
    registry.create_portal(acme.user.id, &free, at(2)).await.unwrap().unwrap();
}
