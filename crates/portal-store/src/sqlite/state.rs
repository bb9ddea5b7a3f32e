//! [`StateFile`]: what the database must contain, stored outside of it.
//!
//! A database that lost its log, was emptied, or was replaced by an older copy still looks intact.
//! The state file records the number of acknowledged changes, so that a start with fewer of them is
//! detected. It is written after each commit is synced, but not synced itself: in a loss of power
//! it may fall behind, but it is never ahead.
//!
//! Processes detect each other by the lock of a file beside it: each holds a shared lock while it has
//! the registry open, so a process that gets the exclusive lock is the only one. It is another file
//! because on Windows nobody can write to one that is locked, not even who locked it.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::RegistryError;

/// File name in the data directory.
pub(super) const FILE_NAME: &str = "registry.state";
/// Name of the file that is locked. It stays empty.
pub(super) const LOCK_NAME: &str = "registry.lock";

/// Identifies a registry, and counts its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct History {
    /// Random.
    pub(super) registry: [u8; 16],
    /// Portals created, and commits without one, by all processes; every commit increases it.
    pub(super) changes: i64,
}

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) history: History,
    /// Whether the last process closed the registry cleanly.
    pub(super) is_closed: bool,
}

impl State {
    /// The file's content. It has a fixed length, smaller than a disk sector, so that overwriting
    /// it is atomic.
    fn to_text(&self) -> String {
        let History { registry, changes } = &self.history;
        let registry = u128::from_be_bytes(*registry);
        let state = if self.is_closed { "closed" } else { "open  " };
        format!(
            "portal registry state, version 1\nregistry {registry:032x}\ncommits {changes:020}\n{state}\n"
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != "portal registry state, version 1" {
            return None;
        }
        let id = u128::from_str_radix(lines.next()?.strip_prefix("registry ")?, 16).ok()?;
        let changes = lines.next()?.strip_prefix("commits ")?.parse().ok()?;
        let is_closed = match lines.next()?.trim_end() {
            "closed" => true,
            "open" => false,
            _ => return None,
        };
        Some(Self { history: History { registry: id.to_be_bytes(), changes }, is_closed })
    }
}

/// An open state file, and the lock beside it.
#[derive(Debug)]
pub(super) struct StateFile {
    file: File,
    lock: File,
    path: PathBuf,
}

impl StateFile {
    /// Locks `lock` for `file`, which is empty if new, at `path`, waiting while another process opens
    /// or closes the registry. Also returns whether this is the only process; if so, the lock stays
    /// exclusive until [`share`](Self::share).
    pub(super) fn acquire(
        file: File,
        lock: File,
        path: PathBuf,
    ) -> Result<(Self, bool), RegistryError> {
        let state = Self { file, lock, path };
        let is_alone = match state.lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                state.lock.lock_shared().map_err(|error| state.failed("lock", &error))?;
                false
            }
            Err(TryLockError::Error(error)) => return Err(state.failed("lock", &error)),
        };
        Ok((state, is_alone))
    }

    /// Downgrades the lock, so that other processes can open the registry.
    pub(super) fn share(&self) -> Result<(), RegistryError> {
        self.unlock();
        self.lock.lock_shared().map_err(|error| self.failed("lock", &error))
    }

    /// Reads the state, or `None` if the file is new.
    pub(super) fn read(&self) -> Result<Option<State>, RegistryError> {
        let mut text = String::new();
        let read = (&self.file).rewind().and_then(|()| (&self.file).read_to_string(&mut text));
        match read {
            Ok(0) => Ok(None),
            Ok(_) => State::parse(&text).map(Some).ok_or_else(|| {
                RegistryError::NotApplied(format!(
                    "{} is not a state file: restore it, or remove it if the database next \
                     to it is complete",
                    self.path.display()
                ))
            }),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    /// Overwrites the state without syncing it.
    pub(super) fn write(&self, state: &State) -> io::Result<()> {
        (&self.file).rewind()?;
        (&self.file).write_all(state.to_text().as_bytes())
    }

    /// Syncs the file.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    pub(super) fn failed(&self, verb: &str, error: &io::Error) -> RegistryError {
        RegistryError::file(&self.path, verb, error)
    }

    /// Whether this is the only process left. If so, it holds the exclusive lock afterwards.
    pub(super) fn is_last(&self) -> bool {
        self.unlock();
        self.lock.try_lock().is_ok()
    }

    /// Ignores errors: one that was true would keep others out, as the next lock then finds, and Wine
    /// has one for each lock that it did release.
    fn unlock(&self) {
        let _ = self.lock.unlock();
    }
}

/// On drop, records a clean close if no other process has the registry open. Must be dropped after
/// every connection of this process.
pub(super) struct Closing(pub(super) Arc<StateFile>);

impl Drop for Closing {
    fn drop(&mut self) {
        // On any error the file stays marked as open, and the next start checks more thoroughly.
        if self.0.is_last()
            && let Ok(Some(state)) = self.0.read()
        {
            let _ = self.0.write(&State { is_closed: true, ..state });
            let _ = self.0.sync();
        }
    }
}

/// Checks that `found` has every commit that `known` records as acknowledged.
///
/// # Errors
/// [`RegistryError::NotApplied`] with what is missing from the database at `path`.
pub(super) fn compare(
    known: &History,
    found: Option<&History>,
    path: &Path,
) -> Result<(), RegistryError> {
    let lost = match found {
        // The process ended while it created the registry.
        _ if known.changes == 0 => return Ok(()),
        None => format!("has none of {} acknowledged changes", known.changes),
        Some(found) if found.registry != known.registry => {
            "belongs to a different registry than its state file".to_owned()
        }
        Some(found) if found.changes < known.changes => format!(
            "has lost {} of {} acknowledged changes: its log was removed or damaged, or it is an \
             older copy",
            known.changes - found.changes,
            known.changes
        ),
        Some(_) => return Ok(()),
    };
    Err(RegistryError::NotApplied(format!(
        "{} {lost}; restore a backup, or accept the loss",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back_and_has_one_length() {
        let state = |changes, is_closed| State {
            history: History { registry: *b"a registry's id.", changes },
            is_closed,
        };
        for it in [state(0, false), state(42, true), state(i64::MAX, false)] {
            assert_eq!(State::parse(&it.to_text()), Some(it.clone()));
            assert_eq!(it.to_text().len(), state(0, true).to_text().len());
        }
        for wrong in ["", "portal registry state, version 2", "portal registry state, version 1\n"]
        {
            assert_eq!(State::parse(wrong), None);
        }
    }
}
