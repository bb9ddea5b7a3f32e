//! A seed that differs from the stored entries: refused with the differences, or replacing them.

use portal_model::oauth::{Grant, OAuthError, TokenRequest};
use portal_model::{Environment, Scope, Secret};
use portal_store::{
    Administration, CreateConflict, Permission, PortalLimit, Principal, Registry, Seed, SeedGrant,
    TokenRules,
};

use crate::{at, name, principal_of, refresh, seed};

async fn differences(registry: &impl Store, seed: &Seed) -> Vec<String> {
    match registry.apply_seed_unless_different(seed, at(1)).await.unwrap() {
        Ok(()) => Vec::new(),
        Err(differences) => differences.0,
    }
}

async fn create(registry: &impl Store, by: &Principal, text: &str) -> Result<(), CreateConflict> {
    registry.create_portal(by.user.id, &name(text), at(3)).await.unwrap()
}

async fn token(registry: &impl Store, request: &TokenRequest) -> Result<String, OAuthError> {
    let granted = registry.issue_token(request, TokenRules::LifetimesOnly, at(2)).await.unwrap();
    granted.map(|granted| granted.access_token.expose().to_owned())
}

fn exchange(code: &str) -> TokenRequest {
    let grant = Grant::AuthorizationCode { code: code.to_owned().into(), redirect_uri: None };
    TokenRequest::new("1000.CLIENT", "hush".to_owned(), grant)
}

/// An engine that can be administered.
pub(crate) trait Store: Registry + Administration {}

impl<T: Registry + Administration> Store for T {}

/// Generates each test for each engine.
macro_rules! on_each_engine {
    ($($name:ident,)*) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    let directory = tempfile::tempdir().unwrap();
                    let registry = portal_store::SqliteRegistry::open(directory.path()).unwrap();
                    super::$name(&registry).await;
                }
            )*
        }

        #[cfg(all(unix, feature = "postgres"))]
        mod postgres {
            $(
                #[portal_testkit::needs(postgresql)]
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let database = portal_testkit::Database::create();
                    let registry = crate::postgres::open(&database.url()).await;
                    super::$name(&registry).await;
                }
            )*
        }
    };
}
pub(crate) use on_each_engine;

on_each_engine! {
    same_seed_is_no_difference_whatever_happened_since,
    every_difference_is_listed_and_nothing_is_changed,
    seed_that_replaces_is_what_is_served,
}

async fn apply_first(registry: &impl Store) {
    assert_eq!(differences(registry, &seed()).await, [""; 0]);
}

async fn same_seed_is_no_difference_whatever_happened_since(registry: &impl Store) {
    apply_first(registry).await;
    token(registry, &exchange("acme.code")).await.unwrap();
    registry.revoke("limited.token", at(1)).await.unwrap();
    assert_eq!(differences(registry, &seed()).await, [""; 0]);
    assert!(token(registry, &refresh("limited")).await.is_err(), "it does not revive");

    let mut more = seed();
    let mut newcomer = more.orgs[2].clone();
    "newcomer".clone_into(&mut newcomer.name);
    newcomer.users[0].credentials[0].grant =
        SeedGrant::RefreshToken("newcomer.token".to_owned().into());
    more.orgs.push(newcomer);
    assert_eq!(differences(registry, &more).await, [""; 0]);
    token(registry, &refresh("newcomer")).await.unwrap();
}

async fn every_difference_is_listed_and_nothing_is_changed(registry: &impl Store) {
    apply_first(registry).await;
    let mut changed = seed();
    changed.orgs[0].environment = Environment::Developer;
    changed.orgs[1].portal_limit = PortalLimit::Unlimited;
    let admin = &mut changed.orgs[0].users[0];
    "Someone Else".clone_into(&mut admin.name);
    admin.permissions.clear();
    admin.credentials[0].grant = SeedGrant::RefreshToken("acme.rotated".to_owned().into());
    admin.credentials[1].scopes = vec![Scope::PORTAL_READ];
    for org in &mut changed.orgs {
        for credential in org.users.iter_mut().flat_map(|user| &mut user.credentials) {
            credential.client_secret = Secret::new("rotated");
        }
    }
    "other@limited.example".clone_into(&mut changed.orgs[1].users[0].email);
    let third = changed.orgs.pop().unwrap();
    let acme = "of org \"acme\"";
    assert_eq!(
        differences(registry, &changed).await,
        [
            "org \"acme\" has a different environment".to_owned(),
            format!("user admin@acme.example {acme} has a different name"),
            format!("user admin@acme.example {acme} has different permissions"),
            "client 1000.CLIENT has a different secret".to_owned(),
            format!(
                "a credential of client 1000.CLIENT for user admin@acme.example {acme} has a \
                 different client, user or scopes"
            ),
            "org \"limited\" has a different portal limit".to_owned(),
            "a credential of client 1000.CLIENT for user other@limited.example of org \
             \"limited\" has a different client, user or scopes"
                .to_owned(),
            format!(
                "a refresh token of client 1000.CLIENT for user admin@acme.example {acme} is not \
                 in the seed"
            ),
            "user admin@limited.example of org \"limited\" is not in the seed".to_owned(),
            format!("org {:?} is not in the seed", third.name),
        ]
    );
    for org in ["acme", "limited", "sandbox"] {
        token(registry, &refresh(org)).await.unwrap();
    }
    assert_eq!(differences(registry, &seed()).await, [""; 0]);
}

