//! [`RegistryError`]: whether a change that failed was kept.

/// Why an engine could not do what it was asked for.
///
/// A refusal, such as a name that is taken, is no error of the engine: see
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
    /// The change may or may not have been kept; only a look tells.
    #[error("it is not known whether the change was kept: {0}")]
    Unknown(String),
}
