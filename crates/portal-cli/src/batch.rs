//! One portal in each of many orgs: CSV in, journal out.

pub(crate) mod csv;
pub(crate) mod doubt;
pub(crate) mod file;
pub(crate) mod in_flight;
pub(crate) mod journal;
pub(crate) mod mistake;
pub(crate) mod plan;
pub(crate) mod result;
pub(crate) mod run;
