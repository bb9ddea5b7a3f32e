//! The client.

mod accounts;
mod cache;
#[cfg(feature = "server")]
mod chaos;
#[cfg(feature = "server")]
mod gateway;
mod host;
mod hostile;
#[cfg(target_os = "linux")]
mod loss;
#[cfg(feature = "server")]
mod memory;
mod peer;
mod queue;
mod retry;
pub(crate) mod script;
#[cfg(feature = "server")]
mod table;
mod tls;
mod token;
mod transport;
