//! The user's directories: configuration, data, state and cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;

use crate::sys::environment;
use crate::sys::invalid_input::InvalidInput;

/// Returns the directory of `config.toml` and `credentials.toml`.
pub(crate) fn config() -> anyhow::Result<PathBuf> {
    usable(strategy()?.config_dir().join("portal"))
}

/// Returns the default of that directory for a user whose home directory is `home`.
pub(crate) fn config_of(home: &Path) -> PathBuf {
    home.join(".config/portal")
}

/// Returns the directory of the data of `--local`.
pub(crate) fn data() -> anyhow::Result<PathBuf> {
    usable(strategy()?.data_dir().join("portal"))
}

/// Returns the directory of the ledger. `PORTAL_STATE_DIR` sets it, for machines whose home
/// directory is not writable.
pub(crate) fn state() -> anyhow::Result<PathBuf> {
    if let Some(directory) = environment::path("PORTAL_STATE_DIR") {
        // A relative path would name a different ledger in each working directory, and miss what is in
        // doubt.
        if !directory.is_absolute() {
            let directory = directory.display();
            let message = format!("PORTAL_STATE_DIR is {directory}, expected an absolute path");
            return Err(InvalidInput(message).into());
        }
        return Ok(directory);
    }
    let strategy = strategy()?;
    usable(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("portal"))
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

fn strategy() -> anyhow::Result<impl etcetera::BaseStrategy> {
    etcetera::choose_base_strategy().context("no home directory: set HOME")
}

/// Refuses to create a home directory: that of an account such as `nobody` does not exist on purpose.
fn usable(directory: PathBuf) -> anyhow::Result<PathBuf> {
    let home = etcetera::home_dir().context("no home directory: set HOME")?;
    anyhow::ensure!(
        !directory.starts_with(&home) || home.is_dir(),
        "the home directory {} does not exist: set HOME",
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
