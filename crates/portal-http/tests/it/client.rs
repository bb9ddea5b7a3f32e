//! The client.

mod cache;
#[cfg(feature = "server")]
mod chaos;
mod drive;
mod peer;
mod script;
#[cfg(feature = "server")]
mod table;
mod tls;
mod token;
mod transport;
