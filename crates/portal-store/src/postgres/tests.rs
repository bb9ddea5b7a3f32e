//! Tests that need the engine's internals.

use portal_testkit::{Database, needs};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::*;

fn open(database: &Database) -> PostgresRegistry {
    let url = database.url();
    let open = PostgresRegistry::open(&url);
    block_in_place(|| Handle::current().block_on(open)).unwrap()
}

/// Returns a setting of a new registry's connections.
async fn setting(database: &Database, name: &str) -> String {
    let client = open(database).0.pool.connect().await.unwrap();
    let row = client.query_one("SELECT current_setting($1)", &[&name]).await.unwrap();
    row.get(0)
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_settings_override_database_defaults() {
    let database = Database::create();
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
        assert_eq!(setting(&database, name).await, expected, "{name} = {default}");
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
             most 1; upgrade, or use another database"
        ),
        "{error}"
    );
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
