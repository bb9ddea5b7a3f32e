//! What goes over the wire, from outside the crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fixtures;
#[cfg(target_os = "linux")]
mod memory;
mod round_trip;
