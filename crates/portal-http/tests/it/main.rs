//! The crate from outside: scripted transports with paused time, and real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that can't go on has failed"
)]
#![allow(clippy::needless_pass_by_value, reason = "a table reads better without borrows")]

#[cfg(feature = "server")]
mod cases;
#[cfg(all(feature = "client", feature = "sockets"))]
mod client;
#[cfg(feature = "client")]
#[cfg(feature = "server")]
mod fuzz;
#[cfg(all(feature = "client", feature = "server"))]
mod hosts;
#[cfg(feature = "server")]
mod openapi;
#[cfg(all(feature = "client", feature = "server", feature = "sockets"))]
mod safe;
#[cfg(feature = "server")]
mod schema;
#[cfg(feature = "server")]
mod seeds;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod wire;
