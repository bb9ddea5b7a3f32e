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
//! | `memory`, `sqlite`, `postgres` | the engines |
//! | `engine` | [`Registry`] and [`Administration`] over what the SQL engines differ in |
//! | `sql` | the statements and columns that they share |
//! | `admin` | [`Administration`]: changing orgs, users and credentials |
//! | `people` | every rule about changing orgs, users and credentials |
//! | `principals` | the principals of access tokens, cached for a second |
//! | `registry` | [`Registry`] |
//! | `change` | [`AdminChange`]: what an administrator can ask for |
//! | `seed` | [`Seed`] and its file format |
//! | `audit`, `token` | the audit log; lifetimes and limits of tokens, hashes of secrets |
//! | `org`, `error` | leaves |

pub mod admin;
pub mod audit;
mod change;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod engine;
pub mod error;
pub mod memory;
pub mod org;
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "the in-memory engine has neither administrators nor a log")
)]
mod people;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod principals;
pub mod registry;
pub mod seed;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod token;

pub use admin::{AdminChange, AdminRefusal, Administration, Credential};
pub use audit::{AuditAction, AuditEntry};
pub use error::RegistryError;
pub use memory::MemoryRegistry;
pub use org::{Org, OrgId, Permission, PortalLimit, Principal, User, UserId};
#[cfg(feature = "postgres")]
pub use postgres::{DatabaseUrl, PostgresRegistry};
pub use registry::{CreateConflict, Registry, RenameConflict};
pub use seed::{Seed, SeedCredential, SeedDifferences, SeedError, SeedGrant, SeedOrg, SeedUser};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteRegistry;
pub use token::TokenRules;
