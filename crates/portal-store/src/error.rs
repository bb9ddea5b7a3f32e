//! [`RegistryError`]: whether a change that failed was kept.

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
    /// Too many changes are waiting already. Nothing was changed, and nothing will be: the same call
    /// can be made again, a second later.
    #[error("too many changes are waiting to be written: try again in a second")]
    Overloaded,
    /// The change may have been kept; only a read shows it.
    #[error("unknown whether the change was kept: {0}")]
    Unknown(String),
}
