//! [`Seed`]: the orgs, users and credentials that a registry starts with.

use std::collections::BTreeSet;

use portal_model::{Environment, Scope, Secret};

use crate::error::RegistryError;
use crate::org::{Permission, PortalLimit};
use crate::token;

mod file;

pub use file::SeedError;

/// How a registry differs from a seed: a clause for each difference, at least one. Orgs are identified by
/// name, users by e-mail address. Contains no secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct SeedDifferences(pub Vec<String>);

/// The initial content of a registry; see [`Registry::apply_seed`](crate::Registry::apply_seed).
///
/// In code:
///
/// ```
/// use portal_model::Environment;
/// use portal_store::{PortalLimit, Seed, SeedCredential, SeedOrg, SeedUser};
///
/// let credential = SeedCredential::refresh_token("1000.ACME", "acme-secret", "1000.acme.all");
/// let acme = SeedOrg::new("Acme")
///     .portal_limit(PortalLimit::One)
///     .user(SeedUser::admin("Acme Admin", "admin@acme.example").credential(credential));
/// let seed = Seed::new([acme, SeedOrg::new("Test").environment(Environment::Sandbox)]);
/// # assert_eq!(seed.orgs[0].users[0].permissions.len(), 2);
/// # assert_eq!(seed.orgs[0].users[0].credentials[0].scopes.len(), 1);
/// ```
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

impl Seed {
    /// Creates a seed with these orgs.
    pub fn new(orgs: impl IntoIterator<Item = SeedOrg>) -> Self {
        Self { orgs: orgs.into_iter().collect() }
    }
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

impl SeedOrg {
    /// Creates a production org without a portal limit and without users.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            environment: Environment::Production,
            portal_limit: PortalLimit::Unlimited,
            users: Vec::new(),
        }
    }

    /// Sets the environment.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Sets the portal limit.
    #[must_use]
    pub fn portal_limit(mut self, portal_limit: PortalLimit) -> Self {
        self.portal_limit = portal_limit;
        self
    }

    /// Adds a user.
    #[must_use]
    pub fn user(mut self, user: SeedUser) -> Self {
        self.users.push(user);
        self
    }
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

impl SeedUser {
    /// Creates a user without permissions and credentials.
    pub fn new(name: impl Into<String>, email: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            email: email.into(),
            permissions: BTreeSet::new(),
            credentials: Vec::new(),
        }
    }

    /// Creates a user with every permission, without credentials.
    pub fn admin(name: impl Into<String>, email: impl Into<String>) -> Self {
        Self::new(name, email).permissions(Permission::ALL)
    }

    /// Replaces the permissions.
    #[must_use]
    pub fn permissions(mut self, permissions: impl IntoIterator<Item = Permission>) -> Self {
        self.permissions = permissions.into_iter().collect();
        self
    }

    /// Adds a credential.
    #[must_use]
    pub fn credential(mut self, credential: SeedCredential) -> Self {
        self.credentials.push(credential);
        self
    }
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

impl SeedCredential {
    /// Creates a client with a refresh token for every operation on portals.
    pub fn refresh_token(
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
        refresh_token: impl Into<Secret>,
    ) -> Self {
        let grant = SeedGrant::RefreshToken(refresh_token.into());
        Self::new(client_id.into(), client_secret.into(), grant)
    }

    /// Creates a client with a code for every operation on portals.
    pub fn code(
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
        code: impl Into<Secret>,
    ) -> Self {
        Self::new(client_id.into(), client_secret.into(), SeedGrant::Code(code.into()))
    }

    /// Generates a client and a refresh token from the operating system's random bytes.
    ///
    /// # Errors
    /// [`RegistryError::NotApplied`] if the operating system can't provide random bytes.
    pub fn generate(scopes: Vec<Scope>) -> Result<Self, RegistryError> {
        let (client_id, client_secret) =
            (token::generate_client_id()?, token::generate_client_secret()?);
        Ok(Self::refresh_token(client_id, client_secret, token::generate()?).scopes(scopes))
    }

    fn new(client_id: String, client_secret: Secret, grant: SeedGrant) -> Self {
        Self { client_id, client_secret, grant, scopes: vec![Scope::PORTAL_ALL] }
    }

    /// Replaces the scopes.
    #[must_use]
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.scopes = scopes.into_iter().collect();
        self
    }
}

/// A secret that a client exchanges for access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedGrant {
    /// Usable any number of times until revoked.
    RefreshToken(Secret),
    /// Usable once; by [`TokenRules::ServiceLimits`](crate::TokenRules::ServiceLimits), within three
    /// minutes of the first application of the seed.
    Code(Secret),
}

impl SeedGrant {
    pub(crate) fn secret(&self) -> &Secret {
        let (Self::RefreshToken(secret) | Self::Code(secret)) = self;
        secret
    }
}
