//! What a conformance check finds: [`Violation`].

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
        /// What it must do.
        duty: &'static str,
        /// The outcome, and what the server and the sink saw.
        found: String,
    },
    /// An operation failed that must not fail.
    #[error(transparent)]
    Io(#[from] io::Error),
}
