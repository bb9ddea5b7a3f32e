//! The orgs, users and credentials that the table is about.

use portal_model::{Environment, Scope, Secret};
use portal_store::{Permission, PortalLimit, Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser};

use super::CLIENT;

/// The orgs of the table. The portals that it takes for granted are in [`portals`].
pub(crate) fn seed() -> Seed {
    let portal = |operation: &str| Scope::new(format!("ZohoCRM.settings.clientportal.{operation}"));
    let credential = |refresh_token: &str, scopes: Vec<Scope>| SeedCredential {
        client_id: CLIENT.to_owned(),
        client_secret: Secret::new(CLIENT.to_owned()),
        grant: SeedGrant::RefreshToken(Secret::new(refresh_token.to_owned())),
        scopes,
    };
    let user = |name: &str, permissions: &[Permission], credentials| SeedUser {
        name: name.to_owned(),
        email: format!("{}@cases.example", name.to_lowercase().replace(' ', ".")),
        permissions: permissions.iter().copied().collect(),
        credentials,
    };
    let org = |name: &str, environment, portal_limit, users| SeedOrg {
        name: name.to_owned(),
        environment,
        portal_limit,
        users,
    };
    let admin = |refresh_token| {
        vec![user(
            "Ada Admin",
            &Permission::ALL,
            vec![credential(refresh_token, vec![portal("ALL")])],
        )]
    };
    let all = |refresh_token| vec![credential(refresh_token, vec![portal("ALL")])];
    let acme = vec![
        user(
            "Ada Admin",
            &Permission::ALL,
            vec![
                credential("acme.all", vec![portal("ALL")]),
                credential("acme.create", vec![portal("CREATE")]),
                credential("acme.read", vec![portal("READ")]),
                credential("acme.update", vec![portal("UPDATE")]),
                credential("acme.users", vec![Scope::new("ZohoCRM.users.READ")]),
            ],
        ),
        user("Nora None", &[], all("acme.no-permission")),
        user("Pia Portals", &[Permission::ManagePortal], all("acme.portals-only")),
        user("Uma Users", &[Permission::ManagePortalUsers], all("acme.users-only")),
    ];
    Seed {
        orgs: vec![
            org("Acme", Environment::Production, PortalLimit::Unlimited, acme),
            org("Rival", Environment::Production, PortalLimit::Unlimited, admin("rival.all")),
            org("Limited", Environment::Production, PortalLimit::One, admin("limited.all")),
            org("Fresh", Environment::Production, PortalLimit::One, admin("fresh.all")),
            org("Sandbox", Environment::Sandbox, PortalLimit::Unlimited, admin("sandbox.all")),
            org("Developer", Environment::Developer, PortalLimit::One, admin("developer.all")),
        ],
    }
}

/// Whose portals are there before the first row, by refresh token.
pub(crate) fn portals() -> [(&'static str, &'static str); 4] {
    [
        ("acme.all", "AcmePortal"),
        ("acme.all", "AcmeSecond"),
        ("rival.all", "RivalPortal"),
        ("limited.all", "LimitedPortal"),
    ]
}
