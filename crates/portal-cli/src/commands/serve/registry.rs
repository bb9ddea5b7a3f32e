//! The registry of a server, and the state it begins with.

use std::future::pending;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use futures_util::future::LocalBoxFuture;
use portal_model::Secret;
use portal_store::{
    MemoryRegistry, PostgresRegistry, Registry as _, RegistryError, Seed, SqliteRegistry,
};

use super::args::Args;
use crate::org::data_directory;
use crate::org::default_org::OrgCredentials;
use crate::org::running::ServedOrg;
use crate::report::failure::Failure;
use crate::sys::files;
use crate::terminal::printer::Printer;

/// A registry, and the state it begins with.
pub(super) struct Opened<R> {
    pub(super) registry: R,
    /// Those of the seed, or the default org. Of others the credentials are not known.
    pub(super) orgs: Vec<ServedOrg>,
    /// Of a registry in memory.
    pub(super) throwaway: Option<(MemoryRegistry, Seed)>,
    /// Completes once the files of the registry are found removed or replaced: whatever is
    /// acknowledged from then on would be lost.
    pub(super) failed: LocalBoxFuture<'static, RegistryError>,
}

pub(super) fn read_seed(args: &Args) -> Result<Option<Seed>, Failure> {
    if let (Some(seed), Some(data)) = (&args.seed, &args.data) {
        files::refuse_same(&[("--seed", seed), ("--data", data)])?;
    }
    let read = |path: &PathBuf| {
        let file = path.display();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the seed file {file}"))?;
        text.parse().with_context(|| format!("invalid seed file {file}"))
    };
    let seed = args.seed.as_ref().map(read).transpose();
    seed.map_err(|error| Failure::usage(format!("{error:#}")))
}

/// The registry in the database at `url`, with the orgs of `seed` added.
pub(super) async fn in_database(
    url: &Secret,
    seed: Option<Seed>,
    replaces: bool,
) -> Result<Opened<PostgresRegistry>, Failure> {
    let registry = PostgresRegistry::open(url.expose()).await?;
    if let Some(seed) = &seed {
        data_directory::seed(&registry, seed, replaces, "the database").await?;
    } else if registry.is_empty().await? {
        // Servers that start at once would each announce the credentials of another org.
        return Err(Failure::usage("the database has no org yet")
            .hint("pass `--seed FILE` with orgs, users and credentials, or use `portal admin`"));
    }
    let orgs = seed.as_ref().map(ServedOrg::all_of).unwrap_or_default();
    Ok(Opened { registry, orgs, throwaway: None, failed: Box::pin(pending()) })
}

/// The registry in `directory`, with the orgs of `seed` added, or the default org.
pub(super) async fn in_directory(
    directory: &Path,
    seed: Option<Seed>,
    args: &Args,
    printer: &Printer,
) -> Result<Opened<SqliteRegistry>, Failure> {
    // Not with a program, which somebody waits for.
    let waits = args.command.is_empty();
    let waits =
        waits.then_some(|why| printer.warning(format_args!("{why}, and the server starts")));
    let registry = data_directory::open(directory, args.accept_loss, waits).await?;
    let seed = if let Some(seed) = seed {
        let place = directory.display();
        data_directory::seed(&registry, &seed, args.seed_replaces, place).await?;
        seed
    } else {
        data_directory::default_unless_others(&registry, directory).await?
    };
    let failed = Box::pin(registry.failed());
    Ok(Opened { registry, orgs: ServedOrg::all_of(&seed), throwaway: None, failed })
}

/// A registry in memory, with the orgs of `seed` or the default org.
pub(super) async fn in_memory(seed: Option<Seed>) -> Result<Opened<MemoryRegistry>, Failure> {
    let seed = seed.map_or_else(|| Ok(OrgCredentials::generate()?.seed()), Ok::<_, Failure>)?;
    let registry = MemoryRegistry::default();
    registry.apply_seed(&seed, data_directory::now()?).await?;
    let orgs = ServedOrg::all_of(&seed);
    let throwaway = Some((registry.clone(), seed));
    Ok(Opened { registry, orgs, throwaway, failed: Box::pin(pending()) })
}
