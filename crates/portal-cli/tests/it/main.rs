//! The command as people run it: real processes, each with a home directory of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg_attr(
    not(unix),
    allow(dead_code, unused_imports, unused_mut, reason = "what sends signals is for Unix")
)]

mod admin;
mod admin_listener;
mod batch;
mod completion;
mod crash;
mod create;
#[cfg(unix)]
mod database;
mod doctor;
mod doubt;
mod doubtful_batch;
mod environment;
mod files;
mod first_use;
mod gateway;
mod help;
#[cfg(unix)]
mod hints;
mod history;
mod hostile;
mod kill;
#[cfg(unix)]
mod killed_servers;
#[cfg(target_os = "linux")]
mod live;
mod login;
#[cfg(target_os = "linux")]
mod loss;
mod man;
mod offline;
mod orgs;
mod profiles;
#[cfg(target_os = "linux")]
mod prompts;
mod raw;
#[cfg(unix)]
mod readme;
mod rehearse;
mod rename;
mod schema;
mod sdk;
#[cfg(unix)]
mod secrets;
mod serve;
mod serve_data;
mod serve_env;
mod serve_listen;
#[cfg(unix)]
mod serve_program;
#[cfg(unix)]
mod serve_shutdown;
mod support;
#[cfg(target_os = "linux")]
mod terminal;
mod testing;
mod token;
mod unidentified;
mod unreachable;
#[cfg(target_os = "linux")]
mod waiting;
