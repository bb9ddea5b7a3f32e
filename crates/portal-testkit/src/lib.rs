//! What the tests of this workspace share.
//!
//! - [`needs`](macro@needs) marks a test that needs a program: it is ignored, with the reason, on a
//!   machine without it. With `PORTAL_TEST_PROGRAMS=required` the build fails instead, and with
//!   `hidden` the tests run as on a machine that has none.
//! - [`Database`] is an empty PostgreSQL database of one test, and [`Cluster`] a private server.
//!   They use the machine's PostgreSQL programs, as the user postgres if the tests run as root,
//!   which PostgreSQL refuses.
//! - [`signal`] sends a signal to a child process.
#![allow(clippy::expect_used, clippy::panic, reason = "it is for tests, which fail by panics")]

mod cluster;
mod database;
mod programs;

pub use portal_testkit_attribute::needs;

pub use cluster::Cluster;
pub use database::Database;
#[cfg(unix)]
pub use rustix::process::Signal;

/// Sends a signal to a child process.
///
/// # Panics
/// If the process has ended and was waited for.
#[cfg(unix)]
pub fn signal(process: &std::process::Child, signal: Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(process), signal)
        .expect("the process runs");
}
