//! [`TlsError`]: an unusable certificate or key file.

use std::path::PathBuf;

/// A file with unusable certificates or an unusable key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
#[non_exhaustive]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// What was expected and what was found.
    pub why: String,
}
