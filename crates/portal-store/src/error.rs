//! [`RegistryError`]: whether a change that failed may have been applied.

#[cfg(feature = "sqlite")]
use std::{io, path::Path};

/// An error of an engine.
///
/// A refusal, such as a name that is taken, is not an error of the engine: see
/// [`CreateConflict`](crate::CreateConflict).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Nothing was changed or read, nor will be: the call can be repeated.
    #[error("{0}")]
    NotApplied(String),
    /// The disk is full. Nothing was changed or read, nor will be: the call can be repeated once
    /// there is room.
    #[error("{0}")]
    NoRoom(String),
    /// Too many changes are queued. Nothing was changed, nor will be: the call can be repeated a
    /// second later.
    #[error("too many changes are waiting to be written: try again in a second")]
    Overloaded,
    /// The change may have been applied; only a read shows whether it was.
    #[error("unknown whether the change was applied: {0}")]
    Unknown(String),
}

#[cfg(feature = "sqlite")]
impl RegistryError {
    pub(crate) fn no_room(path: &Path) -> Self {
        Self::NoRoom(format!("the disk is full under {}: free some space", path.display()))
    }

    /// The error for a file that can't be opened, read or written.
    pub(crate) fn file(path: &Path, verb: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull {
            return Self::no_room(path);
        }
        Self::NotApplied(format!("failed to {verb} {}: {error}", path.display()))
    }
}
