// docs.rs says which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

/// The ledger's types, re-exported so that a service needs no second dependency.
#[cfg(feature = "client")]
pub use portal_ledger as ledger;
/// The model's types, re-exported for the same reason.
pub use portal_model as model;

#[cfg(feature = "client")]
pub mod client;
#[cfg(any(feature = "sockets", feature = "server"))]
mod pem;
#[cfg(feature = "server")]
pub mod server;

/// The samples of the project's README, run as doctests.
#[cfg(all(doctest, feature = "server", feature = "sqlite"))]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;
