//! Changes that wait for an uncommitted transaction of another session.

use std::time::{Duration, Instant};

use portal_store::{
    AdminChange, Administration as _, CreateConflict, Permission, PortalLimit, PostgresRegistry,
    Principal, Registry as _, RegistryError,
};
use portal_testkit::{Database, needs};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use super::seeded;
use crate::administration::credentials;
use crate::{at, name, principal_of, seed};

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
            at_work.create_portal(by.user.id, &name("HeldName"), at(1)).await
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
             LOCK TABLE portal.grants IN ROW EXCLUSIVE MODE;
             SELECT FROM portal.users WHERE email = 'admin@acme.example' FOR NO KEY UPDATE;
             INSERT INTO portal.access_tokens (hash, refresh_hash, issued_at, expires_at)
             VALUES (sha256('held.token'), sha256('acme.token'), 1790000001, 1790003601)",
        )
        .await
        .unwrap();
    let revoking = registry.clone();
    let revoke = tokio::spawn(async move { revoking.revoke("acme.token", at(1)).await });
    until_somebody_waits(&database).await;
    holder.batch_execute("COMMIT").await.unwrap();
    assert_eq!(revoke.await.unwrap(), Ok(true));
    assert_eq!(registry.authenticate("held.token", at(2)).await, Ok(None));
}

#[needs(postgresql)]
#[tokio::test]
async fn code_exchanged_during_removal_yields_no_token() {
    let database = Database::create();
    let registry = seeded(&database).await;
    let change = AdminChange::AddUser {
        org: "acme".to_owned(),
        email: "second@acme.example".to_owned(),
        name: "Second Admin".to_owned(),
        permissions: Permission::ALL.into(),
    };
    registry.administer(&change, "ada", at(1)).await.unwrap().unwrap();
    let holder = connect(&database).await;
    holder
        .batch_execute(
            "BEGIN;
             LOCK TABLE portal.grants IN ROW EXCLUSIVE MODE;
             SELECT FROM portal.users WHERE email = 'admin@acme.example' FOR NO KEY UPDATE;
             UPDATE portal.grants SET ended_at = 1790000001 WHERE hash = sha256('acme.code');
             INSERT INTO portal.grants
                 (hash, is_code, client_id, user_id, scopes, is_seeded, created_at)
             SELECT sha256('held.refresh'), false, client_id, user_id, scopes, false, 1790000001
             FROM portal.grants WHERE hash = sha256('acme.code');
             INSERT INTO portal.access_tokens (hash, refresh_hash, issued_at, expires_at)
             VALUES (sha256('held.token'), sha256('held.refresh'), 1790000001, 1790003601)",
        )
        .await
        .unwrap();
    let removing = registry.clone();
    let remove = tokio::spawn(async move {
        let (org, email) = ("acme".to_owned(), "admin@acme.example".to_owned());
        removing.administer(&AdminChange::RemoveUser { org, email }, "ada", at(2)).await
    });
    until_somebody_waits(&database).await;
    holder.batch_execute("COMMIT").await.unwrap();
    remove.await.unwrap().unwrap().unwrap();
    let tokens = credentials(&registry, "acme").await;
    assert_eq!(tokens.len(), 2, "otherwise this test proves nothing");
    assert!(tokens.iter().all(|token| token.revoked_at == Some(at(2))), "{tokens:?}");
    assert_eq!(registry.authenticate("held.token", at(2)).await, Ok(None));
}

#[needs(postgresql)]
#[tokio::test]
async fn portal_created_during_new_limit_takes_its_slot() {
    let Waiting { registry, acme, holder, create, _database } = Waiting::start().await;
    let mut limited = seed();
    limited.orgs[0].portal_limit = PortalLimit::One;
    let replacing = registry.clone();
    let replace = tokio::spawn(async move { replacing.replace_seed(&limited, at(2)).await });
    let waits = "SELECT FROM pg_locks WHERE relation = 'portal.portals'::regclass AND NOT granted";
    let deadline = Instant::now() + Duration::from_secs(20);
    while holder.query(waits, &[]).await.unwrap().is_empty() {
        assert!(Instant::now() < deadline, "the replacement waits");
    }
    holder.batch_execute("COMMIT").await.unwrap();
    assert_eq!(create.await.unwrap(), Ok(Err(CreateConflict::NameTaken)));
    replace.await.unwrap().unwrap();
    let user = acme.user.id;
    let another = registry.create_portal(user, &name("AnotherName"), at(3)).await;
    assert_eq!(another, Ok(Err(CreateConflict::LimitReached)));
}
