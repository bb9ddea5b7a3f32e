//! What belongs to the machine: variables, files, directories, signals.

pub(crate) mod directories;
pub(crate) mod environment;
pub(crate) mod files;
#[cfg(unix)]
pub(crate) mod limits;
pub(crate) mod private_file;
pub(crate) mod signal;
pub(crate) mod toml_file;

/// What the user gave and can't be used, such as a variable, a file or an argument, so that nothing was sent:
/// exit status 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidInput(pub(crate) String);
