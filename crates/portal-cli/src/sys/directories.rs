//! The user's directories: configuration, data, state and cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;

use crate::sys::{InvalidInput, environment};

/// Returns the directory of `config.toml` and `credentials.toml`.
pub(crate) fn config() -> anyhow::Result<PathBuf> {
    usable(strategy()?.config_dir().join("portal"))
}

/// Returns that directory of a process that was started with the [`variables_of`] `home`.
pub(crate) fn config_of(home: &Path) -> PathBuf {
    home.join(".config/portal")
}

/// The variables that make `home` the home directory of a process, in an otherwise empty environment.
pub(crate) fn variables_of(home: &Path) -> [(&'static str, PathBuf); 4] {
    [
        ("HOME", home.to_owned()),
        ("USERPROFILE", home.to_owned()),
        ("APPDATA", home.join(".config")),
        ("LOCALAPPDATA", home.join(".local/state")),
    ]
}

/// Returns the directory of the data of `--local`.
pub(crate) fn data() -> anyhow::Result<PathBuf> {
    let strategy = strategy()?;
    // The data directory of Windows follows its user to other machines, as copies.
    let directory = if cfg!(windows) { strategy.cache_dir() } else { strategy.data_dir() };
    usable(directory.join("portal"))
}

/// Returns the directory of the ledger. `PORTAL_STATE_DIR` sets it, for machines whose home
/// directory is not writable.
pub(crate) fn state() -> anyhow::Result<PathBuf> {
    if let Some(directory) = environment::path("PORTAL_STATE_DIR")? {
        // A relative path would name a different ledger in each working directory, and miss what is in
        // doubt.
        if !directory.is_absolute() {
            let directory = directory.display();
            let message = format!("PORTAL_STATE_DIR is {directory}, expected an absolute path");
            return Err(InvalidInput(message).into());
        }
        return Ok(directory);
    }
    strategy()?.state_dir().map_or_else(data, |directory| usable(directory.join("portal")))
}

/// Returns the directory of cached access tokens; `None` where there is no home directory for it.
pub(crate) fn tokens() -> Option<PathBuf> {
    let directory = usable(strategy().ok()?.cache_dir().join("portal")).ok()?;
    Some(directory.join("tokens"))
}

/// Returns the directories with files that other commands must not write to.
pub(crate) fn all() -> Vec<PathBuf> {
    let directories = [config(), data(), state()].into_iter().filter_map(anyhow::Result::ok);
    directories.chain(tokens()).collect()
}

/// The variable of the home directory.
const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

fn strategy() -> anyhow::Result<impl etcetera::BaseStrategy> {
    etcetera::choose_base_strategy().with_context(|| format!("no home directory: set {HOME}"))
}

/// Refuses to create a home directory: that of an account such as `nobody` does not exist on purpose.
fn usable(directory: PathBuf) -> anyhow::Result<PathBuf> {
    let home = etcetera::home_dir().with_context(|| format!("no home directory: set {HOME}"))?;
    anyhow::ensure!(
        !directory.starts_with(&home) || home.is_dir(),
        "the home directory {} does not exist: set {HOME}",
        home.display()
    );
    Ok(directory)
}

/// Creates a directory that only its owner can access; an existing one keeps its mode.
pub(crate) fn make_private(directory: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(directory)
        .with_context(|| format!("cannot create the directory {}", directory.display()))
}
