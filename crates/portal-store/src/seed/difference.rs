//! [`SeedDifferences`]: where a seed and what a registry keeps disagree.

use std::fmt;

/// What a registry keeps otherwise than a seed has it; at least one thing.
///
/// Nothing in it is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedDifferences(Vec<SeedDifference>);

impl SeedDifferences {
    /// `None` if there are none.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn new(differences: Vec<SeedDifference>) -> Option<Self> {
        (!differences.is_empty()).then_some(Self(differences))
    }

    /// Each of them.
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

/// One thing that a registry keeps otherwise than a seed has it. Orgs are given by name, users by
/// e-mail address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SeedDifference {
    /// The org's environment.
    Environment {
        /// The org.
        org: String,
    },
    /// An org that was removed.
    OrgRemoved {
        /// The org.
        org: String,
    },
    /// A user who was removed.
    UserRemoved {
        /// The user's org.
        org: String,
        /// The user.
        email: String,
    },
    /// The org's portal limit.
    PortalLimit {
        /// The org.
        org: String,
    },
    /// The user's name.
    UserName {
        /// The user's org.
        org: String,
        /// The user.
        email: String,
    },
    /// The user's permissions.
    Permissions {
        /// The user's org.
        org: String,
        /// The user.
        email: String,
    },
    /// The client's secret.
    ClientSecret {
        /// The client.
        client_id: String,
    },
    /// The client, user or scopes of a refresh token or code that the seed has.
    Credential {
        /// The org in the seed.
        org: String,
        /// The user in the seed.
        email: String,
        /// The client in the seed.
        client_id: String,
    },
    /// An org that the seed does not have, with credentials that still work.
    OrgNotInSeed {
        /// The org.
        org: String,
    },
    /// A user that the seed does not have, with credentials that still work.
    UserNotInSeed {
        /// The user's org.
        org: String,
        /// The user.
        email: String,
    },
    /// A refresh token that a seed gave, that this one does not have, and that still works.
    RefreshTokenNotInSeed {
        /// The user's org.
        org: String,
        /// The user.
        email: String,
        /// The client that may use it.
        client_id: String,
    },
}

impl fmt::Display for SeedDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment { org } => write!(f, "org {org:?} has another environment"),
            Self::OrgRemoved { org } => write!(f, "org {org:?} was removed"),
            Self::UserRemoved { org, email } => {
                write!(f, "user {email} of org {org:?} was removed")
            }
            Self::PortalLimit { org } => write!(f, "org {org:?} has another portal limit"),
            Self::UserName { org, email } => {
                write!(f, "user {email} of org {org:?} has another name")
            }
            Self::Permissions { org, email } => {
                write!(f, "user {email} of org {org:?} has other permissions")
            }
            Self::ClientSecret { client_id } => write!(f, "client {client_id} has another secret"),
            Self::Credential { org, email, client_id } => write!(
                f,
                "a credential of client {client_id} for user {email} of org {org:?} has another \
                 client, user or scopes"
            ),
            Self::OrgNotInSeed { org } => write!(f, "org {org:?} is not in the seed"),
            Self::UserNotInSeed { org, email } => {
                write!(f, "user {email} of org {org:?} is not in the seed")
            }
            Self::RefreshTokenNotInSeed { org, email, client_id } => write!(
                f,
                "a refresh token of client {client_id} for user {email} of org {org:?} is not in \
                 the seed"
            ),
        }
    }
}
