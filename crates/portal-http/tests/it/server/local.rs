//! `LocalServer`.

#[cfg(feature = "client")]
mod client;

use std::time::Duration;

use portal_http::server::{LocalServer, LocalServerBuilder};
use portal_store::MemoryRegistry;
use serde_json::json;
use tokio::net::TcpStream;

use super::caller::{Caller, PORTALS};
use super::{create, list, names, token_of};

#[tokio::test]
async fn servers_over_one_registry_share_data() {
    let registry = MemoryRegistry::new();
    let start = || LocalServerBuilder::over(registry.clone()).start();
    let (one, other) = (start().await.unwrap(), start().await.unwrap());
    let token = token_of(&one).await;
    assert_eq!(create(&token, "AcmePortal").send(one.url()).await.unwrap().status, 200);
    assert_eq!(list(&token).send(other.url()).await.unwrap().status, 200);
    assert_eq!(names(&other).await, ["AcmePortal"]);
}

#[tokio::test]
async fn dropped_server_stops_listening() {
    let server = LocalServer::start().await.unwrap();
    let host = server.url().strip_prefix("http://").unwrap().to_owned();
    let mut idle = TcpStream::connect(&host).await.unwrap();
    drop(server);
    let mut received = Vec::new();
    drop(tokio::io::AsyncReadExt::read_to_end(&mut idle, &mut received).await);
    assert!(TcpStream::connect(&host).await.is_err());
}

#[tokio::test]
async fn reset_begins_anew_with_new_org() {
    let builder = LocalServer::builder().fault("GET request:500:@2".parse().unwrap());
    let server = builder.start().await.unwrap();
    let status = async || {
        list(&token_of(&server).await).send(server.url()).await.map(|response| response.status)
    };
    let (old_org, old_token) = (server.org_id().await.unwrap(), token_of(&server).await);
    create(&old_token, "AcmePortal").send(server.url()).await.unwrap();
    let old = server.portals().await.unwrap();
    assert_eq!([status().await, status().await], [Some(200), Some(500)]);
    server.set_faults(["request:drop".parse().unwrap()]);
    server.inject_once("POST request:html".parse().unwrap());
    assert_eq!(status().await, None);
    server.advance(Duration::from_secs(3600));

    server.reset();
    assert_eq!((server.portals().await.unwrap().len(), server.requests().len()), (0, 0));
    assert_ne!(server.org_id().await.unwrap(), old_org);
    assert_eq!(list(&old_token).send(server.url()).await.unwrap().status, 401);
    // The fault of the start counts from the start: that was the first request.
    assert_eq!([status().await, status().await], [Some(500), Some(204)]);
    let again = create(&token_of(&server).await, "AcmePortal").send(server.url()).await;
    assert_eq!(again.unwrap().status, 200);
    let new = server.portals().await.unwrap();
    assert_ne!(new[0].zaid, old[0].zaid);
    let unset =
        new[0].created_time.unwrap().unix_seconds() - old[0].created_time.unwrap().unix_seconds();
    assert!(unset < 3600, "{unset}");
}

#[tokio::test(start_paused = true)]
async fn request_under_way_has_no_effect_after_reset() {
    let builder = LocalServer::builder().fault("POST request:delay=10s".parse().unwrap());
    let server = builder.start().await.unwrap();
    let caller = Caller::new(&server).await;
    let create = json!({"portals": [{"name": "AcmePortal"}]}).to_string();
    let under_way = tokio::spawn(async move { caller.send("POST", PORTALS, create).await.0 });
    tokio::time::sleep(Duration::from_secs(5)).await;
    server.reset();
    assert_eq!(under_way.await.unwrap(), 500);
    assert!(names(&server).await.is_empty());
}

#[tokio::test]
async fn requests_are_recorded_with_what_was_done() {
    let server = LocalServer::start().await.unwrap();
    let token = token_of(&server).await;
    server.inject_once("POST committed:drop".parse().unwrap());
    assert!(create(&token, "AcmePortal").send(server.url()).await.is_none());
    create(&token, "AcmePortal").send(server.url()).await.unwrap();
    let seen: Vec<_> = server
        .requests()
        .into_iter()
        .map(|request| {
            assert_eq!(request.request_body, r#"{"portals":[{"name":"AcmePortal"}]}"#);
            assert!(!serde_json::to_string(&request).unwrap().contains("request_body"));
            (request.status, request.code, request.faults)
        })
        .collect();
    let lost = (None, None, vec!["POST committed:drop".to_owned()]);
    assert_eq!(seen, [lost, (Some(400), Some("ALREADY_USED".to_owned()), Vec::new())]);
}
