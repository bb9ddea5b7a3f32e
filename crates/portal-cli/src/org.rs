//! Which org, with which credentials, over which client; profiles, and the server of `--local`.

pub(crate) mod candidates;
pub(crate) mod create_probe;
pub(crate) mod current_user;
pub(crate) mod data_directory;
pub(crate) mod default_org;
pub(crate) mod destination;
pub(crate) mod environment;
pub(crate) mod identify;
pub(crate) mod identity;
pub(crate) mod identity_cache;
pub(crate) mod local;
pub(crate) mod place;
pub(crate) mod profile;
pub(crate) mod retry;
pub(crate) mod running;
pub(crate) mod target;
pub(crate) mod target_args;
