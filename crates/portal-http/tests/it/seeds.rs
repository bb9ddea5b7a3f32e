//! Seeds of the tests' servers.

use portal_model::{Environment, Scope};
use portal_store::{Permission, PortalLimit, Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser};

pub(crate) fn seed(orgs: impl IntoIterator<Item = SeedOrg>) -> Seed {
    Seed { orgs: orgs.into_iter().collect() }
}

/// An org without a portal limit, whose only user has every permission and this credential.
pub(crate) fn org(name: &str, credential: SeedCredential) -> SeedOrg {
    SeedOrg {
        name: name.to_owned(),
        environment: Environment::Production,
        portal_limit: PortalLimit::Unlimited,
        users: vec![SeedUser {
            name: "Ada Admin".to_owned(),
            email: "ada.admin@seed.example".to_owned(),
            permissions: Permission::ALL.into(),
            credentials: vec![credential],
        }],
    }
}

/// Everything about portals for `client`, whose secret is its id.
pub(crate) fn credential(client: &str, grant: SeedGrant) -> SeedCredential {
    SeedCredential {
        client_id: client.to_owned(),
        client_secret: client.to_owned().into(),
        grant,
        scopes: vec![Scope::PORTAL_ALL],
    }
}
