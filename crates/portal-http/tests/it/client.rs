//! The client.

mod accounts;
mod cache;
#[cfg(feature = "server")]
mod chaos;
mod drive;
#[cfg(feature = "test-util")]
mod driver;
#[cfg(feature = "server")]
mod gateway;
mod hostile;
#[cfg(all(target_os = "linux", feature = "tls"))]
mod loss;
#[cfg(feature = "server")]
mod memory;
mod peer;
mod queue;
mod retry;
mod script;
#[cfg(feature = "server")]
mod table;
#[cfg(feature = "tls")]
mod tls;
mod token;
mod transport;
