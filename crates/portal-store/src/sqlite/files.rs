//! [`Files`]: whether the files that are open are still those in the data directory, and how far
//! they have got.
//!
//! A file that was removed or replaced goes on taking writes, and all of them are lost when the
//! process ends.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::state::{History, State, StateFile};
use crate::error::RegistryError;

/// The files of an open registry, as its writer looks after them.
pub(crate) struct Files {
    path: PathBuf,
    presence: Presence,
    state: Arc<StateFile>,
    registry: [u8; 16],
    /// Why no change is possible any more.
    failure: watch::Sender<Option<RegistryError>>,
}

impl Files {
    /// Of the database at `path`, which is open.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if they are not there any more.
    pub(crate) fn new(
        path: &Path,
        state: Arc<StateFile>,
        registry: [u8; 16],
    ) -> Result<Self, RegistryError> {
        let presence = Presence::of(path).map_err(|_| RegistryError::NotApplied(replaced(path)))?;
        let failure = watch::Sender::new(None);
        Ok(Self { path: path.to_owned(), presence, state, registry, failure })
    }

    /// The database.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Receives why no change is possible any more.
    pub(super) fn failure(&self) -> watch::Receiver<Option<RegistryError>> {
        self.failure.subscribe()
    }

    /// To be called before a transaction.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] from the moment on at which a file was found missing.
    pub(crate) fn expect_present(&self) -> Result<(), RegistryError> {
        if self.failure.borrow().is_some() || !self.presence.is_intact() {
            return Err(self.fail(RegistryError::NotApplied));
        }
        Ok(())
    }

    /// To be called before a commit is acknowledged, with the count that is in it.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] if a file is missing: the commit may be in what was moved away.
    pub(crate) fn committed(&self, commits: i64) -> Result<(), RegistryError> {
        if !self.presence.is_intact() {
            return Err(self.fail(RegistryError::Unknown));
        }
        let history = History { registry: self.registry, commits };
        // If it can't be written, a loss may be found out later or not at all; there is none yet.
        let _ = self.state.write(&State { history, is_closed: false });
        Ok(())
    }

    fn fail(&self, error: fn(String) -> RegistryError) -> RegistryError {
        let error = error(replaced(&self.path));
        self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            failure.get_or_insert_with(|| RegistryError::NotApplied(replaced(&self.path)));
            is_first
        });
        error
    }
}

fn replaced(path: &Path) -> String {
    format!(
        "{} or its log was removed or replaced while it was open: restore both, and start again",
        path.display()
    )
}

/// What is written to, as it was when it was opened.
struct Presence {
    files: [(PathBuf, Identity); 2],
}

impl Presence {
    /// Of the database at `path` and its log, both of which are open.
    fn of(path: &Path) -> io::Result<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let files = [path.to_owned(), PathBuf::from(log)];
        let [database, log] = files.map(|file| identity(&file).map(|identity| (file, identity)));
        Ok(Self { files: [database?, log?] })
    }

    /// Costs two system calls.
    fn is_intact(&self) -> bool {
        self.files.iter().all(|(path, known)| identity(path).is_ok_and(|found| found == *known))
    }
}

/// What stays the same as long as the file at a path is the same.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;

    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Elsewhere an open file can't be removed or replaced.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(drop)
}
