//! An application that serves the API beside its own routes.
//!
//! `cargo run -p portal-http --features server --example axum`, then
//! `curl http://127.0.0.1:3000/health`, and any call of the API at the same address.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use portal_http::server::PortalService;
use portal_store::{MemoryRegistry, Registry};

const SEED: &str = r#"
    [[org]]
    name = "Acme"
    [[org.user]]
    name = "Acme Admin"
    email = "admin@acme.example"
    permissions = ["manage_portal", "manage_portal_users"]
    [[org.user.credential]]
    client_id = "1000.ACME"
    client_secret = "acme-secret"
    refresh_token = "1000.acme.all"
    scopes = ["ZohoCRM.settings.clientportal.ALL"]
"#;

/// The application: one route of its own, and everything of the API.
pub(crate) fn application<R: Registry>(portals: PortalService<R>) -> Router {
    Router::new()
        .route("/health", get(async || "well"))
        .route_service("/crm/{*rest}", portals.clone())
        .route_service("/oauth/{*rest}", portals)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = PortalService::new(MemoryRegistry::new());
    service.registry().apply_seed(&SEED.parse()?, service.now()).await?;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, application(service)).await?;
    Ok(())
}
