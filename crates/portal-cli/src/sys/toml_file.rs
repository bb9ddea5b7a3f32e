//! Small TOML files that are replaced atomically.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde::de::DeserializeOwned;

use crate::sys::{files, private_file};

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

/// Replaces a file atomically. A new one is readable only by its owner; another one keeps its mode.
/// Symbolic links are followed. The caller excludes other writers.
pub(crate) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let path = files::target(path);
    // A fixed name, so that killed processes leave at most one copy, which the next one replaces.
    let new = path.with_added_extension("new");
    let write = || {
        remove(&new)?;
        let mut file = private_file::options().create_new(true).open(&new)?;
        if let Ok(metadata) = fs::metadata(&path) {
            file.set_permissions(metadata.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write()
        .inspect_err(|_| drop(remove(&new)))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
