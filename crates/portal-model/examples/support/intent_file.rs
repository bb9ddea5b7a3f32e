//! One intent in one file, for a program that performs one call at a time.
#![allow(clippy::incompatible_msrv, reason = "file locks are newer than what the crate needs")]

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use portal_model::flow::Intent;

/// The intent of the call under way, or of the last one if its outcome is unknown.
///
/// It holds a lock from [`open`](Self::open) until it is dropped, so that no other process performs
/// a call on the same intent.
pub(crate) struct IntentFile {
    path: PathBuf,
    _lock: File,
}

impl IntentFile {
    /// Takes the lock of the file at `path`, which need not exist.
    pub(crate) fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        // The lock has a file of its own, since `record` replaces the other one.
        let lock = File::create(path.with_added_extension("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("in use by another process"),
            TryLockError::Error(error) => error,
        })?;
        Ok(Self { path, _lock: lock })
    }

    /// What an earlier call left.
    pub(crate) fn read(&self) -> io::Result<Option<Intent>> {
        match fs::read(&self.path) {
            Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes `intent` durably in place of the one before (rule 2). After a crash the file holds
    /// one of the two, whole.
    pub(crate) fn record(&self, intent: &Intent) -> io::Result<()> {
        let new = self.path.with_added_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(intent)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.sync_directory()
    }

    /// Forgets the intent. Call it once the outcome is certain and was delivered.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync_directory(),
        }
    }

    /// The name of a file is durable once its directory is synced.
    fn sync_directory(&self) -> io::Result<()> {
        // Windows has no call for it.
        if cfg!(windows) {
            return Ok(());
        }
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }
}
