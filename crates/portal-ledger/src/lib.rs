// docs.rs says which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | contents |
//! |---|---|
//! | `run` | [`run`]: claim, wait, flow, end |
//! | `outcome` | what a caller is told by what the ledger has: [`Ended`] |
//! | `ledger` | [`Ledger`] and [`Permit`] |
//! | `memory`, `sqlite`, `postgres` | the engines: they read rows, let `decide` run, and write rows |
//! | `decide` | every rule about entries |
//! | `rows` | which entries a transaction reads, and what engines find them by: [`Filter`] |
//! | `host` | [`Host`]: what a transport of your own gives |
//! | `late` | what a later list says against an ending: [`Late`] |
//! | `claim` | [`ClaimRequest`] and [`Refusal`] |
//! | `entry` | [`Entry`] |
//! | `clock` | [`Clock`]: the system's |
//! | `process` | whether a holder's process is gone |
//! | `time` | [`Moment`], [`Mark`] and [`Times`] |
//! | `error` | [`LedgerError`] |

mod claim;
mod clock;
/// The decisions, for the exhaustive test of portal-proof. Not a part of the API.
#[doc(hidden)]
pub mod decide;
mod entry;
mod error;
mod host;
mod late;
mod ledger;
mod memory;
/// What callers are told, for the exhaustive test of portal-proof. Not a part of the API.
#[doc(hidden)]
pub mod outcome;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod rows;
mod run;
#[cfg(feature = "sqlite")]
mod sqlite;
mod time;

#[cfg(feature = "postgres")]
pub use deadpool_postgres;

pub use claim::{Blocked, ClaimRequest, Refusal, Wait, Wanted, Why};
pub use clock::Clock;
pub use decide::{Adopted, AttemptEnd};
pub use entry::{About, Ending, EndingKind, Entry, EntryId, Lease, State};
pub use error::LedgerError;
pub use host::{Host, Terms};
pub use late::Late;
pub use ledger::{Ledger, Permit, RecordError};
pub use outcome::Ended;
pub use rows::Filter;
pub use run::{Preview, end_unclaimed, preview, previews, run};
#[cfg(feature = "sqlite")]
pub use sqlite::OpenError;
pub use time::{Mark, Moment, Times};
