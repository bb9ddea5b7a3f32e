//! The server over real sockets, with requests written as bytes.

mod any_request;
mod axum;
mod connections;
mod create;
mod documented;
mod faults;
mod host;
mod local;
mod oauth;
mod table;
#[cfg(feature = "tls")]
mod tls;

use portal_http::server::LocalServer;
use serde_json::json;

use crate::wire::Wire;

/// A create of `name`.
fn create(token: &str, name: &str) -> Wire {
    Wire::new("POST", "/crm/v7/settings/portals")
        .token(token)
        .body(json!({"portals": [{"name": name}]}).to_string())
}

/// A list.
fn list(token: &str) -> Wire {
    Wire::new("GET", "/crm/v7/settings/portals").token(token)
}

async fn token_of(server: &LocalServer) -> String {
    server.access_token().await.unwrap().expose().to_owned()
}

async fn names(server: &LocalServer) -> Vec<String> {
    server.portals().await.unwrap().into_iter().map(|portal| portal.name).collect()
}
