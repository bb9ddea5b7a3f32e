//! The folder that a server keeps its portals in: the registry, and the default org's credentials.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, anyhow};
use portal_model::Timestamp;
use portal_store::sqlite::OpenOptions;
use portal_store::{Registry as _, Seed, SqliteRegistry};

use crate::org::default_org::DefaultOrg;
use crate::report::failure::Failure;

/// Opens the registry in `folder`, which is made if need be, and adds `seed` to it, which either
/// replaces what is kept or must not differ from it.
pub(crate) async fn open(
    folder: &Path,
    seed: &Seed,
    seed_replaces: bool,
    accept_loss: bool,
) -> Result<SqliteRegistry, Failure> {
    let registry = OpenOptions::new().accept_loss(accept_loss).open(folder)?;
    if seed_replaces {
        registry.replace_seed(seed, now()?).await?;
    } else if let Err(differences) = registry.apply_seed_unless_different(seed, now()?).await? {
        let kept = folder.display();
        let message = format!("the seed file differs from what {kept} keeps, where {differences}");
        let hint = "pass `--seed-replaces` to take the seed's values and revoke the rest";
        return Err(Failure::from(anyhow!(message)).hint(hint));
    }
    Ok(registry)
}

/// The same with the default org, whose credentials are made where the folder has none yet.
pub(crate) async fn open_default(
    folder: &Path,
    accept_loss: bool,
) -> anyhow::Result<(SqliteRegistry, DefaultOrg)> {
    // Opened first: a folder that can't be used gets no credentials.
    let registry = OpenOptions::new().accept_loss(accept_loss).open(folder)?;
    let org = DefaultOrg::keep(folder)?;
    add(&registry, &org.seed()).await?;
    Ok((registry, org))
}

async fn add(registry: &SqliteRegistry, seed: &Seed) -> anyhow::Result<()> {
    registry.apply_seed(seed, now()?).await.context("the orgs can't be kept")
}

/// The time of the system.
pub(crate) fn now() -> anyhow::Result<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Timestamp::from_unix_seconds(i64::try_from(since.as_secs())?)
        .context("the system's clock is wrong")
}
