//! [`InvalidInput`]: what the user gave and can't be used, so that nothing was sent.

/// A variable, a file or an argument that can't be used: exit status 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidInput(pub(crate) String);
