//! [`StateFile`]: what the database has to have, kept outside of it.
//!
//! A database that lost its log, was emptied or was replaced by an older copy looks whole. The
//! state file has the count of commits that were acknowledged, so that a start with fewer is found
//! out. It is written after the commit is on the disk, without waiting for the disk itself: it may
//! fall behind in a loss of power, and is never ahead.
//!
//! It is also where processes see one another: each holds a shared lock on it while it has the
//! registry open, so the one that gets an exclusive lock is alone.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::RegistryError;

/// The name of the file in the data directory.
pub(super) const FILE_NAME: &str = "registry.state";

/// Which registry, and how much has happened in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    /// Random.
    pub(crate) registry: [u8; 16],
    /// Those of all processes. It only grows.
    pub(super) commits: i64,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) history: History,
    /// Whether the last process closed the registry in order.
    pub(super) is_closed: bool,
}

impl State {
    /// As the file has it: always of one length, below a disk's sector, so that writing over it is
    /// all or nothing.
    fn to_text(&self) -> String {
        let mut text = String::from("portal registry state, version 1\nregistry ");
        for byte in self.history.registry {
            let _ = write!(text, "{byte:02x}");
        }
        let state = if self.is_closed { "closed" } else { "open  " };
        let _ = writeln!(text, "\ncommits {:020}\n{state}", self.history.commits);
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != "portal registry state, version 1" {
            return None;
        }
        let id = u128::from_str_radix(lines.next()?.strip_prefix("registry ")?, 16).ok()?;
        let commits = lines.next()?.strip_prefix("commits ")?.parse().ok()?;
        let is_closed = match lines.next()?.trim_end() {
            "closed" => true,
            "open" => false,
            _ => return None,
        };
        Some(Self { history: History { registry: id.to_be_bytes(), commits }, is_closed })
    }
}

/// The open and locked file.
#[derive(Debug)]
pub(crate) struct StateFile {
    file: File,
    path: PathBuf,
}

impl StateFile {
    /// Opens the file at `path`, which is empty if it is new, and waits while another process is
    /// opening or closing the registry. Gives whether no other process has it open; then the lock
    /// is exclusive until [`share`](Self::share).
    pub(super) fn acquire(file: File, path: PathBuf) -> Result<(Self, bool), RegistryError> {
        let state = Self { file, path };
        let is_alone = match state.file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                state.file.lock_shared().map_err(|error| state.failed("locked", &error))?;
                false
            }
            Err(TryLockError::Error(error)) => return Err(state.failed("locked", &error)),
        };
        Ok((state, is_alone))
    }

    /// Lets other processes open the registry too.
    pub(super) fn share(&self) -> Result<(), RegistryError> {
        let share = || {
            self.file.unlock()?;
            self.file.lock_shared()
        };
        share().map_err(|error| self.failed("locked", &error))
    }

    /// What it says; nothing if it is new.
    pub(super) fn read(&self) -> Result<Option<State>, RegistryError> {
        let mut text = String::new();
        let read = (&self.file).rewind().and_then(|()| (&self.file).read_to_string(&mut text));
        match read {
            Ok(0) => Ok(None),
            Ok(_) => State::parse(&text).map(Some).ok_or_else(|| {
                RegistryError::NotApplied(format!(
                    "{} is not what this program writes there: restore it, or remove it if the \
                     database beside it has everything",
                    self.path.display()
                ))
            }),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    /// Writes over what it says, and does not wait for the disk.
    pub(super) fn write(&self, state: &State) -> io::Result<()> {
        (&self.file).rewind()?;
        (&self.file).write_all(state.to_text().as_bytes())
    }

    /// Waits until the disk has what was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    pub(super) fn failed(&self, what: &str, error: &io::Error) -> RegistryError {
        RegistryError::of_file(&self.path, what, error)
    }

    /// Whether this is the only process left; it is exclusive then.
    pub(super) fn is_last(&self) -> bool {
        self.file.unlock().is_ok() && self.file.try_lock().is_ok()
    }
}

/// Notes, once every connection of a process is closed, that the registry was closed in order, if
/// no other process has it open.
pub(super) struct Closing(pub(super) Arc<StateFile>);

impl Drop for Closing {
    fn drop(&mut self) {
        // If anything of it fails, the next start looks more thoroughly.
        if self.0.is_last()
            && let Ok(Some(state)) = self.0.read()
        {
            let _ = self.0.write(&State { is_closed: true, ..state });
            let _ = self.0.sync();
        }
    }
}

/// That `found` has everything that `known` says was acknowledged.
///
/// # Errors
/// [`RegistryError::NotApplied`] with what is missing from the database at `path`.
pub(super) fn compare(
    known: &History,
    found: Option<&History>,
    path: &Path,
) -> Result<(), RegistryError> {
    let lost = match found {
        // A registry that was being created.
        _ if known.commits == 0 => return Ok(()),
        None => format!("has none of {} acknowledged commits", known.commits),
        Some(found) if found.registry != known.registry => {
            "belongs to another registry than the state file beside it".to_owned()
        }
        Some(found) if found.commits < known.commits => format!(
            "has lost {} of {} acknowledged commits: its log was removed or damaged, or it is an \
             older copy",
            known.commits - found.commits,
            known.commits
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
        let state = |commits, is_closed| State {
            history: History { registry: *b"a registry's id.", commits },
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
