#![doc = include_str!("../README.md")]

pub mod admin;
pub mod audit;
#[cfg(feature = "sqlite")]
mod commit;
#[cfg(test)]
mod conformance;
pub mod error;
pub mod memory;
pub mod org;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod principals;
pub mod registry;
pub mod seed;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod token;

pub use admin::{AdminChange, AdminRefusal, Administration, Credential};
pub use audit::{AuditAction, AuditEntry};
pub use error::RegistryError;
pub use memory::MemoryRegistry;
pub use org::{Org, OrgId, Permission, PortalLimit, Principal, User, UserId};
#[cfg(feature = "postgres")]
pub use postgres::PostgresRegistry;
pub use registry::{CreateConflict, Registry, RenameConflict};
pub use seed::{
    Seed, SeedCredential, SeedDifference, SeedDifferences, SeedError, SeedGrant, SeedOrg, SeedUser,
};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteRegistry;
pub use token::TokenRules;
