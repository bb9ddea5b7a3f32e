//! A create that waits for somebody else's transaction, which holds the name and isn't committed.

use std::time::{Duration, Instant};

use portal_model::Portal;
use portal_store::{CreateConflict, PostgresRegistry, Principal, Registry as _, RegistryError};
use portal_testdb::Database;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use super::seeded;
use crate::{act, at, name};

type Created = Result<Result<Portal, CreateConflict>, RegistryError>;

/// A create of `HeldName`, which waits, and the client whose transaction it waits for.
struct Waiting {
    registry: PostgresRegistry,
    acme: Principal,
    holder: Client,
    create: JoinHandle<Created>,
    _database: Database,
}

impl Waiting {
    async fn start() -> Self {
        let database = Database::create();
        let registry = seeded(&database).await;
        let acme = act(&registry, "acme").await;
        let holder = connect(&database).await;
        holder
            .batch_execute(
                "BEGIN;
                 INSERT INTO portal.portals (org_id, name, name_key, created_at, created_by,
                                             modified_at, modified_by)
                 SELECT org_id, 'HELDNAME', 'heldname', 0, id, 0, id FROM portal.users LIMIT 1",
            )
            .await
            .unwrap();
        let (by, at_work) = (acme.clone(), registry.clone());
        let create = tokio::spawn(async move {
            at_work.create_portal(by.org.id, by.user.id, &name("HeldName"), at(1)).await
        });
        let query = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let watcher = connect(&database).await;
        let deadline = Instant::now() + Duration::from_secs(20);
        while watcher.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            assert!(Instant::now() < deadline, "the create waits");
        }
        Self { registry, acme, holder, create, _database: database }
    }

    async fn names(&self) -> Vec<String> {
        let portals = self.registry.portals(self.acme.org.id).await.unwrap();
        portals.into_iter().map(|portal| portal.name).collect()
    }
}

async fn connect(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn create_is_refused_once_other_portal_is_committed() {
    let mut waiting = Waiting::start().await;
    waiting.holder.batch_execute("COMMIT").await.unwrap();
    let created = (&mut waiting.create).await.unwrap();
    assert_eq!(created, Ok(Err(CreateConflict::NameTaken)));
    assert_eq!(waiting.names().await, ["HELDNAME"]);
}

#[tokio::test]
async fn create_succeeds_once_other_portal_is_rolled_back() {
    let mut waiting = Waiting::start().await;
    waiting.holder.batch_execute("ROLLBACK").await.unwrap();
    (&mut waiting.create).await.unwrap().unwrap().unwrap();
    assert_eq!(waiting.names().await, ["HeldName"]);
}

#[tokio::test]
async fn create_that_waits_too_long_is_not_applied() {
    let mut waiting = Waiting::start().await;
    let created = (&mut waiting.create).await.unwrap();
    let Err(RegistryError::NotApplied(why)) = created else { panic!("{created:?}") };
    assert!(why.contains("lock timeout"), "{why}");
    waiting.holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(waiting.names().await, Vec::<String>::new());
}

#[tokio::test]
async fn create_whose_session_the_server_ends_is_unknown() {
    let mut waiting = Waiting::start().await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    waiting.holder.query(end, &[]).await.unwrap();
    let created = (&mut waiting.create).await.unwrap();
    let Err(RegistryError::Unknown(why)) = created else { panic!("{created:?}") };
    assert!(why.contains("terminating connection"), "{why}");
    waiting.holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(waiting.names().await, Vec::<String>::new());
}
