//! The folder that a server keeps its portals in: the registry, and the default org's credentials.

use std::fmt::Display;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, anyhow};
use portal_model::Timestamp;
use portal_store::sqlite::OpenOptions;
use portal_store::{Administration, Registry as _, Seed, SqliteRegistry};

use crate::org::default_org::DefaultOrg;
use crate::report::failure::Failure;

/// Adds `seed` to a registry, where it either replaces what `kept` has or must not differ from it.
pub(crate) async fn seed(
    registry: &impl Administration,
    seed: &Seed,
    replaces: bool,
    kept: impl Display,
) -> Result<(), Failure> {
    if replaces {
        registry.replace_seed(seed, now()?).await?;
    } else if let Err(differences) = registry.apply_seed_unless_different(seed, now()?).await? {
        let message = format!("the seed file differs from what {kept} keeps, where {differences}");
        let hint = "pass `--seed-replaces` to take the seed's values and revoke the rest";
        return Err(Failure::from(anyhow!(message)).hint(hint));
    }
    Ok(())
}

/// Opens the registry in `folder`, both made if they are missing, with the default org unless it
/// has others.
pub(crate) async fn open_kept(
    folder: &Path,
    accept_loss: bool,
) -> anyhow::Result<(SqliteRegistry, Option<DefaultOrg>)> {
    let registry = OpenOptions::new().accept_loss(accept_loss).open(folder)?;
    let orgs = registry.orgs().await?;
    if !orgs.is_empty() && orgs.iter().all(|org| org.name != DefaultOrg::NAME) {
        return Ok((registry, None));
    }
    let org = DefaultOrg::keep(folder)?;
    add(&registry, &org.seed()).await?;
    Ok((registry, Some(org)))
}

/// Opens the registry in `folder`, both made if they are missing, with the default org.
pub(crate) async fn open_default(folder: &Path) -> anyhow::Result<(SqliteRegistry, DefaultOrg)> {
    // Opened first: a folder that can't be used gets no credentials.
    let registry = SqliteRegistry::open(folder)?;
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
