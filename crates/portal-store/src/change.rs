//! What an administrator can ask for and see: [`AdminChange`], [`AdminRefusal`] and
//! [`Credential`].

use std::collections::BTreeSet;

use portal_model::{Environment, Scope, Secret, Timestamp};
use serde::Serialize;

use crate::org::{Permission, PortalLimit};
use crate::seed::SeedCredential;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
