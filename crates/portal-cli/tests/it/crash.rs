//! A batch in two processes at once, killed at random points and run again, ends with each portal exactly
//! once and a truthful word.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portal_http::server::{LocalServer, ServedRequest};
use portal_model::oauth::{Grant, TokenRequest};
use portal_store::{Registry as _, TokenRules};

use crate::orgs::{self, Org};
use crate::support::{Home, Ran, Running, at_kill_points, wait_until};

const ORGS: usize = 10;
const ROWS: usize = 50;
/// About as many requests as two processes send.
const REQUESTS: usize = 180;
/// Leases of the dead end soon.
const BATCH: [&str; 6] =
    ["batch", "portals.csv", "--allow-another", "--output", "json", "--timeout=1s"];

/// The names of the portals of each org, sorted.
async fn portals(server: &LocalServer, orgs: &[Org]) -> Vec<Vec<String>> {
    let now = "2026-11-23T10:00:00Z".parse().unwrap();
    let registry = server.registry();
    let mut all = Vec::new();
    for org in orgs {
        let grant = Grant::RefreshToken(org.refresh_token().into());
        let request = TokenRequest::new(org.client_id(), org.client_secret(), grant);
        let token = registry.issue_token(&request, TokenRules::LifetimesOnly, now).await.unwrap();
        let token = token.unwrap().access_token;
        let principal = registry.authenticate(token.expose(), now).await.unwrap().unwrap();
        let portals = registry.portals(principal.org.id).await.unwrap();
        let mut names: Vec<_> = portals.into_iter().map(|portal| portal.name).collect();
        names.sort();
        all.push(names);
    }
    all
}

fn row(index: usize) -> (String, String) {
    let org = format!("org{:03}", index % ORGS);
    let name = format!("{org}Portal{}", index / ORGS);
    (org, name)
}

/// Kills both processes, each once the server got so many requests; runs the batch to its end.
async fn kill_both_at(points: [usize; 2]) {
    let seeded: Vec<_> =
        Org::many(ORGS).into_iter().map(|org| Org { portal_limit: false, ..org }).collect();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let count = move |_: &ServedRequest<'_>| {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    let builder = LocalServer::builder().seed(orgs::seed(&seeded).parse().unwrap());
    let server = builder.on_request(count).start().await.unwrap();
    let home = Home::new();
    orgs::write_profiles(&home, server.url(), &seeded);
    let rows = (0..ROWS).map(row).map(|(org, name)| format!("{org},{name}\n"));
    let csv = format!("profile,name\n{}", rows.collect::<String>());
    std::fs::write(home.path().join("portals.csv"), csv).unwrap();

    let mut killed = points.map(|point| (point, Some(Running::start(home.command(&BATCH)))));
    killed.sort_by_key(|(point, _)| *point);
    for (point, process) in &mut killed {
        let mut process = process.take().unwrap();
        wait_until(|| requests.load(Ordering::SeqCst) >= *point || process.has_ended());
        process.kill_even_if_ended();
    }
    let last = Ran::of(&mut home.command(&BATCH));
    assert_eq!(last.status, 0, "{points:?}: {last:?}");
    let expected = |org: usize| -> Vec<String> {
        (0..ROWS / ORGS).map(|number| format!("org{org:03}Portal{number}")).collect()
    };
    let listed = portals(&server, &seeded).await;
    assert_eq!(listed, (0..ORGS).map(expected).collect::<Vec<_>>(), "{points:?}");
    for (index, object) in last.json().iter().enumerate() {
        let (org, name) = row(index);
        assert_eq!((&object["profile"], &object["name"]), (&org.into(), &name.into()), "{object}");
        let is_ours = object["outcome"] == "created" || object["origin"] != "preexisting";
        assert!(is_ours, "{points:?}: {object}");
    }
    let before = requests.load(Ordering::SeqCst);
    let again = Ran::of(&mut home.command(&BATCH));
    assert_eq!(
        (again.status, requests.load(Ordering::SeqCst)),
        (0, before),
        "{points:?}: {again:?}"
    );
}

#[test]
fn killed_batch_creates_each_portal_once() {
    at_kill_points(|_| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let request = || usize::try_from(getrandom::u32().unwrap()).unwrap() % REQUESTS;
        runtime.block_on(kill_both_at([request(), request()]));
    });
}
