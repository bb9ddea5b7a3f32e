//! The folder that a server keeps its portals in: the registry, and the default org's credentials.

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use portal_model::Timestamp;
use portal_model::oauth::{Grant, TokenRequest};
use portal_store::sqlite::OpenOptions;
use portal_store::{
    Administration, Registry as _, RegistryError, Seed, SqliteRegistry, TokenRules,
};

use crate::org::default_org::DefaultOrg;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

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

/// Between two attempts to open a registry on a full disk: a second.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Opens the registry in `folder`, both made if they are missing. On a full disk it waits for room,
/// as a server that runs does.
pub(crate) async fn open(
    folder: &Path,
    accept_loss: bool,
    printer: &Printer,
) -> anyhow::Result<SqliteRegistry> {
    let mut is_told = false;
    loop {
        match OpenOptions::new().accept_loss(accept_loss).open(folder) {
            Err(RegistryError::NoRoom(why)) => {
                if !is_told {
                    printer.warning(format_args!("{why}, and the server starts"));
                }
                is_told = true;
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            result => return Ok(result?),
        }
    }
}

/// Adds the default org to a registry of `folder` unless it has others. Its credentials are returned
/// as long as they work: `portal admin` can rotate and revoke them.
pub(crate) async fn default_unless_others(
    registry: &SqliteRegistry,
    folder: &Path,
) -> anyhow::Result<Option<DefaultOrg>> {
    let orgs = registry.orgs().await?;
    if !orgs.is_empty() && orgs.iter().all(|org| org.name != DefaultOrg::NAME) {
        return Ok(None);
    }
    let org = DefaultOrg::keep(folder)?;
    add(registry, &org.seed()).await?;
    Ok(if is_accepted(registry, &org).await? { Some(org) } else { None })
}

async fn is_accepted(registry: &SqliteRegistry, org: &DefaultOrg) -> anyhow::Result<bool> {
    let grant = Grant::RefreshToken(org.refresh_token.clone());
    let request = TokenRequest::new(&org.client_id, org.client_secret.clone(), grant);
    // Without the limits, so that no start uses up what clients may request.
    let Ok(token) = registry.issue_token(&request, TokenRules::LifetimesOnly, now()?).await? else {
        return Ok(false);
    };
    registry.expire_access_token(token.access_token.expose()).await?;
    Ok(true)
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
