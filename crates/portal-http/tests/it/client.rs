//! The client.

mod accounts;
mod cache;
#[cfg(feature = "server")]
mod chaos;
mod drive;
mod driver;
#[cfg(feature = "server")]
mod gateway;
mod hostile;
#[cfg(feature = "server")]
mod memory;
mod peer;
mod queue;
mod retry;
mod script;
#[cfg(feature = "server")]
mod table;
mod tls;
mod token;
mod transport;
