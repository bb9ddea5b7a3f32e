//! Which org, with which credentials, over which client; profiles, and the server of `--local`.

pub(crate) mod data_directory;
pub(crate) mod default_org;
pub(crate) mod ledger;
pub(crate) mod local;
pub(crate) mod profile;
pub(crate) mod running;
pub(crate) mod target;
