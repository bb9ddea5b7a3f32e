//! [`Administration`]: adding and removing orgs, users and credentials while servers run.

use std::collections::BTreeSet;
use std::future::Future;

use portal_model::{Environment, Scope, Secret, Timestamp};

use crate::audit::AuditEntry;
use crate::error::RegistryError;
use crate::org::{Permission, PortalLimit, User};
use crate::registry::sealed;
use crate::seed::{Seed, SeedCredential, SeedDifferences, SeedGrant};
use crate::token;

/// Changes of orgs, users and credentials, each in one transaction with its [`AuditEntry`].
///
/// A change holds in every process at the latest one second after it was acknowledged: that is how
/// long a process keeps the principal of an access token.
///
/// # Errors
/// Every method: [`RegistryError`] if the engine fails.
pub trait Administration: sealed::Sealed + Send + Sync {
    /// Adds what `seed` has and the registry has not, unless what it has already differs from the
    /// seed. What came from a code, a revocation and the use of a code are no differences.
    ///
    /// The inner error has the differences; nothing was added then.
    fn apply_seed_unless_different(
        &self,
        seed: &Seed,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<(), SeedDifferences>, RegistryError>> + Send;

    /// Makes orgs, users and credentials as `seed` has them, and revokes the refresh tokens of
    /// orgs and users that it does not have, and those of an earlier seed. Portals stay. A revoked
    /// token or used code does not revive.
    fn replace_seed(
        &self,
        seed: &Seed,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), RegistryError>> + Send;

    /// Makes a change on behalf of `operator`, the name of a person.
    fn administer(
        &self,
        change: &AdminChange,
        operator: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<(), AdminRefusal>, RegistryError>> + Send;

    /// The users of an org who are not removed, in the order of their numbers; `None` if there is
    /// no such org.
    fn users_of(
        &self,
        org: &str,
    ) -> impl Future<Output = Result<Option<Vec<User>>, RegistryError>> + Send;

    /// The refresh tokens of an org, by user and client; `None` if there is no such org.
    fn credentials_of(
        &self,
        org: &str,
    ) -> impl Future<Output = Result<Option<Vec<Credential>>, RegistryError>> + Send;

    /// The last `most` changes, the oldest of them first. A create of before the registry had a log
    /// has its portal's name of that time.
    fn audit_log(
        &self,
        most: u32,
    ) -> impl Future<Output = Result<Vec<AuditEntry>, RegistryError>> + Send;
}

/// A change of orgs, users or credentials. Orgs are given by name, users by e-mail address.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AdminChange {
    /// Adds an org, or restores a removed one with its portals, of the same kind and limit.
    AddOrg {
        /// Its name.
        org: String,
        /// Its kind.
        environment: Environment,
        /// Its limit of portals.
        portal_limit: PortalLimit,
    },
    /// Removes an org, its users and their credentials. Its portals stay, and their names taken.
    RemoveOrg {
        /// Its name.
        org: String,
    },
    /// Adds a user to an org, or restores a removed one.
    AddUser {
        /// The org.
        org: String,
        /// The address.
        email: String,
        /// The display name.
        name: String,
        /// What the user is allowed to do.
        permissions: BTreeSet<Permission>,
    },
    /// Removes a user and revokes the credentials.
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
        /// All of the new ones.
        permissions: BTreeSet<Permission>,
    },
    /// Adds a new client with a refresh token; see [`SeedCredential::generate`].
    AddCredential {
        /// The org.
        org: String,
        /// The user.
        email: String,
        /// The client, whose id no other has.
        credential: SeedCredential,
    },
    /// Replaces the secret of a client. Its access tokens stay valid until they expire.
    RotateSecret {
        /// The client.
        client_id: String,
        /// The new secret.
        client_secret: Secret,
    },
    /// Revokes refresh tokens, with the access tokens that came from them, and uses up codes.
    RevokeCredential {
        /// A client id, for all that the client has, or the [`Credential::fingerprint`] of one token.
        credential: String,
    },
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminRefusal {
    /// An org of that name exists.
    #[error("org {0:?} exists already")]
    OrgExists(String),
    /// The org that was removed had another environment or portal limit.
    #[error("org {0:?} was removed with another environment or portal limit, which it keeps")]
    RemovedOrgDiffers(String),
    /// No org has that name.
    #[error("there is no org {0:?}")]
    UnknownOrg(String),
    /// The org has a user of that address.
    #[error("org {org:?} has a user {email} already")]
    UserExists {
        /// The org.
        org: String,
        /// The user.
        email: String,
    },
    /// The org has no user of that address.
    #[error("org {org:?} has no user {email}")]
    UnknownUser {
        /// The org.
        org: String,
        /// The user.
        email: String,
    },
    /// Nobody else in the org has every permission.
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
    /// A client of that id exists.
    #[error("client {0:?} exists already")]
    ClientExists(String),
    /// No client has that id, and no refresh token that fingerprint; or all are revoked.
    #[error("there is no credential {0:?} that still works")]
    UnknownCredential(String),
}

/// A refresh token of a user, without the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credential {
    /// The address of the user.
    pub email: String,
    /// The client.
    pub client_id: String,
    /// The first twelve hexadecimal digits of the token's SHA-256.
    pub fingerprint: String,
    /// The scopes of its access tokens.
    pub scopes: Vec<Scope>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl SeedCredential {
    /// A new client with a refresh token, all of it from the system's random numbers.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if the system provides none.
    pub fn generate(scopes: Vec<Scope>) -> Result<Self, RegistryError> {
        Ok(Self {
            client_id: token::generate_client_id()?,
            client_secret: token::generate_client_secret()?,
            grant: SeedGrant::RefreshToken(token::generate()?),
            scopes,
        })
    }
}

/// The actor of an operator's changes.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn operator_text(operator: &str) -> String {
    format!("operator {operator}")
}

/// In the order of [`Permission::ALL`], as the engines keep them.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn permission_columns(permissions: &BTreeSet<Permission>) -> [bool; 2] {
    Permission::ALL.map(|it| permissions.contains(&it))
}

/// As the audit has them.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn permissions_text(permissions: &BTreeSet<Permission>) -> String {
    permissions.iter().map(|it| it.seed_name()).collect::<Vec<_>>().join(",")
}
