//! [`Files`]: checks that the open files are still the ones in the data directory, and records how
//! many commits they have.
//!
//! A file that was removed or replaced while open still accepts writes, all of which are lost when
//! the process ends.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::state::{History, State, StateFile};
use crate::error::RegistryError;

/// The files of an open registry, as monitored by its writer.
pub(super) struct Files {
    /// Of the database.
    pub(super) path: PathBuf,
    /// The database and its log, as they were when they were opened.
    known: [(PathBuf, Identity); 2],
    state: Arc<StateFile>,
    registry: [u8; 16],
    /// Whether changes have become impossible.
    pub(super) has_failed: watch::Sender<bool>,
}

impl Files {
    /// Monitors the database at `path`, which is open.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if the files no longer exist.
    pub(super) fn new(
        path: &Path,
        state: Arc<StateFile>,
        registry: [u8; 16],
    ) -> Result<Self, RegistryError> {
        let identified = |file: PathBuf| match identity(&file) {
            Ok(identity) => Ok((file, identity)),
            Err(_) => Err(RegistryError::NotApplied(replaced(path))),
        };
        let known = [identified(path.to_owned())?, identified(beside(path, "-wal"))?];
        let has_failed = watch::Sender::new(false);
        Ok(Self { path: path.to_owned(), known, state, registry, has_failed })
    }

    /// Call before a transaction.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`], from the first time on that a file was found missing.
    pub(super) fn expect_present(&self) -> Result<(), RegistryError> {
        if *self.has_failed.borrow() || !self.are_intact() {
            return Err(self.fail(RegistryError::NotApplied));
        }
        Ok(())
    }

    /// Call before acknowledging a commit, with the commit count that it stored.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] if a file is missing: the commit may be in a file that was moved
    /// away.
    pub(super) fn committed(&self, commits: i64) -> Result<(), RegistryError> {
        if !self.are_intact() {
            return Err(self.fail(RegistryError::Unknown));
        }
        let history = History { registry: self.registry, commits };
        // Ignored: failing to write the count loses no commit, it only makes a later loss harder to
        // detect.
        let _ = self.state.write(&State { history, is_closed: false });
        Ok(())
    }

    /// Costs two system calls.
    fn are_intact(&self) -> bool {
        self.known.iter().all(|(path, known)| identity(path).is_ok_and(|found| found == *known))
    }

    fn fail(&self, error: fn(String) -> RegistryError) -> RegistryError {
        self.has_failed.send_replace(true);
        error(replaced(&self.path))
    }
}

/// The path of a file beside the one at `path`, whose name has a suffix.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

pub(super) fn replaced(path: &Path) -> String {
    format!(
        "{} or its log was removed or replaced while open: restore both and restart",
        path.display()
    )
}

/// What identifies the file at a path.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;

    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// On other systems an open file can't be removed or replaced.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(drop)
}
