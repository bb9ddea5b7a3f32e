//! Many portals from one file: one in each of many orgs.

pub(crate) mod board;
pub(crate) mod doubt;
pub(crate) mod file;
pub(crate) mod journal;
pub(crate) mod plan;
pub(crate) mod result;
pub(crate) mod run;
pub(crate) mod sheet;
