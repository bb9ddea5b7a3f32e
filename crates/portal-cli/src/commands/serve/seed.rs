//! The orgs that a server begins with.

use std::path::Path;

use anyhow::Context as _;
use portal_model::Secret;
use portal_store::{PostgresRegistry, Seed};

use crate::org::data_directory;
use crate::report::failure::Failure;

/// Reads a seed file.
pub(super) fn read(path: &Path) -> Result<Seed, Failure> {
    let (file, unusable) = (path.display(), |error| Failure::usage(format!("{error:#}")));
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the seed file {file}"))
        .map_err(unusable)?;
    text.parse().with_context(|| format!("invalid seed file {file}")).map_err(unusable)
}

/// Opens the registry in the database at `url`, and adds `seed` to it.
pub(super) async fn open_database(
    url: &Secret,
    seed: Option<&Seed>,
    replaces: bool,
) -> Result<PostgresRegistry, Failure> {
    let registry = PostgresRegistry::open(url.expose()).await?;
    match seed {
        Some(seed) => {
            data_directory::seed(&registry, seed, replaces, "the database").await?;
        }
        // Servers that start at once would each announce the credentials of another org.
        None if registry.is_empty().await? => {
            return Err(Failure::usage("the database has no org yet").hint(
                "pass `--seed FILE` with orgs, users and credentials, or use `portal admin`",
            ));
        }
        None => {}
    }
    Ok(registry)
}
