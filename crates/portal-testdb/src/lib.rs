//! PostgreSQL for tests: [`Database`], an empty one per test, and [`Cluster`], a private server.
//!
//! A cluster is made from the machine's PostgreSQL programs, as the user postgres if the tests run
//! as root, which PostgreSQL refuses. `PORTAL_TEST_DATABASE_URL` names a server on which to make
//! databases instead, without TLS, for the tests that don't stop it. Without either a test panics
//! with what to install.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "it is for tests, which fail by panics"
)]

mod cluster;
mod database;
mod programs;

pub use cluster::Cluster;
pub use database::Database;
