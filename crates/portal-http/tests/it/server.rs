//! The server over real sockets, with requests written as bytes.

mod any_request;
mod axum;
mod caller;
mod connections;
mod create;
mod documented;
mod faults;
mod host;
mod local;
mod oauth;
mod stale;
mod table;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};

use portal_http::server::{LocalServer, PortalService, PortalServiceBuilder, Server};
use portal_store::MemoryRegistry;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::wire::Wire;

type Builder = PortalServiceBuilder<MemoryRegistry>;

/// A server over the registry of `local`, with settings that a [`LocalServer`] does not have, and
/// the handle that shuts it down.
struct Custom {
    local: LocalServer,
    host: String,
    url: String,
    end: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Custom {
    async fn start(
        service: impl FnOnce(Builder) -> Builder,
        server: impl FnOnce(Server) -> Server,
    ) -> Self {
        Self::beside(LocalServer::start().await.unwrap(), service, server).await
    }

    async fn beside(
        local: LocalServer,
        service: impl FnOnce(Builder) -> Builder,
        server: impl FnOnce(Server) -> Server,
    ) -> Self {
        let service = service(PortalService::builder(local.registry().clone())).build();
        let bound = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let server = server(bound);
        let (host, url) = (server.address().to_string(), server.url());
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(server.serve(service, async { drop(ended.await) }));
        Self { local, host, url, end: Some(end), serving }
    }

    fn shut_down(&mut self) {
        self.end.take().unwrap().send(()).unwrap();
    }
}

impl Drop for Custom {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

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
