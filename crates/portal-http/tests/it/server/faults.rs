//! Injected faults: which requests they match, and what they do.

use std::time::{Duration, Instant};

use portal_http::server::LocalServer;
use portal_model::oauth::{Grant, TokenRequest};

use super::{create, list, names, token_of};
use crate::wire::{Wire, WireResponse};

async fn server_with(fault: &str) -> (LocalServer, String) {
    let builder = LocalServer::builder().fault(fault.parse().unwrap());
    let server = builder.start().await.unwrap();
    let token = token_of(&server).await;
    (server, token)
}

/// Returns the response to a create under `fault`, and whether the portal exists.
async fn create_under(fault: &str) -> (Option<WireResponse>, bool) {
    let (server, token) = server_with(fault).await;
    let response = create(&token, "AcmePortal").send(server.url()).await;
    (response, names(&server).await == ["AcmePortal"])
}

fn code(response: &WireResponse) -> String {
    response.json().unwrap()["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn committed_drop_loses_every_second_response() {
    let (server, token) = server_with("POST committed:drop:1/2").await;
    let mut responded = Vec::new();
    for number in 1..=10 {
        let name = format!("Portal{number}");
        let response = create(&token, &name).send(server.url()).await;
        // Refused creates and lists don't match the fault, so they don't count.
        assert_eq!(create(&token, &name).send(server.url()).await.unwrap().status, 400);
        assert_eq!(list(&token).send(server.url()).await.unwrap().status, 200);
        responded.push(response.is_some());
    }
    assert_eq!(responded, [true, false].repeat(5));
    assert_eq!(names(&server).await.len(), 10);
}

#[tokio::test]
async fn request_fault_precedes_any_effect() {
    let (response, is_kept) = create_under("request:drop").await;
    assert!(response.is_none() && !is_kept);

    let (response, is_kept) = create_under("request:429=7").await;
    let response = response.unwrap();
    assert_eq!((response.status, response.header("retry-after")), (429, Some("7")));
    assert_eq!(code(&response), "TOO_MANY_REQUESTS");
    assert!(!is_kept);

    let (response, is_kept) = create_under("POST request:429").await;
    assert_eq!(response.unwrap().header("retry-after"), None);
    assert!(!is_kept);

    let (response, is_kept) = create_under("request:500").await;
    let response = response.unwrap();
    assert_eq!((response.status, code(&response).as_str()), (500, "INTERNAL_ERROR"));
    assert!(!is_kept);

    let (response, is_kept) = create_under("request:expire").await;
    let response = response.unwrap();
    assert_eq!((response.status, code(&response).as_str()), (401, "INVALID_TOKEN"));
    assert!(!is_kept);

    let (response, is_kept) = create_under("request:cut").await;
    assert_is_cut(&response.unwrap());
    assert!(!is_kept);
}

#[tokio::test]
async fn committed_fault_follows_create() {
    let (response, is_kept) = create_under("committed:drop").await;
    assert!(response.is_none() && is_kept);

    let (response, is_kept) = create_under("committed:500").await;
    assert_eq!(response.unwrap().status, 500);
    assert!(is_kept);

    let (response, is_kept) = create_under("committed:html").await;
    let response = response.unwrap();
    assert_eq!((response.status, response.header("content-type")), (502, Some("text/html")));
    assert!(response.body.starts_with(b"<html>"));
    assert!(is_kept);

    let (response, is_kept) = create_under("committed:cut").await;
    assert_is_cut(&response.unwrap());
    assert!(is_kept);
}

/// Asserts a 200 whose head announces more than is sent.
fn assert_is_cut(response: &WireResponse) {
    assert_eq!(response.status, 200);
    assert!(!response.body.is_empty());
    assert!(response.content_length().unwrap() > response.body.len(), "{response:?}");
}

#[tokio::test]
async fn response_without_body_is_cut_and_dropped_too() {
    let (server, token) = server_with("GET committed:cut").await;
    assert_is_cut(&list(&token).send(server.url()).await.unwrap());
    let (server, token) = server_with("GET committed:drop").await;
    assert!(list(&token).send(server.url()).await.is_none());
}

#[tokio::test]
async fn committed_expire_fault_invalidates_token() {
    let (server, token) = server_with("POST committed:expire").await;
    assert_eq!(create(&token, "AcmePortal").send(server.url()).await.unwrap().status, 200);
    assert_eq!(code(&list(&token).send(server.url()).await.unwrap()), "INVALID_TOKEN");
}

#[tokio::test]
async fn delay_delays_response() {
    let (server, token) = server_with("GET committed:delay=50ms").await;
    let before = Instant::now();
    list(&token).send(server.url()).await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn token_fault_matches_token_endpoint_only() {
    let (server, token) = server_with("TOKEN request:429=7").await;
    assert_eq!(create(&token, "AcmePortal").send(server.url()).await.unwrap().status, 200);
    let response = token_request(&server).send(server.url()).await.unwrap();
    assert_eq!((response.status, response.header("retry-after")), (400, Some("7")));
    assert_eq!(response.json().unwrap()["error"], "Access Denied");
}

#[tokio::test]
async fn granted_token_can_be_invalid() {
    let (server, _) = server_with("TOKEN committed:expire").await;
    let granted = token_request(&server).send(server.url()).await.unwrap().json().unwrap();
    let token = granted["access_token"].as_str().unwrap();
    assert_eq!(code(&list(token).send(server.url()).await.unwrap()), "INVALID_TOKEN");
}

fn token_request(server: &LocalServer) -> Wire {
    let grant = Grant::RefreshToken(server.refresh_token());
    let request = TokenRequest::new(server.client_id(), server.client_secret(), grant).request();
    Wire::new("POST", &request.path).body(&request.body)
}
