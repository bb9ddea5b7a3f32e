//! [`Database`]: an empty database.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tokio_postgres::NoTls;

use crate::cluster::Cluster;
use crate::programs;

/// An empty database of one test, on a server that the tests of a binary share. It goes with the
/// server: to remove a database is a checkpoint.
pub struct Database {
    name: String,
}

/// The server of this process. It is stopped when the process ends.
static SHARED: OnceLock<Cluster> = OnceLock::new();

/// Counts the databases of this process.
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Database {
    /// Whether [`create`](Self::create) can make one, for what can do without.
    pub fn is_available() -> bool {
        programs::postgresql().is_some()
    }

    /// Makes one.
    ///
    /// # Panics
    /// If no server can be started.
    pub fn create() -> Self {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("portal_test_{}_{number}", std::process::id());
        execute(&url("postgres"), &format!("CREATE DATABASE {name}"));
        Self { name }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        url(&self.name)
    }

    /// Runs SQL in it.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn execute(&self, sql: &str) {
        execute(&self.url(), sql);
    }
}

fn url(database: &str) -> String {
    SHARED.get_or_init(Cluster::start).url(database)
}

/// On a thread of its own, because a test may be asynchronous.
fn execute(url: &str, sql: &str) {
    let execute = async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(sql).await
    };
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(execute)
    };
    let executed = thread::scope(|scope| scope.spawn(work).join());
    executed.expect("it does not panic").unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}
