//! The client: [`SafeClient`] creates and renames portals safely, [`Client::call`] makes
//! any single call that changes nothing.
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | what it holds |
//! |---|---|
//! | `conformance` | the check of a host of your own (feature `test-util`) |
//! | `safe` | [`SafeClient`] |
//! | `builder` | [`ClientBuilder`] |
//! | `retry` | [`Client::call_retrying`] |
//! | `handle` | [`Client`] |
//! | `token` | the access token: one refresh in flight at most |
//! | `accounts` | [`Accounts`] |
//! | `exchange` | one request and its response |
//! | `http_transport` | the transport over sockets: proxies, TLS, attempts (feature `sockets`) |
//! | `transport` | [`Transport`], and the bounds of a response |
//! | `file_token_cache` | tokens in a directory: [`FileTokenCache`] |
//! | `fingerprint` | tells credentials apart |
//! | `token_cache`, `api_url` | tokens for other processes; the API that the accounts server named |
//! | `base_url`, `clock`, `credential`, `echo`, `error`, `slots` | leaves |

mod accounts;
mod api_url;
mod base_url;
mod builder;
mod clock;
#[cfg(feature = "test-util")]
pub mod conformance;
mod credential;
mod echo;
mod error;
mod exchange;
mod file_token_cache;
mod fingerprint;
mod handle;
#[cfg(feature = "sockets")]
mod http_transport;
mod retry;
mod safe;
mod slots;
mod token;
mod token_cache;
mod transport;

pub use self::accounts::Accounts;
pub use self::base_url::{BaseUrl, InvalidBaseUrl};
pub use self::builder::{BuildError, ClientBuilder};
pub use self::credential::{Credential, InvalidCredential};
pub use self::error::ClientError;
pub use self::file_token_cache::FileTokenCache;
pub use self::handle::Client;
#[cfg(feature = "sockets")]
pub use self::http_transport::{
    HttpTransport, HttpTransportBuilder, InvalidProxy, Proxy, TlsError, UnusableTransport,
};
pub use self::safe::{Call, IdentifyError, InFlight, ReadError, SafeClient};
pub use self::token_cache::{CacheKey, CachedToken, TokenCache};
pub use self::transport::{Bounds, Transport};
pub use portal_ledger::{Ended, Preview};
pub use portal_model::flow::TransportError;
