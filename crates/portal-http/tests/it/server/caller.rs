//! [`Caller`]: requests without sockets, for paused time.

use http_body_util::{BodyExt as _, Full};
use portal_http::server::{LocalServer, PortalService};
use portal_store::MemoryRegistry;
use serde_json::{Value, json};
use tower_service::Service as _;

use super::token_of;

pub(super) const PORTALS: &str = "/crm/v7/settings/portals";

/// Sends requests to a server without sockets, which paused time could time out.
#[derive(Clone)]
pub(super) struct Caller {
    service: PortalService<MemoryRegistry>,
    token: String,
}

impl Caller {
    pub(super) async fn new(server: &LocalServer) -> Self {
        Self { service: server.service().clone(), token: token_of(server).await }
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: String) -> (u16, Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", format!("Zoho-oauthtoken {}", self.token))
            .body(Full::new(bytes::Bytes::from(body)))
            .unwrap();
        let response = self.service.clone().call(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    pub(super) async fn change(&self, method: &str, path: &str, name: &str) {
        let body = json!({"portals": [{"name": name}]}).to_string();
        assert_eq!(self.send(method, path, body).await.0, 200, "{name}");
    }

    pub(super) async fn create(&self, name: &str) {
        self.change("POST", PORTALS, name).await;
    }

    pub(super) async fn rename(&self, old: &str, new: &str) {
        self.change("PUT", &format!("{PORTALS}/{old}"), new).await;
    }

    pub(super) async fn list(&self) -> Vec<String> {
        let (_, body) = self.send("GET", PORTALS, String::new()).await;
        let portals = body["portals"].as_array().cloned().unwrap_or_default();
        portals.iter().map(|portal| portal["name"].as_str().unwrap().to_owned()).collect()
    }
}
