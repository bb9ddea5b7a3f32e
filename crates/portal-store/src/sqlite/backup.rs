//! [`backup`]: a consistent copy of a registry, even while it is in use.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::database::{self, cannot_write};
use super::failure::{not_applied, wait_for_others};
use super::format::{self, Found, Thoroughness};
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
    if format::inspect(&source)? == Found::Nothing {
        return Err(RegistryError::NotApplied(format!("{} does not exist", source.display())));
    }
    if file.exists() {
        return Err(exists(file));
    }
    let partial = Partial::create(file)?;
    copy(&source, &partial.0).map_err(|error| not_applied(&error, &source))?;
    let copy = open_copy(&partial.0).map_err(|error| not_applied(&error, &partial.0))?;
    // Verify the copy, not the source: what counts is whether the backup can be restored.
    format::verify(&copy, &partial.0, Thoroughness::Indexes)?;
    drop(copy);
    partial.complete(file)
}

fn copy(source: &Path, target: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(source, flags)?;
    wait_for_others(&mut connection)?;
    // `VACUUM INTO` reads one snapshot; SQLite's backup API would start over with every commit.
    let target = target.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(target.to_owned()))?;
    connection.execute("VACUUM INTO ?", [target]).map(drop)
}

fn open_copy(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

/// An incomplete copy, removed on drop.
struct Partial(PathBuf);

impl Partial {
    fn create(file: &Path) -> Result<Self, RegistryError> {
        let mut path = file.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        // Left by a concurrent backup to the same file, or by one that was killed.
        if path.exists() {
            return Err(exists(&path));
        }
        database::open_private(&path).map_err(|error| cannot_write(&path, &error))?;
        Ok(Self(path))
    }

    /// Moves the copy to its final name once it is synced.
    fn complete(self, file: &Path) -> Result<(), RegistryError> {
        let complete = || {
            fs::File::open(&self.0)?.sync_all()?;
            // A hard link, because a rename would overwrite a file created meanwhile.
            fs::hard_link(&self.0, file)?;
            database::sync_directory(file.parent().unwrap_or(Path::new("")))
        };
        complete().map_err(|error| cannot_write(file, &error))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn exists(file: &Path) -> RegistryError {
    RegistryError::NotApplied(format!(
        "{} already exists: remove it, or choose another file",
        file.display()
    ))
}
