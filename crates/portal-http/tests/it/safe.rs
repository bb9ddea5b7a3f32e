//! `SafeClient` over the in-memory server and a ledger, in paused time.

mod crash;
mod identity;
mod rules;
mod shutdown;
#[cfg(all(feature = "sqlite", unix))]
mod signup;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stop;

use std::time::Duration;

use portal_http::client::{Client, Credential, InFlight, SafeClient};
use portal_http::ledger::{Filter, Ledger};
use portal_http::server::LocalServer;
use portal_model::flow::{Activity, Policy};
use portal_model::{Outcome, PortalName};

fn name(name: &str) -> PortalName {
    name.parse().unwrap()
}

async fn server(faults: &[&str]) -> LocalServer {
    let server = LocalServer::start().await.unwrap();
    server.set_faults(faults.iter().map(|fault| fault.parse().unwrap()));
    server
}

/// A client of the server's org with the default policy, or another one.
fn client(server: &LocalServer, policy: Policy) -> Client {
    let credential = Credential::refresh_token(
        server.client_id(),
        server.client_secret(),
        server.refresh_token(),
    );
    let builder = Client::builder().api_url(server.url()).accounts_url(server.url());
    builder.policy(policy).transport(server.service().clone()).build(credential).unwrap()
}

fn safe(server: &LocalServer, ledger: &Ledger) -> SafeClient {
    SafeClient::new(client(server, Policy::default()), ledger.clone())
}

async fn names(server: &LocalServer) -> Vec<String> {
    let portals = server.portals().await.unwrap();
    portals.into_iter().map(|portal| portal.name).collect()
}

/// The requests so far, without those for tokens: method and last part of the path.
fn requests(server: &LocalServer) -> Vec<String> {
    let requests = server.requests().into_iter();
    let requests = requests.filter(|request| !request.path.contains("oauth"));
    let last = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    requests.map(|request| format!("{} {}", request.method, last(&request.path))).collect()
}

/// Waits until an attempt is being sent, and has arrived if the service is idle otherwise.
async fn sending(call: &InFlight) {
    let mut activity = call.activity();
    activity.wait_for(|activity| matches!(activity, Activity::Sending { .. })).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn create_identifies_lists_and_sends_once() {
    let server = server(&[]).await;
    let safe = safe(&server, &Ledger::in_memory());
    let outcome = safe.create(name("FirstPortal")).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    assert_eq!(requests(&server), ["GET org", "GET portals", "POST portals"]);
    // Nothing else from then on.
    let outcome = safe.create(name("SecondPortal")).allow_another().await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    assert_eq!(requests(&server)[3..], ["GET portals", "POST portals"]);
}

#[tokio::test(start_paused = true)]
async fn rename_is_in_ledger_too() {
    let server = server(&["PUT committed:drop:@1"]).await;
    let ledger = Ledger::in_memory();
    let safe = safe(&server, &ledger);
    assert!(safe.create(name("AcmePortal")).await.is_ours());
    tokio::time::sleep(Duration::from_secs(20)).await;
    let ended = safe.rename("AcmePortal", name("AcmeHelp")).start().await;
    assert!(matches!(ended.outcome, Outcome::Renamed { .. }), "{:?}", ended.outcome);
    assert_eq!(names(&server).await, ["AcmeHelp"]);
    let entries = ledger.entries(&Filter::default()).await.unwrap();
    assert_eq!(Some(&entries[0].id), ended.entry.as_ref());
}

#[tokio::test(start_paused = true)]
async fn preview_sends_nothing_but_lists() {
    let server = server(&[]).await;
    let safe = safe(&server, &Ledger::in_memory());
    let preview = safe.create(name("AcmePortal")).preview().await.unwrap();
    assert!(!preview.outcome.exists() && preview.entry.is_none(), "{preview:?}");
    assert!(safe.create(name("AcmePortal")).await.is_ours());
    let preview = safe.create(name("AcmePortal")).preview().await.unwrap();
    assert!(preview.outcome.exists() && preview.entry.is_some(), "{preview:?}");
    let preview = safe.create(name("SecondPortal")).preview().await.unwrap();
    assert!(matches!(preview.outcome, Outcome::OrgHasPortal { .. }), "{preview:?}");
    assert_eq!(requests(&server).iter().filter(|request| request.starts_with("POST")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn deadline_too_short_names_least() {
    let server = server(&[]).await;
    let safe = safe(&server, &Ledger::in_memory());
    let error = safe.create(name("AcmePortal")).deadline(Duration::from_secs(3)).unwrap_err();
    assert!(error.needed > Duration::from_secs(90), "{error}");
    assert!(safe.create(name("AcmePortal")).deadline(error.needed).unwrap().await.is_ours());
}
