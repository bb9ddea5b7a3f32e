#![doc = include_str!("../README.md")]

pub mod error;
pub mod memory;
pub mod org;
pub mod registry;
pub mod seed;
pub mod token;

pub use error::RegistryError;
pub use memory::MemoryRegistry;
pub use org::{Org, OrgId, Permission, PortalLimit, Principal, User, UserId};
pub use registry::{CreateConflict, Registry, RenameConflict};
pub use seed::{Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser};
pub use token::TokenRules;
