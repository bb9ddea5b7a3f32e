//! Concurrent creates, creates of disconnected clients, and the access log.

use std::time::Duration;

use portal_http::server::LocalServer;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{create, names, token_of};
use crate::wire::{WireResponse, exchange};

/// `AcmePortal` with the letters that `bits` says in upper case.
fn spelled(bits: usize) -> String {
    let letters = "acmeportal".chars().enumerate();
    letters.map(|(at, c)| if bits >> at & 1 == 1 { c.to_ascii_uppercase() } else { c }).collect()
}

#[tokio::test]
async fn one_of_64_concurrent_creates_succeeds() {
    let server = LocalServer::start().await.unwrap();
    let token = token_of(&server).await;
    let mut responses = JoinSet::new();
    for bits in 0..64 {
        let (create, url) = (create(&token, &spelled(bits)), server.url().to_owned());
        responses.spawn(async move { create.send(&url).await.unwrap() });
    }
    let responses = responses.join_all().await;
    let created = responses.iter().filter(|response| response.status == 200).count();
    let code = |response: &WireResponse| response.json().unwrap()["portals"][0]["code"].clone();
    let used = responses.iter().filter(|response| code(response) == "ALREADY_USED").count();
    assert_eq!((created, used), (1, 63));
    assert_eq!(names(&server).await.len(), 1);
}

#[tokio::test]
async fn create_completes_after_client_disconnects() {
    let (called, mut calls) = mpsc::unbounded_channel();
    let server = LocalServer::builder()
        .fault("POST request:delay=100ms".parse().unwrap())
        .on_request(move |request| called.send(request.status()).unwrap())
        .start()
        .await
        .unwrap();
    let host = server.url().strip_prefix("http://").unwrap();
    let request = create(&token_of(&server).await, "AcmePortal").bytes(host);
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(&request).await.unwrap();
    drop(stream);
    let status = tokio::time::timeout(Duration::from_secs(10), calls.recv()).await.unwrap();
    assert_eq!(status.unwrap(), Some(200));
    assert_eq!(names(&server).await, ["AcmePortal"]);
}

#[tokio::test]
async fn access_log_has_no_secret() {
    let (called, mut calls) = mpsc::unbounded_channel();
    let server = LocalServer::builder()
        .on_request(move |request| {
            assert!(!format!("{request:?}").contains("hush"));
            let (org, code) = (request.org().map(str::to_owned), request.code().map(str::to_owned));
            called.send((request.path().to_owned(), org, request.status(), code)).unwrap();
        })
        .start()
        .await
        .unwrap();
    let token = token_of(&server).await;
    create(&token, "AcmePortal").send(server.url()).await.unwrap();
    create(&token, "my portal").send(server.url()).await.unwrap();
    create("1000.wrong", "AcmePortal").send(server.url()).await.unwrap();
    crate::wire::Wire::new("POST", "/oauth/v2/token?client_id=a&client_secret=hush")
        .send(server.url())
        .await
        .unwrap();
    let mut lines = Vec::new();
    while let Ok(call) = calls.try_recv() {
        lines.push(call);
    }
    let line = |path: &str, org: Option<&str>, status, code: Option<&str>| {
        (path.to_owned(), org.map(ToOwned::to_owned), Some(status), code.map(ToOwned::to_owned))
    };
    let portals = "/crm/v7/settings/portals";
    assert_eq!(
        lines,
        [
            line(portals, Some("Local"), 200, None),
            line(portals, Some("Local"), 400, Some("PATTERN_NOT_MATCHED")),
            line(portals, None, 401, Some("INVALID_TOKEN")),
            line("/oauth/v2/token", None, 200, Some("unsupported_grant_type")),
        ]
    );
}

#[tokio::test]
async fn encoded_body_is_refused_and_creates_nothing() {
    let server = LocalServer::start().await.unwrap();
    let token = token_of(&server).await;
    let gzip = create(&token, "AcmePortal").header("Content-Encoding", "gzip");
    assert_eq!(gzip.send(server.url()).await.unwrap().status, 415);
    let host = server.url().strip_prefix("http://").unwrap();
    let head = format!(
        "POST /crm/v7/settings/portals HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Authorization: Zoho-oauthtoken {token}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    );
    let body = "23\r\n{\"portals\":[{\"name\":\"AcmePortal\"}]}\r\n0\r\n\r\n";
    let response = exchange(host, format!("{head}{body}").as_bytes()).await;
    assert_eq!(WireResponse::read(&response).status, 501);
    assert!(names(&server).await.is_empty());
}
