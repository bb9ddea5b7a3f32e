//! `LocalServer::client`: without sockets, in paused time.

use std::time::Duration;

use portal_http::client::{Client, Credential};
use portal_http::server::LocalServer;
use portal_model::flow::Policy;
use portal_model::outcome::{Origin, Outcome};
use portal_model::{ListPortals, PortalName};
use tokio::time::Instant;

use crate::client::script::safely;

async fn server_with(fault: &str) -> LocalServer {
    LocalServer::builder().fault(fault.parse().unwrap()).start().await.unwrap()
}

fn name(name: &str) -> PortalName {
    name.parse().unwrap()
}

async fn names(client: &Client) -> Vec<String> {
    let portals = client.call(&ListPortals).await.unwrap();
    portals.into_iter().map(|portal| portal.name).collect()
}

#[tokio::test(start_paused = true)]
async fn client_needs_neither_socket_nor_time() {
    let server = server_with("POST committed:delay=15s").await;
    let (started, paused) = (std::time::Instant::now(), Instant::now());
    let outcome = safely(server.client()).create(name("AcmePortal")).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    assert!(paused.elapsed() >= Duration::from_secs(15));
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn first_attempt_fails_and_second_succeeds() {
    let server = server_with("POST request:500:@1").await;
    let outcome = safely(server.client()).create(name("AcmePortal")).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    let requests = server.requests().into_iter();
    let attempts = requests.filter(|request| request.portal.is_some());
    let statuses: Vec<_> = attempts.map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(500), Some(200)]);
}

#[tokio::test(start_paused = true)]
async fn faults_change_while_server_runs() {
    let server = LocalServer::start().await.unwrap();
    let client = server.client();
    let is_listed = async || client.call(&ListPortals).await.is_ok();
    server.set_faults(["GET request:500:@2+".parse().unwrap()]);
    assert_eq!([is_listed().await, is_listed().await, is_listed().await], [true, false, false]);
    server.set_faults([]);
    assert!(is_listed().await);
    server.inject_once("GET request:html:@7".parse().unwrap());
    assert_eq!([is_listed().await, is_listed().await], [false, true]);
    assert_eq!(server.service().faults(), []);
}

#[tokio::test]
async fn last_thousand_requests_are_kept() {
    let server = LocalServer::start().await.unwrap();
    let client = server.client();
    for _ in 0..1000 {
        client.call(&ListPortals).await.unwrap();
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 1000);
    assert!(requests.iter().all(|request| request.method == "GET"));
}

/// A create without a response, while lists are behind by less than its policy allows for.
#[tokio::test(start_paused = true)]
async fn create_outlasts_stale_lists() {
    for (fault, exists) in [("POST committed:drop:@1", true), ("POST request:drop:@1", false)] {
        let server = LocalServer::builder()
            .fault("GET request:stale=9s".parse().unwrap())
            .fault(fault.parse().unwrap())
            .start()
            .await
            .unwrap();
        let client = Client::builder()
            .transport(server.service().clone())
            .api_url(server.url())
            .policy(Policy::default())
            .build(Credential::access_token(server.access_token().await.unwrap()))
            .unwrap();
        let outcome = safely(client.clone()).create(name("AcmePortal")).await;
        let appeared = matches!(&outcome, Outcome::Present { origin: Origin::Appeared, .. });
        assert!(if exists { appeared } else { matches!(outcome, Outcome::Created { .. }) });
        assert_eq!(server.portals().await.unwrap().len(), 1);
        assert_eq!(names(&client).await.len(), usize::from(exists), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn debug_of_server_and_requests_has_no_secret() {
    let server = LocalServer::start().await.unwrap();
    assert!(server.client().authenticate().await.is_ok());
    let requests = server.requests();
    let secret = server.client_secret();
    assert!(requests[0].request_body.contains(secret.expose()));
    let shown = format!("{server:?} {requests:?}");
    for secret in [secret, server.refresh_token()] {
        assert!(!shown.contains(secret.expose()), "{shown}");
    }
}
