//! Several processes on one data directory, some of them killed.
//!
//! A child process is this test binary, started to run [`child`] alone.

use std::collections::HashSet;
use std::env;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};

use portal_store::{Registry, SqliteRegistry};

use crate::children::child_process;
use crate::{at, long, name, principal_of, seed};

const DIRECTORY: &str = "PORTAL_STORE_TEST_DIRECTORY";
const PREFIX: &str = "PORTAL_STORE_TEST_PREFIX";
const NAMES: &str = "PORTAL_STORE_TEST_NAMES";

/// Spawns a child that creates `names` portals, named `prefix` plus a number.
fn spawn(directory: &Path, prefix: &str, names: usize) -> Child {
    child_process("processes::child")
        .env(DIRECTORY, directory)
        .env(PREFIX, prefix)
        .env(NAMES, names.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Returns the names that a child reports as created, one by one.
fn created(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.filter_map(|line| Some(line.unwrap().split_once("created ")?.1.to_owned()))
}

/// Creates portals from eight tasks at once and reports each name once it is acknowledged.
#[test]
#[ignore = "a process that another test starts"]
fn child() {
    let directory = env::var_os(DIRECTORY).expect("set by the parent");
    let (prefix, names) = (env::var(PREFIX).unwrap(), env::var(NAMES).unwrap());
    let names: usize = names.parse().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let registry = SqliteRegistry::open(directory.as_ref()).unwrap();
        registry.apply_seed(&seed(), at(0)).await.unwrap();
        let acme = principal_of(&registry, "acme").await;
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let (registry, acme, prefix) = (registry.clone(), acme.clone(), prefix.clone());
                tokio::spawn(async move {
                    for number in (task..names).step_by(8) {
                        let name = name(&format!("{prefix}{number}"));
                        let create = registry.create_portal(acme.user.id, &name, at(1));
                        if create.await.unwrap().is_ok() {
                            writeln!(std::io::stdout(), "created {name}").unwrap();
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

#[tokio::test]
async fn acknowledged_create_survives_kill() {
    let kept = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    let rounds = long(6, 20);
    for round in 0..rounds {
        let mut child = spawn(kept.path(), &format!("Round{round}x"), usize::MAX);
        let mut names = created(&mut child);
        acknowledged.extend(names.by_ref().take(3 + 7 * round));
        child.kill().unwrap();
        // Names reported before the kill count as well.
        acknowledged.extend(names);
        child.wait().unwrap();
    }
    assert!(acknowledged.len() >= 3 * rounds + 7 * (rounds * (rounds - 1) / 2));
    eprintln!("{} creates acknowledged over {rounds} kills", acknowledged.len());

    let registry = SqliteRegistry::open(kept.path()).unwrap();
    let acme = principal_of(&registry, "acme").await;
    let found = registry.portals(acme.org.id).await.unwrap();
    let found: HashSet<_> = found.into_iter().map(|portal| portal.name).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|name| !found.contains(*name)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test]
async fn concurrent_processes_create_each_name_once() {
    const NAMES: usize = 60;
    let kept = tempfile::tempdir().unwrap();
    let directory = kept.path().join("not").join("there");
    let mut children: Vec<_> = (0..6).map(|_| spawn(&directory, "SharedName", NAMES)).collect();
    let mut acknowledged = Vec::new();
    for child in &mut children {
        acknowledged.extend(created(child));
        assert!(child.wait().unwrap().success());
    }
    acknowledged.sort();
    let mut expected: Vec<_> = (0..NAMES).map(|number| format!("SharedName{number}")).collect();
    expected.sort();
    assert_eq!(acknowledged, expected);

    let registry = SqliteRegistry::open(&directory).unwrap();
    let acme = principal_of(&registry, "acme").await;
    assert_eq!(registry.portals(acme.org.id).await.unwrap().len(), NAMES);
}
