//! An application that serves the API beside its own routes.
//!
//! `cargo run -p portal-http --features server --example axum`, then
//! `curl http://127.0.0.1:3000/health` and any call of the API at the same address.

use axum::Router;
use axum::routing::get;
use portal_http::server::PortalService;
use portal_store::{MemoryRegistry, Registry};

/// The application: one route of its own, and everything of the API.
pub(crate) fn application<R: Registry>(portals: PortalService<R>) -> Router {
    Router::new()
        .route("/health", get(async || "well"))
        .route_service("/crm/{*rest}", portals.clone())
        .route_service("/oauth/{*rest}", portals)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // An empty registry refuses every token: `apply_seed` adds orgs, users and credentials.
    let portals = PortalService::new(MemoryRegistry::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, application(portals)).await
}
