//! The user's directories: configuration, data, state and cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;

/// Returns the directory of `config.toml` and `credentials.toml`.
pub(crate) fn config() -> anyhow::Result<PathBuf> {
    Ok(strategy()?.config_dir().join("portal"))
}

/// Returns the default of that directory for a user whose home directory is `home`.
pub(crate) fn config_of(home: &Path) -> PathBuf {
    home.join(".config/portal")
}

/// Returns the directory of the data of `--local`.
pub(crate) fn data() -> anyhow::Result<PathBuf> {
    Ok(strategy()?.data_dir().join("portal"))
}

/// Returns the directory of the intent log. `PORTAL_STATE_DIR` sets it, for machines whose home
/// directory is not writable.
pub(crate) fn state() -> anyhow::Result<PathBuf> {
    if let Some(directory) = std::env::var_os("PORTAL_STATE_DIR").filter(|path| !path.is_empty()) {
        let directory = PathBuf::from(directory);
        // A relative path would name a different log in each working directory, and miss what is in
        // doubt.
        anyhow::ensure!(
            directory.is_absolute(),
            "PORTAL_STATE_DIR is {}, expected an absolute path",
            directory.display()
        );
        return Ok(directory);
    }
    let strategy = strategy()?;
    Ok(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("portal"))
}

/// Returns the directory of cached access tokens.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    Ok(strategy()?.cache_dir().join("portal"))
}

fn strategy() -> anyhow::Result<impl etcetera::BaseStrategy> {
    etcetera::choose_base_strategy().context("no home directory: set HOME")
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
