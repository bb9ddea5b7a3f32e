//! [`Administration`]: changing orgs, users and credentials while servers are running.

use portal_model::Timestamp;

use crate::audit::AuditEntry;
pub use crate::change::{AdminChange, AdminRefusal, Credential};
use crate::error::RegistryError;
use crate::org::OrgId;
use crate::registry::Registry;
use crate::seed::{Seed, SeedDifferences};

/// Changes of orgs, users and credentials, each in one transaction with its [`AuditEntry`].
///
/// A change takes effect in every process within one second of its acknowledgement, which is how
/// long a process caches the principal of an access token.
///
/// # Errors
/// Every method: [`RegistryError`] if the engine fails.
#[trait_variant::make(Send)]
pub trait Administration: Registry {
    /// Adds what is in `seed` and missing from the registry, unless an existing entry differs from
    /// the seed. Revoked tokens, used codes and refresh tokens issued for a code don't count as
    /// differences.
    ///
    /// The inner error lists the differences; nothing was added in that case.
    async fn apply_seed_unless_different(
        &self,
        seed: &Seed,
        now: Timestamp,
    ) -> Result<Result<(), SeedDifferences>, RegistryError>;

    /// Updates orgs, users and credentials to match `seed`. Revokes the refresh tokens of orgs and
    /// users that are not in it, and those that an earlier seed added and this one lacks. Portals
    /// stay. A revoked token or used code never revives.
    async fn replace_seed(&self, seed: &Seed, now: Timestamp) -> Result<(), RegistryError>;

    /// Applies a change on behalf of `operator`, the name of a person.
    async fn administer(
        &self,
        change: &AdminChange,
        operator: &str,
        now: Timestamp,
    ) -> Result<Result<(), AdminRefusal>, RegistryError>;

    /// Returns the refresh tokens of an org, by user and client.
    async fn credentials(&self, org: OrgId) -> Result<Vec<Credential>, RegistryError>;

    /// Returns the last `limit` changes, oldest first.
    async fn audit_log(&self, limit: u32) -> Result<Vec<AuditEntry>, RegistryError>;
}
