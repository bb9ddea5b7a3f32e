//! [`Seed`]: the orgs, users and credentials that a registry starts with.

use std::collections::BTreeSet;

use portal_model::{Environment, Scope, Secret};

use crate::org::{Permission, PortalLimit};

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod comparison;
mod difference;
mod file;

pub use difference::{SeedDifference, SeedDifferences};
pub use file::SeedError;

/// What a registry starts with; applied with [`Registry::apply_seed`](crate::Registry::apply_seed).
///
/// A seed file is TOML:
///
/// ```
/// let seed: portal_store::Seed = r#"
///     [[org]]
///     name = "Acme"
///     environment = "production"     # or "sandbox", "developer"
///     portal_limit = 1               # default: unlimited
///     [[org.user]]
///     name = "Acme Admin"
///     email = "admin@acme.example"
///     permissions = ["manage_portal", "manage_portal_users"]
///     [[org.user.credential]]
///     client_id = "1000.ACME"
///     client_secret = "acme-secret"
///     refresh_token = "1000.acme.all" # or grant_code = "…"
///     scopes = ["ZohoCRM.settings.clientportal.ALL"]
/// "#.parse()?;
/// assert_eq!(seed.orgs[0].users[0].email, "admin@acme.example");
///
/// let error = "[[org]]\nname = \"Acme\"\nportal_limit = 2".parse::<portal_store::Seed>();
/// assert!(error.unwrap_err().to_string().starts_with("line 3, column 16: expected 1"));
/// # Ok::<(), portal_store::SeedError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seed {
    /// The orgs, each by its name.
    pub orgs: Vec<SeedOrg>,
}

/// An org of a [`Seed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedOrg {
    /// Unique in a registry.
    pub name: String,
    /// Production by default.
    pub environment: Environment,
    /// Unlimited by default.
    pub portal_limit: PortalLimit,
    /// Its users, each by the e-mail address.
    pub users: Vec<SeedUser>,
}

/// A user of a [`SeedOrg`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedUser {
    /// The display name.
    pub name: String,
    /// Unique in the org.
    pub email: String,
    /// What the user is allowed to do.
    pub permissions: BTreeSet<Permission>,
    /// With which the user's programs get their tokens.
    pub credentials: Vec<SeedCredential>,
}

/// A client and its grant of access tokens of a [`SeedUser`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedCredential {
    /// The client. It may have several credentials, with one and the same secret.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// The secret that it exchanges for access tokens.
    pub grant: SeedGrant,
    /// The scopes of its access tokens.
    pub scopes: Vec<Scope>,
}

/// What a client exchanges for access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedGrant {
    /// Any number of times, until it is revoked.
    RefreshToken(Secret),
    /// Once, within three minutes of the first time that the seed is applied.
    Code(Secret),
}

/// As the engines keep it.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn environment_text(environment: Environment) -> &'static str {
    match environment {
        Environment::Production => "production",
        Environment::Sandbox => "sandbox",
        Environment::Developer => "developer",
    }
}

/// As the engines keep it.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn portal_limit_number(limit: PortalLimit) -> Option<i64> {
    match limit {
        PortalLimit::One => Some(1),
        PortalLimit::Unlimited => None,
    }
}
