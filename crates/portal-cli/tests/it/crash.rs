//! A batch that is killed again and again ends with each portal exactly once.
#![allow(clippy::print_stdout, reason = "it says how long it took")]

use std::time::Instant;

use portal_http::server::LocalServer;
use portal_model::oauth::{Grant, TokenRequest};
use portal_store::{Registry as _, TokenRules};

use crate::orgs::{self, Org};
use crate::support::{Home, Ran, Running};

const ROWS: usize = 1500;
const KILLS: usize = 10;

/// Numbers that look random and are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // The constants of Knuth's MMIX.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// How many portals each org has.
async fn portals(server: &LocalServer, orgs: &[Org]) -> Vec<usize> {
    let now = "2026-11-23T10:00:00Z".parse().unwrap();
    let registry = server.registry();
    let mut counts = Vec::new();
    for org in orgs {
        let grant = Grant::RefreshToken(org.refresh_token().into());
        let request = TokenRequest::new(org.client_id(), org.client_secret(), grant);
        let token = registry.issue_token(&request, TokenRules::LifetimesOnly, now).await.unwrap();
        let token = token.unwrap().access_token;
        let principal = registry.authenticate(token.expose(), now).await.unwrap().unwrap();
        counts.push(registry.portals(principal.org.id).await.unwrap().len());
    }
    counts
}

fn create(home: &Home) -> std::process::Command {
    home.command(&["batch", "portals.csv", "--processing-time", "50ms"])
}

/// Runs the batch, and kills it once so many rows are over.
fn kill_after(rows: usize, home: &Home) {
    let mut batch = Running::start(create(home));
    for _ in 0..rows {
        batch.wait_for_line("] org");
    }
    batch.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_batch_creates_each_portal_once() {
    let orgs = Org::many(ROWS);
    let (server, calls) = orgs::counting_server(&orgs).await;
    let home = Home::new();
    orgs::write_profiles(&home, server.url(), &orgs);
    let csv: Vec<_> = orgs.iter().map(|org| format!("{0},{0}Portal", org.name)).collect();
    let csv = format!("profile,name\n{}\n", csv.join("\n"));
    std::fs::write(home.path().join("portals.csv"), csv).unwrap();

    let started = Instant::now();
    let mut random = Random(7);
    for _ in 0..KILLS {
        kill_after(random.below(ROWS / KILLS), &home);
    }
    let last = Ran::from(create(&home).output().unwrap());
    let elapsed = started.elapsed();
    assert_eq!(last.status, 0, "{}", last.stdout);
    assert_eq!(portals(&server, &orgs).await, [1; ROWS]);
    let before = calls.lock().unwrap().clone();
    let again = Ran::from(create(&home).output().unwrap());
    assert_eq!(again.status, 0);
    assert_eq!(again.stdout, "1500 created earlier\n");
    assert_eq!(*calls.lock().unwrap(), before, "nothing is left to send");
    let posts: usize =
        before.iter().filter(|((method, _), _)| method == "POST").map(|(_, count)| count).sum();
    println!("{ROWS} rows, {KILLS} kills: {elapsed:.1?}, {posts} POSTs with those for tokens");
}
