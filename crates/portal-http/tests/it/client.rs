//! The client.

mod cache;
mod drive;
mod peer;
mod script;
mod tls;
mod token;
mod transport;
