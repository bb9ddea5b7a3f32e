//! The folders of this user: where the command keeps what it must remember.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;

/// `config.toml` and `credentials.toml`.
pub(crate) fn config() -> anyhow::Result<PathBuf> {
    Ok(strategy()?.config_dir().join("portal"))
}

/// The server of `--local`.
pub(crate) fn data() -> anyhow::Result<PathBuf> {
    Ok(strategy()?.data_dir().join("portal"))
}

/// Creates that are in doubt.
pub(crate) fn state() -> anyhow::Result<PathBuf> {
    let strategy = strategy()?;
    Ok(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("portal"))
}

/// Access tokens.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    Ok(strategy()?.cache_dir().join("portal"))
}

fn strategy() -> anyhow::Result<impl etcetera::BaseStrategy> {
    etcetera::choose_base_strategy().context("there is no home folder: set HOME")
}

/// Makes a folder that only this user can look into; one that is there stays as it is.
pub(crate) fn make_private(folder: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("the folder {} can't be made", folder.display()))
}
