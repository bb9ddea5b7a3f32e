//! Changes that wait for an uncommitted transaction of another session.

use std::time::{Duration, Instant};

use portal_store::{CreateConflict, PostgresRegistry, Principal, Registry as _, RegistryError};
use portal_testkit::{Database, needs};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use super::seeded;
use crate::{at, name, principal_of};

type Created = Result<Result<(), CreateConflict>, RegistryError>;

/// A blocked create of `HeldName`, and the session that blocks it.
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
        let acme = principal_of(&registry, "acme").await;
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
        until_somebody_waits(&database).await;
        Self { registry, acme, holder, create, _database: database }
    }

    async fn names(&self) -> Vec<String> {
        let portals = self.registry.portals(self.acme.org.id).await.unwrap();
        portals.into_iter().map(|portal| portal.name).collect()
    }
}

async fn until_somebody_waits(database: &Database) {
    let query = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let watcher = connect(database).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while watcher.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(Instant::now() < deadline, "a statement waits");
    }
}

async fn connect(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[needs(postgresql)]
#[tokio::test]
async fn create_is_refused_once_rival_commits() {
    let mut waiting = Waiting::start().await;
    waiting.holder.batch_execute("COMMIT").await.unwrap();
    let created = (&mut waiting.create).await.unwrap();
    assert_eq!(created, Ok(Err(CreateConflict::NameTaken)));
    assert_eq!(waiting.names().await, ["HELDNAME"]);
}

#[needs(postgresql)]
#[tokio::test]
async fn create_succeeds_once_rival_rolls_back() {
    let mut waiting = Waiting::start().await;
    waiting.holder.batch_execute("ROLLBACK").await.unwrap();
    (&mut waiting.create).await.unwrap().unwrap().unwrap();
    assert_eq!(waiting.names().await, ["HeldName"]);
}

#[needs(postgresql)]
#[tokio::test]
async fn create_that_waits_too_long_is_not_applied() {
    let mut waiting = Waiting::start().await;
    let created = (&mut waiting.create).await.unwrap();
    let Err(RegistryError::NotApplied(why)) = created else { panic!("{created:?}") };
    assert!(why.contains("lock timeout"), "{why}");
    waiting.holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(waiting.names().await, Vec::<String>::new());
}

#[needs(postgresql)]
#[tokio::test]
async fn create_in_terminated_session_is_unknown() {
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

#[needs(postgresql)]
#[tokio::test]
async fn token_committed_during_revocation_is_refused() {
    let database = Database::create();
    let registry = seeded(&database).await;
    let holder = connect(&database).await;
    // Does what a token request does that began before the revocation.
    holder
        .batch_execute(
            "BEGIN;
             SELECT portal.grant_access_token('1000.CLIENT', sha256('acme.token'), NULL,
                                              sha256('held.token'), 1790000001, 180, 3600, 600,
                                              false, 10, 15)",
        )
        .await
        .unwrap();
    let revoking = registry.clone();
    let revoke = tokio::spawn(async move { revoking.revoke("acme.token", at(1)).await });
    until_somebody_waits(&database).await;
    holder.batch_execute("COMMIT").await.unwrap();
    assert_eq!(revoke.await.unwrap(), Ok(true));
    let kept = "SELECT FROM portal.access_tokens WHERE hash = sha256('held.token')";
    assert_eq!(
        holder.query(kept, &[]).await.unwrap().len(),
        1,
        "otherwise this test proves nothing"
    );
    assert_eq!(registry.authenticate("held.token", at(2)).await, Ok(None));
}
