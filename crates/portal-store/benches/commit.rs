//! What group commit is worth: creates a second with 1 and with 64 in flight, on this disk.
//! Compare the numbers of one run with each other only.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use portal_model::oauth::{Grant, TokenRequest};
use portal_model::{PortalName, Timestamp};
use portal_store::{Registry, Seed, SqliteRegistry, TokenRules};
use tokio::task::JoinSet;

const SEED: &str = r#"
[[org]]
name = "Acme"
[[org.user]]
name = "Acme Admin"
email = "admin@acme.example"
[[org.user.credential]]
client_id = "1000.ACME"
client_secret = "acme-secret"
refresh_token = "1000.acme.all"
scopes = ["ZohoCRM.settings.clientportal.ALL"]
"#;

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 64], sample_count = 50)]
fn create(bencher: Bencher<'_, '_>, in_flight: usize) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    let registry = SqliteRegistry::open(folder.path()).unwrap();
    let acme = runtime.block_on(async {
        registry.apply_seed(&SEED.parse::<Seed>().unwrap(), now).await.unwrap();
        let grant = Grant::RefreshToken("1000.acme.all".to_owned().into());
        let request = TokenRequest::new("1000.ACME", "acme-secret".to_owned(), grant);
        let granted = registry.grant(&request, TokenRules::LifetimesOnly, now).await;
        let token = granted.unwrap().unwrap().access_token;
        registry.principal(token.expose(), now).await.unwrap().unwrap()
    });
    let number = AtomicU64::new(0);
    bencher.counter(ItemsCount::new(in_flight)).bench(|| {
        runtime.block_on(async {
            let mut creates = JoinSet::new();
            for _ in 0..in_flight {
                let number = number.fetch_add(1, Ordering::Relaxed);
                let name: PortalName = format!("Portal{number}").parse().unwrap();
                let (registry, org, user) = (registry.clone(), acme.org.id, acme.user.id);
                creates.spawn(async move {
                    registry.create_portal(org, user, &name, now).await.unwrap().unwrap()
                });
            }
            creates.join_all().await
        })
    });
}
