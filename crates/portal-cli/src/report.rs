//! What outcomes and errors say: data and words, no I/O.

pub(crate) mod activity;
pub(crate) mod cause;
pub(crate) mod confirmation;
pub(crate) mod entry;
pub(crate) mod failure;
pub(crate) mod invalid_name;
pub(crate) mod outcome;
pub(crate) mod permission;
pub(crate) mod place;
pub(crate) mod portal;
pub(crate) mod similar;
pub(crate) mod wrap;
