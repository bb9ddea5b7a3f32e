//! [`TlsError`].

use std::path::PathBuf;

/// A file whose certificates or key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
#[non_exhaustive]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// What was expected of it and what is wrong with it.
    pub why: String,
}
