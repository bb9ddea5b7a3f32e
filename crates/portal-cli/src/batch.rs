//! One portal in each of many orgs: CSV in, a plan over the ledger out.

pub(crate) mod csv;
pub(crate) mod mistake;
pub(crate) mod orgs;
pub(crate) mod plan;
pub(crate) mod rows;
pub(crate) mod run;
