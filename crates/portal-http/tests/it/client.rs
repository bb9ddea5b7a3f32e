//! The client.

mod accounts;
mod cache;
#[cfg(feature = "server")]
mod chaos;
#[cfg(feature = "server")]
mod gateway;
#[cfg(feature = "test-util")]
mod host;
mod hostile;
#[cfg(all(target_os = "linux", feature = "tls"))]
mod loss;
#[cfg(feature = "server")]
mod memory;
mod peer;
mod queue;
mod retry;
pub(crate) mod script;
#[cfg(feature = "server")]
mod table;
#[cfg(feature = "tls")]
mod tls;
mod token;
mod transport;
