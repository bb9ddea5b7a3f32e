//! The ledger over real files and databases, across real processes, and at random.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "clippy knows tests by `cfg(test)`, which this crate of tests doesn't have"
)]

mod engine;
mod engines;
mod file;
mod schedules;
