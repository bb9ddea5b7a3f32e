#![doc = include_str!("../README.md")]
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | contents |
//! |---|---|
//! | `connections` | [`Inspector::serve`]: the open connections, and which of them to close |
//! | `router` | the routes, what each responds, and what every response has |
//! | `events` | the requests as server-sent events |
//! | `faults` | what switches faults on and off |
//! | `page` | the pages, in HTML |
//! | `curl`, `har` | a recorded request as a command line; all of them as an archive |
//! | `request` | a request whose host and origin are checked |
//! | `inspector` | [`Inspector`] and [`Watch`]: what is looked into, and what is noticed of it |
//! | `recorder`, `metrics` | the last requests; counters of all |
//! | `variables` | the variables by which an environment leads to an org |
//! | `filter`, `response` | leaves |

mod connections;
mod curl;
mod events;
mod faults;
mod filter;
mod har;
mod inspector;
mod metrics;
mod page;
mod recorder;
mod request;
mod response;
mod router;
mod variables;

pub use inspector::{Inspector, Watch};
pub use variables::{ORG_VARIABLES, leading_elsewhere};
