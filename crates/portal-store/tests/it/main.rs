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
use portal_model::{PortalName, Timestamp};
use portal_store::{Principal, Registry, Seed, TokenRules};

mod administration;
mod agreement;
mod backup;
mod children;
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

/// An org without a limit, one with a limit, and a sandbox; each has a refresh token and a code.
const SEED: &str = r#"
[[org]]
name = "acme"
[[org.user]]
name = "Acme Admin"
email = "admin@acme.example"
permissions = ["manage_portal", "manage_portal_users"]
[[org.user.credential]]
client_id = "1000.CLIENT"
client_secret = "hush"
refresh_token = "acme.token"
scopes = ["ZohoCRM.settings.clientportal.ALL"]
[[org.user.credential]]
client_id = "1000.CLIENT"
client_secret = "hush"
grant_code = "acme.code"
scopes = ["ZohoCRM.settings.clientportal.CREATE", "ZohoCRM.users.READ"]

[[org]]
name = "limited"
portal_limit = 1
[[org.user]]
name = "Limited Admin"
email = "admin@limited.example"
permissions = ["manage_portal"]
[[org.user.credential]]
client_id = "1000.CLIENT"
client_secret = "hush"
refresh_token = "limited.token"
scopes = ["ZohoCRM.settings.clientportal.READ"]

[[org]]
name = "sandbox"
environment = "sandbox"
[[org.user]]
name = "Sandbox User"
email = "user@sandbox.example"
[[org.user.credential]]
client_id = "1000.CLIENT"
client_secret = "hush"
refresh_token = "sandbox.token"
scopes = ["ZohoCRM.settings.clientportal.ALL"]
"#;

const ORGS: [&str; 3] = ["acme", "limited", "sandbox"];

/// Chooses the size of a test: in the gate, or with `PORTAL_STORE_LONG`, which children inherit.
fn long(in_gate: usize, long: usize) -> usize {
    if std::env::var_os("PORTAL_STORE_LONG").is_some() { long } else { in_gate }
}

fn seed() -> Seed {
    SEED.parse().unwrap()
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

/// The principal of an org of [`SEED`].
async fn principal_of<R: Registry>(registry: &R, org: &str) -> Principal {
    let granted = registry.issue_token(&refresh(org), TokenRules::LifetimesOnly, at(0)).await;
    let token = granted.unwrap().unwrap().access_token;
    Arc::unwrap_or_clone(registry.authenticate(token.expose(), at(0)).await.unwrap().unwrap())
}
