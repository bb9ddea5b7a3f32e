//! [`SeedDifferences`]: how a registry differs from a seed.

use std::fmt;

/// The differences between a registry and a seed; at least one. Contains no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedDifferences(Vec<SeedDifference>);

impl SeedDifferences {
    /// Returns `None` if there are none.
    pub(crate) fn new(differences: Vec<SeedDifference>) -> Option<Self> {
        (!differences.is_empty()).then_some(Self(differences))
    }

    /// Iterates over the differences.
    pub fn iter(&self) -> impl Iterator<Item = &SeedDifference> {
        self.0.iter()
    }
}

impl fmt::Display for SeedDifferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, difference) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{difference}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SeedDifferences {}

/// A difference between a registry and a seed. Orgs are identified by name, users by e-mail
/// address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SeedDifference {
    /// The environment of the org.
    #[error("org {org:?} has a different environment")]
    Environment {
        /// The org.
        org: String,
    },
    /// The org was removed.
    #[error("org {org:?} was removed")]
    OrgRemoved {
        /// The org.
        org: String,
    },
    /// The user was removed.
    #[error("user {email} of org {org:?} was removed")]
    UserRemoved {
        /// The user's org.
        org: String,
        /// The user.
        email: String,
    },
    /// The portal limit of the org.
    #[error("org {org:?} has a different portal limit")]
    PortalLimit {
        /// The org.
        org: String,
    },
    /// The name of the user.
    #[error("user {email} of org {org:?} has a different name")]
    UserName {
        /// The user's org.
        org: String,
        /// The user.
        email: String,
    },
    /// The permissions of the user.
    #[error("user {email} of org {org:?} has different permissions")]
    Permissions {
        /// The user's org.
        org: String,
        /// The user.
        email: String,
    },
    /// The secret of the client.
    #[error("client {client_id} has a different secret")]
    ClientSecret {
        /// The client.
        client_id: String,
    },
    /// The client, user or scopes of a refresh token or code in the seed.
    #[error(
        "a credential of client {client_id} for user {email} of org {org:?} has a different \
         client, user or scopes"
    )]
    Credential {
        /// The org in the seed.
        org: String,
        /// The user in the seed.
        email: String,
        /// The client in the seed.
        client_id: String,
    },
    /// The org is not in the seed but has valid credentials.
    #[error("org {org:?} is not in the seed")]
    OrgNotInSeed {
        /// The org.
        org: String,
    },
    /// The user is not in the seed but has valid credentials.
    #[error("user {email} of org {org:?} is not in the seed")]
    UserNotInSeed {
        /// The user's org.
        org: String,
        /// The user.
        email: String,
    },
    /// A valid refresh token that was added by an earlier seed and is not in this one.
    #[error(
        "a refresh token of client {client_id} for user {email} of org {org:?} is not in the seed"
    )]
    RefreshTokenNotInSeed {
        /// The user's org.
        org: String,
        /// The user.
        email: String,
        /// The client that can use it.
        client_id: String,
    },
}
