//! What belongs to the machine: directories, signals, lines with checksums.

pub(crate) mod checked_line;
pub(crate) mod core_dump;
pub(crate) mod directories;
pub(crate) mod hex;
pub(crate) mod private_file;
pub(crate) mod signal;
pub(crate) mod toml_file;
