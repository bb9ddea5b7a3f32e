//! What belongs to the machine: variables, files, directories, signals.

pub(crate) mod directories;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod invalid_input;
pub(crate) mod limits;
pub(crate) mod parent;
pub(crate) mod private_file;
pub(crate) mod signal;
pub(crate) mod toml_file;