async fn seed_that_replaces_is_what_is_served(registry: &impl Store) {
    apply_first(registry).await;
    let acme = principal_of(registry, "acme").await;
    for text in ["AcmePortal", "AcmePortal2"] {
        create(registry, &acme, text).await.unwrap();
    }
    let before = token(registry, &refresh("sandbox")).await.unwrap();
    assert!(registry.authenticate(&before, at(2)).await.unwrap().is_some());

    let mut changed = seed();
    changed.orgs.truncate(2);
    changed.orgs[0].portal_limit = PortalLimit::One;
    changed.orgs[1].portal_limit = PortalLimit::Unlimited;
    let admin = &mut changed.orgs[0].users[0];
    admin.permissions = [Permission::ManagePortal].into();
    let rotated = SeedGrant::RefreshToken("acme.rotated".to_owned().into());
    let old = std::mem::replace(&mut admin.credentials[0].grant, rotated);
    assert_eq!(old, SeedGrant::RefreshToken("acme.token".to_owned().into()));
    admin.credentials.truncate(1);
    for user in changed.orgs.iter_mut().flat_map(|org| &mut org.users) {
        user.credentials[0].client_secret = Secret::new("rotated");
    }
    registry.replace_seed(&changed, at(3)).await.unwrap();
    assert_eq!(differences(registry, &changed).await, [""; 0]);

    // Credentials that are not in the seed stopped working.
    assert_eq!(registry.authenticate(&before, at(3)).await, Ok(None));
    let with_secret = |request: TokenRequest, secret: &str| {
        TokenRequest::new("1000.CLIENT", secret.to_owned(), request.grant)
    };
    for request in [refresh("sandbox"), refresh("acme"), exchange("acme.code")] {
        let refused = token(registry, &with_secret(request, "rotated")).await.unwrap_err();
        assert_eq!(refused.error, OAuthError::INVALID_CODE);
    }
    let refused = token(registry, &refresh("limited")).await.unwrap_err();
    assert_eq!(refused.error, "invalid_client_secret");

    // Credentials in the seed work, and the portals are still there.
    let rotated = Grant::RefreshToken("acme.rotated".to_owned().into());
    let request = TokenRequest::new("1000.CLIENT", "rotated".to_owned(), rotated);
    let access_token = token(registry, &request).await.unwrap();
    let acme = registry.authenticate(&access_token, at(3)).await.unwrap().unwrap();
    assert_eq!(acme.user.permissions, [Permission::ManagePortal].into());
    assert_eq!(registry.portals(acme.org.id).await.unwrap().len(), 2);
    let third = create(registry, &acme, "AcmePortal3").await;
    assert_eq!(third, Err(CreateConflict::LimitReached));
    let access_token = token(registry, &with_secret(refresh("limited"), "rotated")).await.unwrap();
    let limited = registry.authenticate(&access_token, at(3)).await.unwrap().unwrap();
    for text in ["FirstName", "SecondName"] {
        assert_eq!(create(registry, &limited, text).await, Ok(()));
    }

    // Restoring the first seed.
    registry.replace_seed(&seed(), at(4)).await.unwrap();
    let refused = token(registry, &refresh("sandbox")).await.unwrap_err();
    assert_eq!(refused.error, OAuthError::INVALID_CODE, "a revoked token does not revive");
    assert_eq!(create(registry, &acme, "AcmePortal3").await, Ok(()));
}
