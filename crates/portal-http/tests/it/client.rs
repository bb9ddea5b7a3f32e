//! The client.

mod drive;
mod peer;
mod script;
mod tls;
mod token;
mod transport;
