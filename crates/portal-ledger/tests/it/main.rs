//! The ledger over real files and databases, across real processes, and at random.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "clippy knows tests by `cfg(test)`, which this crate of tests doesn't have"
)]

#[cfg(unix)]
mod agreement;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod disk;
#[cfg(unix)]
mod engine;
#[cfg(unix)]
mod engines;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod postgres;
#[cfg(unix)]
mod processes;
mod run;
mod soak;
