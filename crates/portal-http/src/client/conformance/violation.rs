//! [`Violation`]: a failed conformance check.

use std::io;

/// A requirement that is not met.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// An implementation violates its trait.
    #[error("{0}")]
    Broken(&'static str),
    /// A driver neglects a duty.
    #[error("a driver must {duty}; found {found}")]
    Driver {
        /// What a driver must do.
        duty: &'static str,
        /// The outcome, and the events at the server and the sink.
        found: String,
    },
    /// An operation failed that must not fail.
    #[error(transparent)]
    Io(#[from] io::Error),
}
