//! The engines, and what is asked of them. A test may move the clock of each.

use std::time::Duration;

use portal_ledger::deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use portal_ledger::{
    AttemptEnd, ClaimRequest, EntryId, Filter, Ledger, Moment, Permit, Refusal, Wanted, Why,
};
use portal_model::flow::Intent;
use portal_model::operation::CreateOperation;
use portal_model::{Org, OrgIdentity};
use portal_testkit::Database;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// An engine, and where its data is.
pub(crate) struct Engine {
    pub(crate) ledger: Ledger,
    data: Data,
}

enum Data {
    Memory,
    Directory(TempDir),
    Database { database: Database, pool: Pool, client: Client },
}

/// Shadows PostgreSQL's own clock, in every session that is opened later.
const CLOCK: &str = "
    CREATE SCHEMA test;
    CREATE TABLE test.clock AS SELECT 0::bigint AS second;
    CREATE FUNCTION test.clock_timestamp() RETURNS timestamptz LANGUAGE sql
        AS 'SELECT to_timestamp(1800000000 + second) FROM test.clock';
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = test, pg_catalog', current_database());
    END $$";

impl Engine {
    /// Each of them; PostgreSQL only where its programs are.
    pub(crate) async fn all() -> Vec<Self> {
        let mut engines =
            vec![Self { ledger: Ledger::in_memory(), data: Data::Memory }, Self::sqlite()];
        if Database::is_available() {
            engines.push(Self::postgres().await);
        }
        engines
    }

    pub(crate) fn sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        let ledger = Ledger::open(directory.path()).unwrap();
        Self { ledger, data: Data::Directory(directory) }
    }

    pub(crate) async fn postgres() -> Self {
        let database = Database::create();
        database.execute(CLOCK);
        let client = connect(&database.url()).await;
        let pool = pool(&database.url());
        let ledger = Ledger::postgres(pool.clone());
        Self { ledger, data: Data::Database { database, pool, client } }
    }

    /// As another process has it.
    pub(crate) fn elsewhere(&self) -> Ledger {
        match &self.data {
            Data::Memory => self.ledger.clone(),
            Data::Directory(directory) => Ledger::open(directory.path()).unwrap(),
            Data::Database { pool, .. } => Ledger::postgres(pool.clone()),
        }
    }

    pub(crate) fn has_own_clock(&self) -> bool {
        matches!(self.data, Data::Database { .. })
    }

    /// Sets the engine's clock, and returns what the caller's shows then.
    pub(crate) async fn at(&self, second: u64) -> Moment {
        if let Data::Database { client, .. } = &self.data {
            client.execute(&format!("UPDATE test.clock SET second = {second}"), &[]).await.unwrap();
        }
        at(second)
    }

    /// Waits until what nobody waits for is done in `ledger`: the end of a permit that was dropped.
    pub(crate) async fn idle(&self, ledger: &Ledger) {
        match &self.data {
            Data::Memory => {}
            // It does one thing after the other.
            Data::Directory(_) => drop(ledger.entries(&Filter::default()).await.unwrap()),
            Data::Database { pool, .. } => loop {
                tokio::task::yield_now().await;
                let status = pool.status();
                if status.available == status.size {
                    return;
                }
            },
        }
    }

    /// Where another process finds it.
    pub(crate) fn place(&self) -> String {
        match &self.data {
            Data::Memory => String::new(),
            Data::Directory(directory) => directory.path().to_str().unwrap().to_owned(),
            Data::Database { database, .. } => database.url(),
        }
    }

    /// Runs SQL.
    pub(crate) async fn execute(&self, sql: &str) {
        let Data::Database { client, .. } = &self.data else { panic!("no database") };
        client.batch_execute(sql).await.unwrap();
    }

    /// Has made an entry, and holds the lock of its origin until it is dropped.
    pub(crate) async fn lock_origin_after(&self, request: &ClaimRequest) -> Client {
        drop(self.granted(request, 100).await);
        self.idle(&self.ledger).await;
        let client = connect(&self.place()).await;
        client
            .batch_execute("BEGIN READ WRITE; SELECT FROM portal_ledger.origins FOR UPDATE")
            .await
            .unwrap();
        client
    }

    /// Waits until another session waits for a lock.
    pub(crate) async fn wait_for_blocked_session(&self) {
        let Data::Database { client, .. } = &self.data else { panic!("no database") };
        let blocked = "SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while client.query(blocked, &[]).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn granted(&self, request: &ClaimRequest, second: u64) -> Permit {
        granted(&self.ledger, request, self.at(second).await).await
    }

    /// What a claim elsewhere waits for, and until when.
    pub(crate) async fn wait(&self, request: &ClaimRequest, second: u64) -> (Why, Moment) {
        wait(&self.elsewhere(), request, self.at(second).await).await
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) fn pool(url: &str) -> Pool {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(url.parse().unwrap(), NoTls, config);
    Pool::builder(manager).max_size(4).build().unwrap()
}

pub(crate) fn at(second: u64) -> Moment {
    Moment::new("boot", Duration::from_secs(second))
}

/// An attempt takes 20 s and its record 5, its effect 60 more, and a list lags by 10.
pub(crate) fn wants(id: &str, name: &str) -> ClaimRequest {
    let create = CreateOperation::new(name.parse().unwrap());
    let wanted = Wanted::Do(create.into());
    let mut request = ClaimRequest::new(EntryId::new(id), org("credential", "7"), wanted);
    request.policy.attempt_timeout = Duration::from_secs(20);
    request
}

pub(crate) fn org(credential: &str, id: &str) -> OrgIdentity {
    OrgIdentity::new("https://api.example", credential).with_org(Some(Org::new(id)))
}

pub(crate) fn intent(name: &str) -> Intent {
    Intent::create(name.parse().unwrap())
}

pub(crate) async fn granted(ledger: &Ledger, request: &ClaimRequest, now: Moment) -> Permit {
    match ledger.claim(request, &now).await.unwrap() {
        Ok(permit) => permit,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn wait(ledger: &Ledger, request: &ClaimRequest, now: Moment) -> (Why, Moment) {
    match ledger.claim(request, &now).await.unwrap() {
        Err(Refusal::Wait(wait)) => (wait.why, wait.until),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn doubt(second: u64) -> AttemptEnd {
    AttemptEnd::new(at(second), true)
}
