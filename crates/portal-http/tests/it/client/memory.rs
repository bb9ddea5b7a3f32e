//! The client over the in-memory server: a tower service is a transport.

use portal_http::client::{Client, Credential};
use portal_http::server::LocalServer;
use portal_model::oauth::RevokeToken;
use portal_model::{CreatePortal, GetPortal, RenamePortal};

use super::script::{NAME, name};
use crate::cases::{CLIENT, seed};

#[tokio::test]
async fn tower_service_serves_as_transport() {
    let server = LocalServer::builder().seed(seed()).start().await.unwrap();
    let builder = || {
        Client::builder()
            .transport(server.service().clone())
            .api_url("https://portal.example")
            .accounts_url("https://accounts.example")
    };
    let credential =
        || Credential::refresh_token(CLIENT, CLIENT.to_owned(), "fresh.all".to_owned());

    let client = builder().build(credential()).unwrap();
    client.send_once(&CreatePortal::new(name())).await.unwrap();
    let renamed = "portalsapitest200".parse().unwrap();
    client.send_once(&RenamePortal::new(NAME, renamed)).await.unwrap();
    let portal = client.call(&GetPortal::new("PORTALSAPITEST200")).await.unwrap().unwrap();
    assert_eq!(portal.name, "portalsapitest200");

    let accounts = builder().build_accounts().unwrap();
    accounts.revoke(&RevokeToken::new("fresh.all".to_owned())).await.unwrap();
    assert!(accounts.revoke(&RevokeToken::new("fresh.all".to_owned())).await.is_err());
    let error = builder().build(credential()).unwrap().authenticate().await.unwrap_err();
    assert!(error.to_string().contains("the refresh token"), "{error}");
}
