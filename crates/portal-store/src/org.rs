//! Orgs, their users, and the principal behind an access token.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use portal_model::{Environment, Scope, Timestamp};
use serde::Deserialize;

/// The number of an org, in the service's format: a long decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrgId(pub(crate) i64);

/// The number of a user, in the service's format: a long decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub(crate) i64);

/// The number of the first org, or of the first user, of a new registry: a random one of 19 digits,
/// as the service's are. An org of a new registry is another one than those of the registry that was
/// there before, and who remembers that one must be able to tell.
pub(crate) fn first_number() -> i64 {
    random(1_000_000_000_000_000_000..=8_999_999_999_999_999_999)
}

/// The number (`zaid`) of the first portal of a new registry.
pub(crate) fn first_zaid() -> i64 {
    random(10_000_000_000..=89_999_999_999)
}

/// A number that is unlikely to have been drawn before; it is no secret.
fn random(range: std::ops::RangeInclusive<i64>) -> i64 {
    let width = range.end().abs_diff(*range.start()) + 1;
    range.start().saturating_add_unsigned(RandomState::new().hash_one(()) % width)
}

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
    /// The number.
    pub id: OrgId,
    /// The name, unique in the registry.
    pub name: String,
    /// Production, sandbox or developer.
    pub environment: Environment,
    /// How many portals the org can have.
    pub portal_limit: PortalLimit,
}

/// How many portals an org can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortalLimit {
    /// One, as in the real service.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// The authority behind a valid access token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Principal {
    /// The org of the user.
    pub org: Org,
    /// The user who authorized the client.
    pub user: User,
    /// The scopes of the token.
    pub scopes: Vec<Scope>,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// The client that the token was issued to.
    pub client_id: String,
}
