//! Small TOML files.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde::de::DeserializeOwned;

/// Returns the content of a file; empty if it doesn't exist.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        text => text.with_context(|| format!("{} can't be read", path.display())),
    }
}

/// Parses TOML. Errors name the line, and the reason according to `explain`.
pub(crate) fn parse<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    explain: impl FnOnce(&toml::de::Error) -> String,
) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow!("{}, line {line}: {}", path.display(), explain(&error))
    })
}
