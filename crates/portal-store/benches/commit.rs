//! Durable creates per second with 1 and with 64 in flight, next to a bare insert loop over the
//! same schema and pragmas with 1 and 64 inserts per commit.
//!
//! Numbers depend on the disk: compare only those of one run.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use portal_model::oauth::{Grant, TokenRequest};
use portal_model::{PortalName, Timestamp};
use portal_store::{Principal, Registry, Seed, SqliteRegistry, TokenRules};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::runtime::Runtime;
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

/// The cost of the registry on top of the inserts: tasks, queue, responses, checkpoints.
#[divan::bench(args = [1, 64], sample_count = 200, sample_size = 1)]
fn create(bencher: Bencher<'_, '_>, in_flight: usize) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    let (registry, acme) = runtime.block_on(seeded(directory.path(), now));
    let number = AtomicU64::new(0);
    bencher.counter(ItemsCount::new(in_flight)).bench(|| {
        runtime.block_on(async {
            let mut creates = JoinSet::new();
            for _ in 0..in_flight {
                let name: PortalName = name(&number).parse().unwrap();
                let (registry, org, user) = (registry.clone(), acme.org.id, acme.user.id);
                creates.spawn(async move {
                    registry.create_portal(org, user, &name, now).await.unwrap().unwrap();
                });
            }
            creates.join_all().await
        })
    });
}

/// The lower bound: SQLite alone, one thread, one statement.
#[divan::bench(args = [1, 64], sample_count = 200, sample_size = 1)]
fn bare_insert(bencher: Bencher<'_, '_>, per_commit: usize) {
    let directory = tempfile::tempdir().unwrap();
    let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    let (registry, acme) = Runtime::new().unwrap().block_on(seeded(directory.path(), now));
    drop(registry);
    let connection = Connection::open(directory.path().join("registry.sqlite")).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON",
        )
        .unwrap();
    let (org, user) = (acme.org.id.to_string(), acme.user.id.to_string());
    let (org, user): (i64, i64) = (org.parse().unwrap(), user.parse().unwrap());
    let number = AtomicU64::new(0);
    bencher.counter(ItemsCount::new(per_commit)).bench_local(|| {
        connection.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        let mut insert = connection
            .prepare_cached(
                "INSERT INTO portals (org_id, name, name_key, created_at, created_by,
                                      modified_at, modified_by)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?4, ?5)",
            )
            .unwrap();
        for _ in 0..per_commit {
            let name = name(&number);
            let key = name.to_ascii_lowercase();
            insert.execute((org, name, key, now.unix_seconds(), user)).unwrap();
        }
        connection.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
    });
}

/// Names in random order, the worst case for the unique index on names.
fn name(number: &AtomicU64) -> String {
    let number = number.fetch_add(1, Ordering::Relaxed);
    format!("Portal{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

async fn seeded(directory: &std::path::Path, now: Timestamp) -> (SqliteRegistry, Principal) {
    let registry = SqliteRegistry::open(directory).unwrap();
    registry.apply_seed(&SEED.parse::<Seed>().unwrap(), now).await.unwrap();
    let grant = Grant::RefreshToken("1000.acme.all".to_owned().into());
    let request = TokenRequest::new("1000.ACME", "acme-secret".to_owned(), grant);
    let granted = registry.issue_token(&request, TokenRules::LifetimesOnly, now).await;
    let token = granted.unwrap().unwrap().access_token;
    let acme = registry.authenticate(token.expose(), now).await.unwrap().unwrap();
    (registry, acme)
}
