//! The folder that a server keeps its portals in.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use portal_model::Timestamp;
use portal_store::{Registry as _, Seed, SqliteRegistry};

use crate::folders;

/// Opens the registry in `folder`, which is made if need be, and adds `seed` to it.
pub(crate) async fn open(folder: &Path, seed: &Seed) -> anyhow::Result<SqliteRegistry> {
    folders::make_private(folder)?;
    let registry = SqliteRegistry::open(folder)
        .with_context(|| format!("the data folder {} can't be used", folder.display()))?;
    registry.apply_seed(seed, now()?).await.context("the orgs can't be kept")?;
    Ok(registry)
}

/// The time of the system.
pub(crate) fn now() -> anyhow::Result<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Timestamp::from_unix_seconds(i64::try_from(since.as_secs())?)
        .context("the system's clock is wrong")
}
