//! [`LedgerError`].

/// Why the ledger did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Nothing was written.
    #[error("the ledger was not changed: {0}")]
    NotApplied(String),
    /// Nothing was written: another process held the lock for too long.
    #[error("the ledger was not changed: {0}")]
    Busy(String),
    /// It may have been written or not. The same claim, asked again, tells.
    #[error("the ledger may have been changed: {0}")]
    Unknown(String),
    /// What it holds can't be read, so anything may be in doubt.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
}
