//! What goes over the wire, and the order of the modules, from outside the crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fixtures;
mod modules;
mod round_trip;
