//! [`Files`]: checks that the open files are still the ones in the data directory, and records how
//! many changes they have.
//!
//! A file that was removed or replaced while open still accepts writes, all of which are lost when
//! the process ends. One whose content was replaced, such as by `cp` of an older copy, accepts them
//! too, and gives away names that were acknowledged to others.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(target_os = "linux")]
use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};

use super::failure::End;
use super::state::{History, State, StateFile};
use crate::error::RegistryError;

/// The files of an open registry, as monitored by its writer.
pub(super) struct Files {
    /// Of the database.
    pub(super) path: PathBuf,
    /// The database and its log, as they were when they were opened.
    known: [(PathBuf, Identity); 2],
    state: Arc<StateFile>,
    /// The newest that this process has seen.
    newest: Cell<History>,
    pub(super) end: End,
}

impl Files {
    /// Monitors the database at `path`, which is open and has had the commits of `history`.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if the files no longer exist.
    pub(super) fn new(
        path: &Path,
        state: Arc<StateFile>,
        history: History,
    ) -> Result<Self, RegistryError> {
        let identified = |file: PathBuf| match identity(&file) {
            Ok(identity) => Ok((file, identity)),
            Err(_) => Err(RegistryError::NotApplied(replaced(path))),
        };
        let known = [identified(path.to_owned())?, identified(beside(path, "-wal"))?];
        let (path, newest) = (path.to_owned(), Cell::new(history));
        Ok(Self { path, known, state, newest, end: End::default() })
    }

    /// Call before a transaction.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`], from the first time on that a file was found missing.
    pub(super) fn expect_present(&self) -> Result<(), RegistryError> {
        self.end.check()?;
        if self.are_intact() {
            return Ok(());
        }
        Err(RegistryError::NotApplied(self.end.set(replaced(&self.path))))
    }

    /// Call within a transaction, with the history that it found.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`], from now on, if the content is older than what this process
    /// has seen, or another registry's.
    pub(super) fn expect_newest(&self, found: History) -> Result<(), RegistryError> {
        let seen = self.newest.replace(found);
        let found = self.newest.get();
        if found.registry == seen.registry && found.changes >= seen.changes {
            return Ok(());
        }
        let why = format!(
            "{} was overwritten while open, with an older copy or another registry: restore the \
             newest copy and restart",
            self.path.display()
        );
        Err(RegistryError::NotApplied(self.end.set(why)))
    }

    /// Call before acknowledging a commit, with the history that it stored.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] if a file is missing: the commit may be in a file that was moved
    /// away.
    pub(super) fn committed(&self, history: History) -> Result<(), RegistryError> {
        if !self.are_intact() {
            return Err(RegistryError::Unknown(self.end.set(replaced(&self.path))));
        }
        self.newest.set(history);
        // Ignored: failing to write the count loses no commit, it only makes a later loss harder to
        // detect.
        let _ = self.state.write(&State { history, is_closed: false });
        Ok(())
    }

    /// Costs two system calls.
    fn are_intact(&self) -> bool {
        self.known.iter().all(|(path, known)| identity(path).is_ok_and(|found| found == *known))
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

/// What identifies the file at a path: the numbers of its device and inode.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;

    // Linux 6.13 gives a file whose times were looked at new ones at its next write, and writes them with
    // its next sync: a commit took 50 µs longer.
    #[cfg(target_os = "linux")]
    if let Ok(file) = statx(CWD, path, AtFlags::empty(), StatxFlags::INO) {
        return Ok((makedev(file.stx_dev_major, file.stx_dev_minor), file.stx_ino));
    }
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// On other systems an open file can't be removed or replaced.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|_| (0, 0))
}
