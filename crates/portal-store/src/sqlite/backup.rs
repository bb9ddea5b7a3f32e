//! [`backup`]: a consistent copy of a registry, even while it is in use.

use std::path::Path;

use super::database::{self, cannot_write};
use super::failure::not_applied;
use super::format::{self, Thoroughness};
use crate::error::RegistryError;

/// Copies the registry in `directory` to the new file `file`, readable only by its owner. The copy
/// has every change acknowledged before the call and is synced to disk. Other processes may change
/// the registry meanwhile; its log grows by their changes until the copy is complete.
///
/// To restore a backup, copy it to `registry.sqlite` in a new data directory.
///
/// # Errors
/// [`RegistryError::NotApplied`] if there is no registry, it is damaged, or `file` exists or is not
/// writable. No `file` is created then.
pub fn backup(directory: &Path, file: &Path) -> Result<(), RegistryError> {
    let source = directory.join(database::FILE_NAME);
    if format::inspect(&source)?.is_none() {
        return Err(RegistryError::NotApplied(format!("{} does not exist", source.display())));
    }
    if file.exists() {
        return Err(RegistryError::NotApplied(format!(
            "{} already exists: remove it, or choose another file",
            file.display()
        )));
    }
    // A name of its own, since a backup that was killed leaves its file behind. Removed on drop.
    let (name, directory_of_file) = (file.file_name().unwrap_or_default(), parent(file));
    let partial =
        tempfile::Builder::new().prefix(name).suffix(".partial").tempfile_in(directory_of_file);
    let partial = partial.map_err(|error| cannot_write(file, &error))?.into_temp_path();
    copy(&source, &partial).map_err(|error| not_applied(&error, &source))?;
    let copy = format::open_read_only(&partial).map_err(|error| not_applied(&error, &partial))?;
    // Verify the copy, not the source: what counts is whether the backup can be restored.
    format::verify(&copy, &partial, Thoroughness::Indexes)?;
    drop(copy);
    let complete = || {
        database::sync_file(&partial)?;
        partial.persist_noclobber(file)?;
        database::sync_directory(directory_of_file)
    };
    complete().map_err(|error| cannot_write(file, &error))
}

fn copy(source: &Path, target: &Path) -> rusqlite::Result<()> {
    // `VACUUM INTO` reads one snapshot; SQLite's backup API would start over with every commit.
    let into = target.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(target.to_owned()))?;
    format::open_read_only(source)?.execute("VACUUM INTO ?", [into]).map(drop)
}

/// The directory of a file, which is the working directory for a bare name.
fn parent(file: &Path) -> &Path {
    file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}
