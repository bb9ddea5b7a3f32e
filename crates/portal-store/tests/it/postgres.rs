//! The PostgreSQL engine: races between registries, lost connections and lost servers.

use portal_store::{PostgresRegistry, Registry as _};
use portal_testkit::Database;

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

/// Opens a registry and applies the seed.
async fn seeded(database: &Database) -> PostgresRegistry {
    let registry = open(&database.url()).await;
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    registry
}
