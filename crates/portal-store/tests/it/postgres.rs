//! The engine over PostgreSQL: races between registries, servers and connections that are lost.

use portal_store::{PostgresRegistry, Registry as _};
use portal_testdb::Database;

use crate::{at, seed};

mod loss;
mod processes;
mod proxy;
mod races;
mod restart;
mod tls;
mod waiting;

pub(crate) async fn open(url: &str) -> PostgresRegistry {
    PostgresRegistry::open(url).await.unwrap()
}

/// A registry with the seed.
async fn seeded(database: &Database) -> PostgresRegistry {
    let registry = open(&database.url()).await;
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    registry
}
