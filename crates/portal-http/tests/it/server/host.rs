//! The host that a request names.

use portal_http::server::LocalServer;
use serde_json::Value;

use super::token_of;
use crate::wire::{Wire, WireResponse, exchange};

/// Sends a request with a token and these lines as its head.
async fn send(server: &LocalServer, lines: &str) -> WireResponse {
    let token = token_of(server).await;
    let host = server.url().strip_prefix("http://").unwrap();
    let head =
        format!("{lines}\r\nAuthorization: Zoho-oauthtoken {token}\r\nConnection: close\r\n\r\n");
    WireResponse::read(&exchange(host, head.as_bytes()).await)
}

#[tokio::test]
async fn request_needs_one_valid_host() {
    let server = LocalServer::start().await.unwrap();
    for (hosts, problem) in [
        ("", "missing Host header"),
        ("\r\nHost: localhost\r\nHost: localhost", "more than one Host header"),
        ("\r\nHost: user@localhost", "invalid Host header"),
    ] {
        let response = send(&server, &format!("GET /crm/v7/org HTTP/1.1{hosts}")).await;
        let body = response.json().unwrap();
        assert_eq!(response.status, 400);
        assert_eq!((&body["code"], &body["message"]), (&"BAD_REQUEST".into(), &problem.into()));
        assert_eq!(body["status"], "error");
    }
}

#[tokio::test]
async fn loopback_listener_refuses_foreign_host() {
    let server = LocalServer::start().await.unwrap();
    for lines in [
        "GET /crm/v7/org HTTP/1.1\r\nHost: evil.example",
        "GET http://evil.example/crm/v7/org HTTP/1.1\r\nHost: localhost",
    ] {
        let response = send(&server, lines).await;
        assert_eq!(response.status, 421, "{lines}");
        assert_eq!(response.json().unwrap()["details"]["host"], "evil.example");
    }
    let response = send(&server, "GET /crm/v7/org HTTP/1.1\r\nHost: localhost").await;
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn api_domain_is_host_of_absolute_target() {
    let server = LocalServer::start().await.unwrap();
    let target = format!(
        "http://localhost:1/oauth/v2/token?grant_type=refresh_token&client_id={}&client_secret={}\
         &refresh_token={}",
        server.client_id(),
        server.client_secret().expose(),
        server.refresh_token().expose(),
    );
    let response = Wire::new("POST", &target).send(server.url()).await.unwrap();
    let domain = &response.json().unwrap()["api_domain"];
    assert_eq!(*domain, Value::from("http://localhost:1"));
}
