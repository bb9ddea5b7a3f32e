//! Faults on purpose: they hit where, what and as often as they say.

use std::time::{Duration, Instant};

use portal_http::server::LocalServer;
use portal_model::oauth::{Grant, TokenRequest};

use super::{create, list, names, token_of};
use crate::wire::{Answer, Wire};

async fn server_with(fault: &str) -> (LocalServer, String) {
    let builder = LocalServer::builder().fault(fault.parse().unwrap());
    let server = builder.start().await.unwrap();
    let token = token_of(&server).await;
    (server, token)
}

/// What a create gets from a server with `fault`, and whether it was kept.
async fn create_under(fault: &str) -> (Option<Answer>, bool) {
    let (server, token) = server_with(fault).await;
    let answer = create(&token, "AcmePortal").send(server.url()).await;
    (answer, names(&server).await == ["AcmePortal"])
}

fn code(answer: &Answer) -> String {
    answer.json().unwrap()["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_second_answer_is_lost_after_its_create_was_kept() {
    let (server, token) = server_with("POST committed:drop:1/2").await;
    let mut answered = Vec::new();
    for number in 1..=10 {
        let name = format!("Portal{number}");
        let answer = create(&token, &name).send(server.url()).await;
        // Refused creates and reads are no creates: they are not counted.
        assert_eq!(create(&token, &name).send(server.url()).await.unwrap().status, 400);
        assert_eq!(list(&token).send(server.url()).await.unwrap().status, 200);
        answered.push(answer.is_some());
    }
    assert_eq!(answered, [true, false].repeat(5));
    assert_eq!(names(&server).await.len(), 10);
}

#[tokio::test]
async fn a_fault_at_the_request_strikes_before_anything_is_done() {
    let (answer, is_kept) = create_under("request:drop").await;
    assert!(answer.is_none() && !is_kept);

    let (answer, is_kept) = create_under("request:429=7").await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
    assert_eq!(code(&answer), "TOO_MANY_REQUESTS");
    assert!(!is_kept);

    let (answer, is_kept) = create_under("POST request:429").await;
    assert_eq!(answer.unwrap().header("retry-after"), None);
    assert!(!is_kept);

    let (answer, is_kept) = create_under("request:500").await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, code(&answer).as_str()), (500, "INTERNAL_ERROR"));
    assert!(!is_kept);

    let (answer, is_kept) = create_under("request:expire").await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, code(&answer).as_str()), (401, "INVALID_TOKEN"));
    assert!(!is_kept);

    let (answer, is_kept) = create_under("request:cut").await;
    assert_is_cut(&answer.unwrap());
    assert!(!is_kept);
}

#[tokio::test]
async fn a_fault_at_the_commit_strikes_after_the_create_is_kept() {
    let (answer, is_kept) = create_under("committed:drop").await;
    assert!(answer.is_none() && is_kept);

    let (answer, is_kept) = create_under("committed:500").await;
    assert_eq!(answer.unwrap().status, 500);
    assert!(is_kept);

    let (answer, is_kept) = create_under("committed:html").await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (502, Some("text/html")));
    assert!(answer.body.starts_with(b"<html>"));
    assert!(is_kept);

    let (answer, is_kept) = create_under("committed:cut").await;
    assert_is_cut(&answer.unwrap());
    assert!(is_kept);
}

/// A 200 whose head promises more than comes: nobody takes it for a whole answer.
fn assert_is_cut(answer: &Answer) {
    assert_eq!(answer.status, 200);
    assert!(!answer.body.is_empty());
    assert!(answer.promised().unwrap() > answer.body.len(), "{answer:?}");
}

#[tokio::test]
async fn an_answer_without_a_body_is_cut_and_dropped_too() {
    let (server, token) = server_with("GET committed:cut").await;
    assert_is_cut(&list(&token).send(server.url()).await.unwrap());
    let (server, token) = server_with("GET committed:drop").await;
    assert!(list(&token).send(server.url()).await.is_none());
}

#[tokio::test]
async fn a_token_that_expires_at_the_commit_is_refused_from_the_next_call_on() {
    let (server, token) = server_with("POST committed:expire").await;
    assert_eq!(create(&token, "AcmePortal").send(server.url()).await.unwrap().status, 200);
    assert_eq!(code(&list(&token).send(server.url()).await.unwrap()), "INVALID_TOKEN");
}

#[tokio::test]
async fn a_delay_delays() {
    let (server, token) = server_with("GET committed:delay=50ms").await;
    let before = Instant::now();
    list(&token).send(server.url()).await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn the_word_token_means_the_token_endpoint_alone() {
    let (server, token) = server_with("TOKEN request:429=7").await;
    assert_eq!(create(&token, "AcmePortal").send(server.url()).await.unwrap().status, 200);
    let answer = token_request(&server).send(server.url()).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (400, Some("7")));
    assert_eq!(answer.json().unwrap()["error"], "Access Denied");
}

#[tokio::test]
async fn a_granted_token_can_be_dead_on_arrival() {
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
