//! The user's directories: configuration, data, state and cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;

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
    if let Some(directory) = std::env::var_os("PORTAL_STATE_DIR").filter(|path| !path.is_empty()) {
        let directory = PathBuf::from(directory);
        // A relative path would name a different ledger in each working directory, and miss what is in
        // doubt.
        anyhow::ensure!(
            directory.is_absolute(),
            "PORTAL_STATE_DIR is {}, expected an absolute path",
            directory.display()
        );
        return Ok(directory);
    }
    let strategy = strategy()?;
    usable(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("portal"))
}

/// Returns the directory of cached access tokens.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    usable(strategy()?.cache_dir().join("portal"))
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
