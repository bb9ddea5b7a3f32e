//! [`Database`]: an empty database.

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tokio_postgres::NoTls;

use crate::cluster::Cluster;
use crate::programs;

/// An empty database of one test, on a server that the tests of a binary share. It is removed when
/// this is dropped, or with the server where that is private: to remove one is a checkpoint.
pub struct Database {
    name: String,
}

/// The server of this process. It is stopped when the process ends.
static SHARED: OnceLock<Cluster> = OnceLock::new();

const GIVEN: &str = "PORTAL_TEST_DATABASE_URL";

/// Counts the databases of this process.
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Database {
    /// Whether [`create`](Self::create) can make one, for what can do without.
    pub fn is_available() -> bool {
        env::var_os(GIVEN).is_some() || programs::look().is_some()
    }

    /// Makes one.
    ///
    /// # Panics
    /// If there is no server and none can be started, with what to install.
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

impl Drop for Database {
    fn drop(&mut self) {
        if env::var_os(GIVEN).is_none() {
            return;
        }
        // A test that fails must not panic twice.
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        if let Err(error) = try_execute(&url("postgres"), &drop) {
            eprintln!("{drop}: {error}");
        }
    }
}

fn url(database: &str) -> String {
    let Ok(given) = env::var(GIVEN) else {
        return SHARED.get_or_init(Cluster::start).url(database);
    };
    // The same server and parameters, another database.
    let (base, parameters) = given.split_once('?').unwrap_or((&given, ""));
    let authority = base.split_once("://").map_or(base, |(_, rest)| rest);
    let end = base.len() - authority.len() + authority.find('/').unwrap_or(authority.len());
    let server = base.get(..end).expect("the place of a slash");
    format!("{server}/{database}?{parameters}")
}

fn execute(url: &str, sql: &str) {
    try_execute(url, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// On a thread of its own, because a test may be asynchronous.
fn try_execute(url: &str, sql: &str) -> Result<(), String> {
    let execute = async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(sql).await
    };
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(execute).map_err(|error| {
            let source = std::error::Error::source(&error);
            source.map_or_else(|| error.to_string(), ToString::to_string)
        })
    };
    thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|_| Err("the thread panicked".to_owned()))
}
