//! Orgs, their users, and the principal behind an access token.

use std::collections::BTreeSet;
use std::fmt;

use portal_model::{Environment, Scope, Timestamp};

/// The number of an org, as the service writes it: a long decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrgId(pub(crate) i64);

/// The number of a user, as the service writes it: a long decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub(crate) i64);

impl OrgId {
    /// The number of the first org; in the range of the numbers in the documentation's samples.
    pub(crate) const FIRST: Self = Self(3_652_397_000_000_100_001);
}

impl UserId {
    /// The number of the first user: the one in the documentation's samples.
    pub(crate) const FIRST: Self = Self(3_652_397_000_000_186_017);
}

/// The number (`zaid`) of the first portal.
pub(crate) const FIRST_ZAID: i64 = 10_000_001;

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An org: the owner of portals.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Org {
    /// Its number.
    pub id: OrgId,
    /// Its name, unique in a registry.
    pub name: String,
    /// Its kind.
    pub environment: Environment,
    /// Its limit of portals.
    pub portal_limit: PortalLimit,
}

/// The limit of portals of an org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortalLimit {
    /// One, as at the service.
    One,
    /// Any number.
    #[default]
    Unlimited,
}

/// A user of an org, who acts through credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The user's number.
    pub id: UserId,
    /// The display name.
    pub name: String,
    /// Unique in the org.
    pub email: String,
    /// What the user is allowed to do.
    pub permissions: BTreeSet<Permission>,
}

/// A permission of a user. Creating and renaming a portal need both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// "Manage Portal".
    ManagePortal,
    /// "Manage Portal Users".
    ManagePortalUsers,
}

impl Permission {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::ManagePortal, Self::ManagePortalUsers];

    /// The name that a response lists under `details.permissions` (Zoho's `OpenAPI` file).
    pub const fn api_name(self) -> &'static str {
        match self {
            Self::ManagePortal => "Crm_Implied_Manage_ClientPortal",
            Self::ManagePortalUsers => "Crm_Implied_Manage_ClientPortal_Users",
        }
    }

    /// The name that a seed file uses.
    pub const fn seed_name(self) -> &'static str {
        match self {
            Self::ManagePortal => "manage_portal",
            Self::ManagePortalUsers => "manage_portal_users",
        }
    }
}

/// Who sends a request with a valid access token, and with which rights.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Principal {
    /// The org that the call is about.
    pub org: Org,
    /// The user who calls.
    pub user: User,
    /// The scopes of the token.
    pub scopes: Vec<Scope>,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// The client that asked for the token.
    pub client_id: String,
}
