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

/// The initial content of a registry; see [`Registry::apply_seed`](crate::Registry::apply_seed).
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
    /// The orgs, with unique names.
    pub orgs: Vec<SeedOrg>,
}

/// An org of a [`Seed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedOrg {
    /// The name, unique in a registry.
    pub name: String,
    /// Production by default.
    pub environment: Environment,
    /// Unlimited by default.
    pub portal_limit: PortalLimit,
    /// The users, with unique e-mail addresses.
    pub users: Vec<SeedUser>,
}

/// A user of a [`SeedOrg`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedUser {
    /// The display name.
    pub name: String,
    /// The e-mail address, unique in the org.
    pub email: String,
    /// What the user is allowed to do.
    pub permissions: BTreeSet<Permission>,
    /// The credentials of the user's programs.
    pub credentials: Vec<SeedCredential>,
}

/// A client of a [`SeedUser`], with a grant that yields access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedCredential {
    /// The client. With several credentials of one client, the secret must be the same in each.
    pub client_id: String,
    /// The client secret.
    pub client_secret: Secret,
    /// The refresh token or code that the client exchanges for access tokens.
    pub grant: SeedGrant,
    /// The scopes of its access tokens.
    pub scopes: Vec<Scope>,
}

/// A secret that a client exchanges for access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedGrant {
    /// Usable any number of times until revoked.
    RefreshToken(Secret),
    /// Usable once, within three minutes of the first application of the seed.
    Code(Secret),
}

/// The environment as the engines store it.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn environment_text(environment: Environment) -> &'static str {
    match environment {
        Environment::Production => "production",
        Environment::Sandbox => "sandbox",
        Environment::Developer => "developer",
    }
}

/// The limit as the engines store it.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn portal_limit_number(limit: PortalLimit) -> Option<i64> {
    match limit {
        PortalLimit::One => Some(1),
        PortalLimit::Unlimited => None,
    }
}
