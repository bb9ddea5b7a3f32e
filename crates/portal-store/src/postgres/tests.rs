//! The conformance suite, and tests that need the engine's internals.

use portal_testkit::{Database, needs};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::*;
use crate::conformance::{access_token, at, refresh, seeded};

fn open(database: &Database) -> PostgresRegistry {
    let url = database.url();
    let open = PostgresRegistry::open(&url);
    // The suite opens registries synchronously.
    block_in_place(|| Handle::current().block_on(open)).unwrap()
}

crate::conformance::suite!(
    #[needs(postgresql)]
    |_dir| {
        let database = Database::create();
        move || open(&database)
    }
);

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_revocation_takes_effect_after_second() {
    let database = Database::create();
    let (registry, _) = seeded(|| open(&database)).await;
    let token = access_token(&registry, &refresh("acme"), 0).await.unwrap();
    assert!(registry.authenticate(&token, at(5)).await.unwrap().is_some());
    assert_eq!(open(&database).revoke("1000.acme.all", at(5)).await, Ok(true));
    assert_eq!(registry.authenticate(&token, at(6)).await, Ok(None));
}

/// Returns a setting of the registry's sessions.
async fn setting(registry: &PostgresRegistry, name: &str) -> String {
    let target = registry.0.pool.target();
    let connected = Connected::to(target).await.unwrap();
    let row = connected.client.query_one("SELECT current_setting($1)", &[&name]).await.unwrap();
    row.get(0)
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_settings_override_database_defaults() {
    let database = Database::create();
    let registry = open(&database);
    for (name, default, expected) in [
        ("synchronous_commit", "off", "on"),
        ("synchronous_commit", "local", "on"),
        ("synchronous_commit", "remote_apply", "remote_apply"),
        ("default_transaction_isolation", "serializable", "read committed"),
        ("search_path", "elsewhere", "portal"),
        ("statement_timeout", "1s", "0"),
    ] {
        database.execute(&format!(
            "DO $$ BEGIN EXECUTE format(
                 'ALTER DATABASE %I SET {name} = %L', current_database(), '{default}');
             END $$"
        ));
        assert_eq!(setting(&registry, name).await, expected, "{name} = {default}");
    }
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_of_newer_version_is_left_alone() {
    let database = Database::create();
    drop(open(&database));
    database.execute("UPDATE portal.format SET version = 9");
    let error = PostgresRegistry::open(&database.url()).await.unwrap_err().to_string();
    assert!(
        error.ends_with(
            "was written by a newer version of this program: it has format 9, expected at \
             most 2; upgrade, or use another database"
        ),
        "{error}"
    );
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_is_empty_until_seeded() {
    let database = Database::create();
    let registry = open(&database);
    assert_eq!(registry.is_empty().await, Ok(true));
    let (registry, _) = seeded(|| registry.clone()).await;
    assert_eq!(registry.is_empty().await, Ok(false));
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_with_nul_matches_nothing() {
    let database = Database::create();
    let (registry, [acme, ..]) = seeded(|| open(&database)).await;
    assert_eq!(registry.portal(acme.org.id, "a\0b").await, Ok(None));
    let new = "NewName".parse().unwrap();
    let renamed = registry.rename_portal(acme.org.id, acme.user.id, "a\0b", &new, at(1)).await;
    assert_eq!(renamed, Ok(Err(RenameConflict::NotFound)));
    let mut request = refresh("acme");
    request.client_id = "a\0b".to_owned();
    let refused = access_token(&registry, &request, 1).await.unwrap_err();
    assert_eq!(refused.error, OAuthError::INVALID_CLIENT);
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapping_two_names_concurrently_is_refused() {
    let database = Database::create();
    let (registry, [acme, ..]) = seeded(|| open(&database)).await;
    for name in ["PortalA", "PortalB"] {
        let name = name.parse().unwrap();
        let created = registry.create_portal(acme.org.id, acme.user.id, &name, at(1)).await;
        created.unwrap().unwrap();
    }
    let swap = |old: &'static str, new: &str| {
        let (registry, acme, new) = (registry.clone(), acme.clone(), new.parse().unwrap());
        tokio::spawn(async move {
            registry.rename_portal(acme.org.id, acme.user.id, old, &new, at(2)).await
        })
    };
    for _ in 0..20 {
        let both = [swap("PortalA", "PortalB"), swap("PortalB", "PortalA")];
        for renamed in both {
            assert_eq!(renamed.await.unwrap(), Ok(Err(RenameConflict::NameTaken)));
        }
    }
}

#[needs(postgresql)]
#[tokio::test]
async fn debug_shows_database_not_password() {
    let database = Database::create();
    let url = database.url().replacen('@', ":hush@", 1);
    let registry = PostgresRegistry::open(&url).await.unwrap();
    let shown = format!("{registry:?}");
    assert!(shown.contains("portal_test_") && !shown.contains("hush"), "{shown}");
}
