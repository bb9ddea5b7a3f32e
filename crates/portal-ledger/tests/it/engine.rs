//! The engines, and what is asked of them. A test may move the clock of each.

use std::time::Duration;

use portal_ledger::deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use portal_ledger::{
    AttemptEnd, Claim, ClaimRequest, EntryId, Ledger, Moment, Permit, Wanted, Why,
};
use portal_model::flow::{CreateIntent, Intent};
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
    Database { database: Database, pool: Pool, clock: Client },
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
        let (clock, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let pool = pool(&database.url());
        let ledger = Ledger::postgres(pool.clone());
        Self { ledger, data: Data::Database { database, pool, clock } }
    }

    /// As another process has it.
    pub(crate) fn elsewhere(&self) -> Ledger {
        match &self.data {
            Data::Memory => self.ledger.clone(),
            Data::Directory(directory) => Ledger::open(directory.path()).unwrap(),
            Data::Database { database, .. } => Ledger::postgres(pool(&database.url())),
        }
    }

    pub(crate) fn has_own_clock(&self) -> bool {
        matches!(self.data, Data::Database { .. })
    }

    /// Sets the engine's clock, and returns what the caller's shows then.
    pub(crate) async fn at(&self, second: u64) -> Moment {
        if let Data::Database { clock, .. } = &self.data {
            clock.execute(&format!("UPDATE test.clock SET second = {second}"), &[]).await.unwrap();
        }
        at(second)
    }

    /// Waits until what nobody waits for is done: the end of a permit that was dropped.
    pub(crate) async fn idle(&self) {
        if let Data::Database { pool, .. } = &self.data {
            loop {
                tokio::task::yield_now().await;
                let status = pool.status();
                if status.available == status.size {
                    return;
                }
            }
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
    CreateIntent::new(name.parse().unwrap()).into()
}

pub(crate) async fn granted(ledger: &Ledger, request: &ClaimRequest, now: Moment) -> Permit {
    match ledger.claim(request, &now).await.unwrap() {
        Claim::Granted(permit) => permit,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn wait(ledger: &Ledger, request: &ClaimRequest, now: Moment) -> (Why, Moment) {
    match ledger.claim(request, &now).await.unwrap() {
        Claim::Wait(wait) => (wait.why, wait.until),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn doubt(second: u64) -> AttemptEnd {
    AttemptEnd { at: at(second), in_doubt: true }
}
