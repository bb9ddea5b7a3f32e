//! Applying seeds repeatedly.

use portal_model::oauth::{Grant, OAuthError};
use portal_model::{Environment, Scope, Secret};

use super::{
    access_token, all_at_once, at, client_secret, exchange, org, refresh, request, seed,
    seed_with_code,
};
use portal_store::{Permission, PortalLimit, Registry, SeedGrant, TokenRules};

pub(crate) async fn concurrent_seed_is_applied_once<R: Registry>(open: impl Fn() -> R) {
    let mut seed = seed_with_code("code");
    seed.orgs.extend((0..50).map(|index| org(&format!("org{index}"), PortalLimit::One)));
    let handles: Vec<R> = (0..8).map(|_| open()).collect();
    all_at_once(handles.iter().cloned().map(|registry| {
        let seed = seed.clone();
        async move { registry.apply_seed(&seed, at(0)).await.unwrap() }
    }))
    .await;
    for index in [0, 49] {
        let refresh = refresh(&format!("org{index}"));
        let token = access_token(&handles[0], &refresh, 0).await.unwrap();
        let found = handles[0].authenticate(&token, at(0)).await.unwrap().unwrap();
        assert_eq!(found.org.name, format!("org{index}"));
        for registry in &handles {
            assert_eq!(registry.authenticate(&token, at(0)).await.unwrap().as_ref(), Some(&found));
        }
    }
    access_token(&handles[3], &exchange("code"), 1).await.unwrap();
    assert!(access_token(&handles[4], &exchange("code"), 1).await.is_err());
}

pub(crate) async fn existing_entries_are_unchanged<R: Registry>(open: impl Fn() -> R) {
    let registry = open();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let token = access_token(&registry, &refresh("acme"), 0).await.unwrap();
    let before = registry.authenticate(&token, at(0)).await.unwrap().unwrap();

    let mut changed = seed();
    changed.orgs[0].environment = Environment::Sandbox;
    changed.orgs[0].portal_limit = PortalLimit::One;
    let admin = &mut changed.orgs[0].users[0];
    admin.name = String::from("Someone Else");
    admin.permissions.clear();
    admin.credentials[0].client_secret = client_secret("globex");
    admin.credentials[0].scopes = vec![Scope::PORTAL_READ];
    let mut newcomer = admin.clone();
    newcomer.email = String::from("newcomer@acme.example");
    let new_token = Secret::new("1000.newcomer");
    newcomer.credentials[0].client_secret = client_secret("acme");
    newcomer.credentials[0].grant = SeedGrant::RefreshToken(new_token.clone());
    changed.orgs[0].users.push(newcomer);
    registry.apply_seed(&changed, at(1)).await.unwrap();

    // Changing the secret is an update too, so the old secret stays valid.
    let token = access_token(&registry, &refresh("acme"), 0).await.unwrap();
    assert_eq!(registry.authenticate(&token, at(1)).await.unwrap().unwrap(), before);
    let new_request = request("acme", Grant::RefreshToken(new_token));
    let token = access_token(&registry, &new_request, 1).await.unwrap();
    let newcomer = registry.authenticate(&token, at(1)).await.unwrap().unwrap();
    assert_eq!(newcomer.org, before.org);
    assert_eq!(newcomer.user.email, "newcomer@acme.example");
    assert_ne!(newcomer.user.id, before.user.id);
}

pub(crate) async fn users_of_org_are_in_seed_order<R: Registry>(open: impl Fn() -> R) {
    let mut seed = seed();
    let mut second = seed.orgs[0].users[0].clone();
    second.email = String::from("another@acme.example");
    second.permissions = [Permission::ManagePortal].into();
    second.credentials.clear();
    seed.orgs[0].users.push(second.clone());
    let registry = open();
    registry.apply_seed(&seed, at(0)).await.unwrap();
    let token = access_token(&registry, &refresh("acme"), 0).await.unwrap();
    let principal = registry.authenticate(&token, at(0)).await.unwrap().unwrap();
    let users = open().users(principal.org.id).await.unwrap();
    assert_eq!(users.len(), 2);
    assert_eq!(users[0], principal.user);
    assert_eq!((&users[1].email, &users[1].permissions), (&second.email, &second.permissions));
}

pub(crate) async fn used_code_and_revoked_token_never_revive<R: Registry>(open: impl Fn() -> R) {
    let registry = open();
    registry.apply_seed(&seed_with_code("code"), at(0)).await.unwrap();
    access_token(&registry, &exchange("code"), 1).await.unwrap();
    assert_eq!(registry.revoke("1000.acme.all", at(1)).await, Ok(true));
    for again in [registry.clone(), open()] {
        again.apply_seed(&seed_with_code("code"), at(2)).await.unwrap();
    }
    for request in [exchange("code"), refresh("acme")] {
        let refused = access_token(&registry, &request, 3).await.unwrap_err();
        assert_eq!(refused.error, OAuthError::INVALID_CODE);
    }
}

pub(crate) async fn code_age_starts_at_first_application<R: Registry>(open: impl Fn() -> R) {
    let registry = open();
    registry.apply_seed(&seed_with_code("code"), at(0)).await.unwrap();
    registry.apply_seed(&seed_with_code("code"), at(179)).await.unwrap();
    let limited = async |code, second| {
        let rules = TokenRules::ServiceLimits;
        registry.issue_token(&exchange(code), rules, at(second)).await.unwrap()
    };
    assert_eq!(limited("code", 180).await.unwrap_err().error, OAuthError::INVALID_CODE);
    registry.apply_seed(&seed_with_code("another"), at(200)).await.unwrap();
    limited("another", 379).await.unwrap();
}
