//! The ledger over real files and databases, across real processes, and at random.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "clippy knows tests by `cfg(test)`, which this crate of tests doesn't have"
)]
#![cfg_attr(
    not(unix),
    allow(dead_code, reason = "what freezes a process or needs PostgreSQL is for Unix")
)]

mod agreement;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod disk;
mod engine;
mod engines;
mod file;
#[cfg(unix)]
mod postgres;
mod processes;
mod run;
mod soak;
