//! Engines over real directories and databases, and across real processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "clippy knows tests by `cfg(test)`, which this crate of tests doesn't have"
)]

use std::sync::Arc;

use portal_model::oauth::{Grant, TokenRequest};
use portal_model::{Environment, PortalName, Scope, Timestamp};
use portal_store::{
    Permission, PortalLimit, Principal, Registry, Seed, SeedCredential, SeedOrg, SeedUser,
    TokenRules,
};

mod administration;
mod agreement;
mod backup;
mod children;
mod conformance;
mod formats;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod full_disk;
mod history;
mod mishaps;
mod open;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod power_loss;
mod processes;
mod reseeding;

const ORGS: [&str; 3] = ["acme", "limited", "sandbox"];

/// Chooses the size of a test: in the gate, or with `PORTAL_STORE_LONG`, which children inherit.
fn long(in_gate: usize, long: usize) -> usize {
    if std::env::var_os("PORTAL_STORE_LONG").is_some() { long } else { in_gate }
}

/// An org without a limit, one with a limit, and a sandbox; each has a refresh token, and the first a
/// code.
fn seed() -> Seed {
    let token = |org| SeedCredential::refresh_token("1000.CLIENT", "hush", format!("{org}.token"));
    let code = SeedCredential::code("1000.CLIENT", "hush", "acme.code")
        .scopes([Scope::PORTAL_CREATE, Scope::USERS_READ]);
    let acme = SeedUser::admin("Acme Admin", "admin@acme.example")
        .credential(token("acme"))
        .credential(code);
    let limited = SeedUser::new("Limited Admin", "admin@limited.example")
        .permissions([Permission::ManagePortal])
        .credential(token("limited").scopes([Scope::PORTAL_READ]));
    let sandbox =
        SeedUser::new("Sandbox User", "user@sandbox.example").credential(token("sandbox"));
    Seed::new([
        SeedOrg::new("acme").user(acme),
        SeedOrg::new("limited").portal_limit(PortalLimit::One).user(limited),
        SeedOrg::new("sandbox").environment(Environment::Sandbox).user(sandbox),
    ])
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + second).unwrap()
}

fn name(text: &str) -> PortalName {
    text.parse().unwrap()
}

fn refresh(org: &str) -> TokenRequest {
    let grant = Grant::RefreshToken(format!("{org}.token").into());
    TokenRequest::new("1000.CLIENT", "hush".to_owned(), grant)
}

/// The principal of an org of [`seed`].
async fn principal_of<R: Registry>(registry: &R, org: &str) -> Principal {
    let granted = registry.issue_token(&refresh(org), TokenRules::LifetimesOnly, at(0)).await;
    let token = granted.unwrap().unwrap().access_token;
    Arc::unwrap_or_clone(registry.authenticate(token.expose(), at(0)).await.unwrap().unwrap())
}
