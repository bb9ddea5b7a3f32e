//! An application that serves the API beside its own routes.
//!
//! `cargo run -p portal-http --features server --example axum`, then
//! `curl http://127.0.0.1:3000/health`, and any call of the API at the same address.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use portal_http::model::Scope;
use portal_http::server::PortalService;
use portal_store::{MemoryRegistry, Registry, Seed, SeedCredential, SeedOrg, SeedUser};

/// Who can use the API.
fn seed() -> Seed {
    let (secret, token) = ("acme-secret".to_owned(), "1000.acme.all".to_owned());
    let credential = SeedCredential::refresh_token("1000.ACME", secret, token);
    let user = SeedUser::admin("Acme Admin", "admin@acme.example");
    Seed::new([SeedOrg::new("Acme").user(user.credential(credential.scopes([Scope::PORTAL_ALL])))])
}

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
    service.registry().apply_seed(&seed(), service.now()).await?;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, application(service)).await?;
    Ok(())
}
