//! The data directory of a server: its registry and the credentials of its default org.

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use portal_model::Timestamp;
use portal_model::oauth::{Grant, TokenRequest};
use portal_store::{
    Administration, Registry as _, RegistryError, Seed, SqliteRegistry, TokenRules,
};

use crate::org::default_org::OrgCredentials;
use crate::report::failure::{ErrorKind, Failure};

/// Applies `seed` to a registry, which it either replaces or must not differ from. `name` is that of
/// the registry in errors.
pub(crate) async fn seed(
    registry: &impl Administration,
    seed: &Seed,
    replaces: bool,
    name: impl Display,
) -> Result<(), Failure> {
    if replaces {
        registry.replace_seed(seed, now()?).await?;
    } else if let Err(differences) = registry.apply_seed_unless_different(seed, now()?).await? {
        let message = format!("the seed file differs from what {name} keeps, where {differences}");
        return Err(Failure::new(ErrorKind::Failed, message)
            .hint("pass `--seed-replaces` to take the seed's values and revoke the rest"));
    }
    Ok(())
}

/// Interval between attempts to open a registry on a full disk.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Opens the registry in `directory`, creating both if missing. On a full disk it waits for space,
/// as a running server does, if there is `waits`: it is called once with the reason.
pub(crate) async fn open(
    directory: &Path,
    accept_loss: bool,
    mut waits: Option<impl FnOnce(String)>,
) -> anyhow::Result<SqliteRegistry> {
    let is_patient = waits.is_some();
    let open = if accept_loss { SqliteRegistry::open_accepting_loss } else { SqliteRegistry::open };
    loop {
        match open(directory) {
            Err(RegistryError::NoRoom(why)) if is_patient => {
                if let Some(waits) = waits.take() {
                    waits(why);
                }
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            result => return Ok(result?),
        }
    }
}

/// Adds the default org to a registry unless it has other orgs. Returns its seed as long as its
/// credentials work: `portal admin` can rotate and revoke them.
pub(crate) async fn default_unless_others(
    registry: &SqliteRegistry,
    directory: &Path,
) -> anyhow::Result<Seed> {
    let orgs = registry.orgs().await?;
    if !orgs.is_empty() && orgs.iter().all(|org| org.name != OrgCredentials::NAME) {
        return Ok(Seed::default());
    }
    let org = OrgCredentials::load_or_create(directory)?;
    add(registry, &org.seed()).await?;
    Ok(if is_accepted(registry, &org).await? { org.seed() } else { Seed::default() })
}

async fn is_accepted(registry: &SqliteRegistry, org: &OrgCredentials) -> anyhow::Result<bool> {
    let grant = Grant::RefreshToken(org.refresh_token.clone());
    let request = TokenRequest::new(&org.client_id, org.client_secret.clone(), grant);
    // Without the service's limits, so that starting a server uses up nothing of a client's quota.
    let Ok(token) = registry.issue_token(&request, TokenRules::LifetimesOnly, now()?).await? else {
        return Ok(false);
    };
    registry.expire_access_token(token.access_token.expose()).await?;
    Ok(true)
}

/// Opens the registry in `directory`, creating both if missing, with the default org.
pub(crate) async fn open_default(
    directory: &Path,
) -> anyhow::Result<(SqliteRegistry, OrgCredentials)> {
    // Open first, so that no credentials are written to an unusable directory.
    let registry = SqliteRegistry::open(directory)?;
    let org = OrgCredentials::load_or_create(directory)?;
    add(&registry, &org.seed()).await?;
    Ok((registry, org))
}

async fn add(registry: &SqliteRegistry, seed: &Seed) -> anyhow::Result<()> {
    registry.apply_seed(seed, now()?).await.context("the orgs can't be kept")
}

/// Returns the system time.
pub(crate) fn now() -> anyhow::Result<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok();
    let seconds = since.and_then(|since| i64::try_from(since.as_secs()).ok());
    seconds.and_then(Timestamp::from_unix_seconds).context("the system's clock is wrong: set it")
}
