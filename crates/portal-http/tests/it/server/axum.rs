//! The API mounted in an axum application.

#[path = "../../../examples/axum.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod example;

use portal_http::server::LocalServer;
use tokio::net::TcpListener;

use super::{create, names, token_of};
use crate::wire::Wire;

#[tokio::test]
async fn service_mounts_beside_axum_routes() {
    let local = LocalServer::start().await.unwrap();
    local.set_faults(["POST committed:drop:1/2".parse().unwrap()]);
    let portals = local.service().clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving =
        tokio::spawn(async { ::axum::serve(listener, example::application(portals)).await });

    let health = Wire::new("GET", "/health").send(&url).await.unwrap();
    assert_eq!((health.status, health.body.as_slice()), (200, b"well".as_slice()));
    let token = token_of(&local).await;
    let created = create(&token, "AcmePortal").send(&url).await.unwrap();
    assert_eq!(created.status, 200);
    assert_eq!(created.header("content-type"), Some("application/json;charset=UTF-8"));
    // Faults are injected there too: the response is lost, but the portal exists.
    assert!(create(&token, "AcmeSecond").send(&url).await.is_none());
    assert_eq!(names(&local).await, ["AcmePortal", "AcmeSecond"]);
    serving.abort();
}
