//! [`RegistryError`]: whether a change that failed was kept.

#[cfg(feature = "sqlite")]
use std::{io, path::Path};

/// Why an engine failed.
///
/// A refusal, such as a name that is taken, is not an error of the engine: see
/// [`CreateConflict`](crate::CreateConflict).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Nothing was changed or read, and nothing will be: the same call can be made again.
    #[error("{0}")]
    NotApplied(String),
    /// The disk is full. Nothing was changed or read, and nothing will be: the same call can be made
    /// again once there is room.
    #[error("{0}")]
    NoRoom(String),
    /// Too many changes are waiting already. Nothing was changed, and nothing will be: the same call
    /// can be made again, a second later.
    #[error("too many changes are waiting to be written: try again in a second")]
    Overloaded,
    /// The change may have been kept; only a read shows it.
    #[error("unknown whether the change was kept: {0}")]
    Unknown(String),
}

#[cfg(feature = "sqlite")]
impl RegistryError {
    pub(crate) fn no_room(path: &Path) -> Self {
        Self::NoRoom(format!("the disk is full under {}: make room", path.display()))
    }

    /// Of a file that can't be opened, read or written.
    pub(crate) fn of_file(path: &Path, what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull {
            return Self::no_room(path);
        }
        Self::NotApplied(format!("{} can't be {what}: {error}", path.display()))
    }
}
