//! The client.

mod accounts;
mod cache;
#[cfg(feature = "server")]
mod chaos;
mod drive;
#[cfg(feature = "server")]
mod memory;
mod peer;
mod script;
#[cfg(feature = "server")]
mod table;
mod tls;
mod token;
mod transport;
