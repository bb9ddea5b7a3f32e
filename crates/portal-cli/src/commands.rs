//! The commands, one per file: its arguments and its `run`.

pub(crate) mod admin;
pub(crate) mod batch;
pub(crate) mod candidates;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod create;
pub(crate) mod doctor;
pub(crate) mod explain;
mod fault_arg;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod man;
mod operation;
mod policy_args;
pub(crate) mod profiles;
pub(crate) mod recover;
pub(crate) mod rehearse;
pub(crate) mod rename;
pub(crate) mod requests;
pub(crate) mod schema;
pub(crate) mod sections;
pub(crate) mod serve;
pub(crate) mod target_args;
