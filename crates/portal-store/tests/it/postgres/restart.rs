//! PostgreSQL is killed and restarted under load; every result given by three registries is true.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portal_store::{PostgresRegistry, Principal, Registry as _, RegistryError};
use portal_testkit::{Cluster, needs};
use tokio::sync::watch;
use tokio::time::timeout;

use super::open;
use crate::{at, long, name, principal_of, seed};

const TASKS: usize = 24;
/// Number of creates between two kills.
const CREATES: usize = 200;

/// The result of a create, by name.
#[derive(Debug, PartialEq, Eq)]
enum Reported {
    Created,
    NotApplied,
    Unknown,
}

/// Creates portals, each name once, until stopped.
async fn load(
    registry: PostgresRegistry,
    by: Principal,
    task: usize,
    created: watch::Sender<usize>,
    is_over: Arc<AtomicBool>,
) -> Vec<(String, Reported)> {
    let mut reported = Vec::new();
    for number in 0.. {
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        let text = format!("Task{task}x{number}");
        let result = registry.create_portal(by.user.id, &name(&text), at(1)).await;
        let outcome = match result {
            Ok(result) => {
                result.unwrap();
                created.send_modify(|created| *created += 1);
                Reported::Created
            }
            Err(RegistryError::NotApplied(_)) => Reported::NotApplied,
            Err(RegistryError::Unknown(_)) => Reported::Unknown,
            Err(other) => panic!("{other}"),
        };
        reported.push((text, outcome));
    }
    reported
}

/// Waits until `more` further creates were acknowledged.
async fn until(created: &watch::Sender<usize>, more: usize) {
    let mut created = created.subscribe();
    let wanted = *created.borrow_and_update() + more;
    let reached = created.wait_for(|created| *created >= wanted);
    let reached = timeout(Duration::from_secs(120), reached).await;
    reached.expect("the load continues after a restart").unwrap();
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_database_keeps_acknowledged_creates() {
    let cluster = Cluster::start();
    let url = cluster.url("postgres");
    let registries = [open(&url).await, open(&url).await, open(&url).await];
    registries[0].apply_seed(&seed(), at(0)).await.unwrap();
    let acme = principal_of(&registries[0], "acme").await;
    let created = watch::Sender::new(0);
    let is_over = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let registry = registries[task % 3].clone();
            tokio::spawn(load(registry, acme.clone(), task, created.clone(), Arc::clone(&is_over)))
        })
        .collect();
    let cluster = Arc::new(cluster);
    for _ in 0..long(3, 20) {
        until(&created, CREATES).await;
        let cluster = Arc::clone(&cluster);
        tokio::task::spawn_blocking(move || {
            cluster.kill();
            cluster.start_again();
        })
        .await
        .unwrap();
    }
    until(&created, CREATES).await;
    is_over.store(true, Ordering::SeqCst);
    let mut reported = Vec::new();
    for task in tasks {
        reported.extend(task.await.unwrap());
    }

    let mut kept: HashMap<String, usize> = HashMap::new();
    for portal in registries[1].portals(acme.org.id).await.unwrap() {
        *kept.entry(portal.name).or_default() += 1;
    }
    let unknown = reported.iter().filter(|(_, reported)| *reported == Reported::Unknown).count();
    for (name, reported) in &reported {
        match (reported, kept.remove(name)) {
            (Reported::Created, Some(1))
            | (Reported::NotApplied, None)
            | (Reported::Unknown, None | Some(1)) => {}
            (reported, kept) => panic!("{name}: reported {reported:?}, kept {kept:?}"),
        }
    }
    eprintln!("{} creates over the kills of the database, {unknown} in doubt", reported.len());
    assert_eq!(kept, HashMap::new(), "creates that were never requested");
    assert!(unknown > 0, "no kill hit a create");
}
