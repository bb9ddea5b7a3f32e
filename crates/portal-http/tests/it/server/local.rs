//! `LocalServer`.

use portal_http::server::LocalServer;
use portal_store::MemoryRegistry;
use tokio::net::TcpStream;

use super::{create, list, names, token_of};

#[tokio::test]
async fn servers_over_one_registry_share_data() {
    let registry = MemoryRegistry::new();
    let start = || LocalServer::builder().registry(registry.clone()).start();
    let (one, other) = (start().await.unwrap(), start().await.unwrap());
    let token = token_of(&one).await;
    assert_eq!(create(&token, "AcmePortal").send(one.url()).await.unwrap().status, 200);
    assert_eq!(list(&token).send(other.url()).await.unwrap().status, 200);
    assert_eq!(names(&other).await, ["AcmePortal"]);
}

#[tokio::test]
async fn registry_keeps_earlier_settings() {
    let builder = LocalServer::builder().fault("request:drop".parse().unwrap());
    let server = builder.registry(MemoryRegistry::new()).start().await.unwrap();
    assert!(list(&token_of(&server).await).send(server.url()).await.is_none());
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
