#![doc = include_str!("../README.md")]

/// The types of requests, responses and errors: a service needs no dependency of its own for them.
pub use portal_model as model;

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;

/// The samples of the project's README, run as doctests.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;
