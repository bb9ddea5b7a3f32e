//! [`Administration`]: changing orgs, users and credentials while servers are running.

use std::collections::BTreeSet;
use std::future::Future;

use portal_model::{Environment, Scope, Secret, Timestamp};

use crate::audit::AuditEntry;
use crate::error::RegistryError;
use crate::org::{Permission, PortalLimit, User};
use crate::registry::sealed;
use crate::seed::{Seed, SeedCredential, SeedDifferences};
use crate::token;

/// Changes of orgs, users and credentials, each in one transaction with its [`AuditEntry`].
///
/// A change takes effect in every process within one second of its acknowledgement, which is how
/// long a process caches the principal of an access token.
///
/// # Errors
/// Every method: [`RegistryError`] if the engine fails.
pub trait Administration: sealed::Sealed + Send + Sync {
    /// Adds what is in `seed` and missing from the registry, unless an existing entry differs from
    /// the seed. Revoked tokens, used codes and refresh tokens issued for a code don't count as
    /// differences.
    ///
    /// The inner error lists the differences; nothing was added in that case.
    fn apply_seed_unless_different(
        &self,
        seed: &Seed,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<(), SeedDifferences>, RegistryError>> + Send;

    /// Updates orgs, users and credentials to match `seed`. Revokes the refresh tokens of orgs and
    /// users that are not in it, and those that an earlier seed added and this one lacks. Portals
    /// stay. A revoked token or used code never revives.
    fn replace_seed(
        &self,
        seed: &Seed,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), RegistryError>> + Send;

    /// Applies a change on behalf of `operator`, the name of a person.
    fn administer(
        &self,
        change: &AdminChange,
        operator: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<(), AdminRefusal>, RegistryError>> + Send;

    /// Returns the users of an org who are not removed, by number; `None` if the org doesn't exist.
    fn users_of(
        &self,
        org: &str,
    ) -> impl Future<Output = Result<Option<Vec<User>>, RegistryError>> + Send;

    /// Returns the refresh tokens of an org, by user and client; `None` if the org doesn't exist.
    fn credentials_of(
        &self,
        org: &str,
    ) -> impl Future<Output = Result<Option<Vec<Credential>>, RegistryError>> + Send;

    /// Returns the last `limit` changes, oldest first. A create from before the registry had an
    /// audit log shows the name that the portal had when the log was introduced.
    fn audit_log(
        &self,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<AuditEntry>, RegistryError>> + Send;
}

/// A change of orgs, users or credentials. Orgs are identified by name, users by e-mail address.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AdminChange {
    /// Adds an org, or restores a removed one with its portals; environment and limit must be the
    /// same.
    AddOrg {
        /// The name.
        org: String,
        /// The environment.
        environment: Environment,
        /// The limit of portals.
        portal_limit: PortalLimit,
    },
    /// Removes an org, its users and their credentials. Its portals stay, and their names remain
    /// taken.
    RemoveOrg {
        /// The name.
        org: String,
    },
    /// Adds a user to an org, or restores a removed one.
    AddUser {
        /// The org.
        org: String,
        /// The e-mail address.
        email: String,
        /// The display name.
        name: String,
        /// What the user is allowed to do.
        permissions: BTreeSet<Permission>,
    },
    /// Removes a user and revokes the user's credentials.
    RemoveUser {
        /// The org.
        org: String,
        /// The user.
        email: String,
    },
    /// Replaces the permissions of a user.
    SetPermissions {
        /// The org.
        org: String,
        /// The user.
        email: String,
        /// The complete new set.
        permissions: BTreeSet<Permission>,
    },
    /// Adds a client with a refresh token; see [`SeedCredential::generate`].
    AddCredential {
        /// The org.
        org: String,
        /// The user.
        email: String,
        /// The credential; its client id must be new.
        credential: SeedCredential,
    },
    /// Replaces the secret of a client. Access tokens issued before stay valid until they expire.
    RotateSecret {
        /// The client.
        client_id: String,
        /// The new secret.
        client_secret: Secret,
    },
    /// Revokes refresh tokens along with their access tokens, and uses up codes.
    RevokeCredential {
        /// A client id for everything the client has, or the [`Credential::fingerprint`] of one
        /// token.
        credential: String,
    },
}

/// Why a change was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminRefusal {
    /// An org of that name already exists.
    #[error("org {0:?} already exists")]
    OrgExists(String),
    /// The removed org has a different environment or portal limit.
    #[error(
        "org {0:?} was removed with a different environment or portal limit, which can't change"
    )]
    RemovedOrgDiffers(String),
    /// No org has that name.
    #[error("there is no org {0:?}")]
    UnknownOrg(String),
    /// The org already has a user with that address.
    #[error("org {org:?} already has a user {email}")]
    UserExists {
        /// The org.
        org: String,
        /// The user.
        email: String,
    },
    /// The org has no user with that address.
    #[error("org {org:?} has no user {email}")]
    UnknownUser {
        /// The org.
        org: String,
        /// The user.
        email: String,
    },
    /// The user is the only one in the org with every permission.
    #[error("{email} is the only user of org {org:?} who can create portals")]
    LastAdmin {
        /// The org.
        org: String,
        /// The user.
        email: String,
    },
    /// No client has that id.
    #[error("there is no client {0:?}")]
    UnknownClient(String),
    /// A client with that id already exists.
    #[error("client {0:?} already exists")]
    ClientExists(String),
    /// No client has that id and no refresh token that fingerprint, or all of them are revoked.
    #[error("there is no valid credential {0:?}")]
    UnknownCredential(String),
}

/// A refresh token of a user, without the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credential {
    /// The e-mail address of the user.
    pub email: String,
    /// The client that can use it.
    pub client_id: String,
    /// The first twelve hexadecimal digits of the token's SHA-256.
    pub fingerprint: String,
    /// The scopes of its access tokens.
    pub scopes: Vec<Scope>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl SeedCredential {
    /// Generates a client and a refresh token from the operating system's random bytes.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if the operating system can't provide random bytes.
    pub fn generate(scopes: Vec<Scope>) -> Result<Self, RegistryError> {
        let (client_id, client_secret) =
            (token::generate_client_id()?, token::generate_client_secret()?);
        Ok(Self::refresh_token(client_id, client_secret, token::generate()?).scopes(scopes))
    }
}

/// The actor of an operator's changes.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn operator_text(operator: &str) -> String {
    format!("operator {operator}")
}

/// The permissions as columns, in the order of [`Permission::ALL`].
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn permission_columns(permissions: &BTreeSet<Permission>) -> [bool; 2] {
    Permission::ALL.map(|it| permissions.contains(&it))
}

/// The permissions as the audit log stores them.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn permissions_text(permissions: &BTreeSet<Permission>) -> String {
    permissions.iter().map(|it| it.seed_name()).collect::<Vec<_>>().join(",")
}
