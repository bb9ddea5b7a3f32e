//! Changing orgs, users and credentials while a registry is in use, and the audit log.

use std::sync::Arc;

use portal_model::oauth::{Grant, OAuthError, TokenRequest};
use portal_model::{Environment, Scope};
use portal_store::{
    AdminChange, AdminRefusal, AuditAction, Credential, OrgId, Permission, PortalLimit, Principal,
    SeedCredential, SeedGrant, TokenRules, User,
};

use crate::reseeding::{Store, on_each_engine};
use crate::{at, name, principal_of, refresh, seed};

on_each_engine! {
    added_credential_works_until_it_is_revoked,
    known_token_stays_with_its_client,
    rotated_secret_is_only_one_that_works,
    removed_user_and_org_have_no_access_until_restored,
    permissions_hold_from_next_second_on,
    refusals_name_their_reason_and_change_nothing,
    audit_has_every_change_in_its_order,
    removed_user_differs_until_seed_replaces,
    eight_adds_of_one_user_add_one,
}

async fn org_named(registry: &impl Store, name: &str) -> Option<OrgId> {
    let orgs = registry.orgs().await.unwrap();
    orgs.into_iter().find(|org| org.name == name).map(|org| org.id)
}

async fn users(registry: &impl Store, org: &str) -> Vec<User> {
    registry.users(org_named(registry, org).await.unwrap()).await.unwrap()
}

pub(crate) async fn credentials(registry: &impl Store, org: &str) -> Vec<Credential> {
    registry.credentials(org_named(registry, org).await.unwrap()).await.unwrap()
}

async fn make(registry: &impl Store, change: AdminChange) -> Result<(), AdminRefusal> {
    registry.administer(&change, "ada", at(10)).await.unwrap()
}

fn add_org(org: &str) -> AdminChange {
    let (environment, portal_limit) = (Environment::Production, PortalLimit::Unlimited);
    AdminChange::AddOrg { org: org.to_owned(), environment, portal_limit }
}

fn add_user(org: &str, email: &str) -> AdminChange {
    AdminChange::AddUser {
        org: org.to_owned(),
        email: email.to_owned(),
        name: "New User".to_owned(),
        permissions: Permission::ALL.into(),
    }
}

fn remove_user(org: &str, email: &str) -> AdminChange {
    AdminChange::RemoveUser { org: org.to_owned(), email: email.to_owned() }
}

fn set_permissions(org: &str, email: &str, permissions: &[Permission]) -> AdminChange {
    let permissions = permissions.iter().copied().collect();
    AdminChange::SetPermissions { org: org.to_owned(), email: email.to_owned(), permissions }
}

fn revoke(credential: &str) -> AdminChange {
    AdminChange::RevokeCredential { credential: credential.to_owned() }
}

async fn add_credential(registry: &impl Store, org: &str, email: &str) -> SeedCredential {
    let credential = SeedCredential::generate(vec![Scope::PORTAL_ALL]).unwrap();
    let (org, email) = (org.to_owned(), email.to_owned());
    let change = AdminChange::AddCredential { org, email, credential: credential.clone() };
    make(registry, change).await.unwrap();
    credential
}

fn request(credential: &SeedCredential) -> TokenRequest {
    let SeedGrant::RefreshToken(token) = &credential.grant else { panic!("a refresh token") };
    let grant = Grant::RefreshToken(token.clone());
    TokenRequest::new(&credential.client_id, credential.client_secret.clone(), grant)
}

async fn token(registry: &impl Store, request: &TokenRequest) -> Result<String, OAuthError> {
    let granted = registry.issue_token(request, TokenRules::LifetimesOnly, at(11)).await.unwrap();
    granted.map(|granted| granted.access_token.expose().to_owned())
}

async fn principal(registry: &impl Store, token: &str) -> Option<Arc<Principal>> {
    registry.authenticate(token, at(12)).await.unwrap()
}

async fn added_credential_works_until_it_is_revoked(registry: &impl Store) {
    make(registry, add_org("Newcomer")).await.unwrap();
    make(registry, add_user("Newcomer", "new@new.example")).await.unwrap();
    let credential = add_credential(registry, "Newcomer", "new@new.example").await;
    let other = add_credential(registry, "Newcomer", "new@new.example").await;
    let access_token = token(registry, &request(&credential)).await.unwrap();
    let acting = principal(registry, &access_token).await.unwrap();
    assert_eq!((acting.org.name.as_str(), acting.user.name.as_str()), ("Newcomer", "New User"));
    registry.create_portal(acting.user.id, &name("NewPortal"), at(12)).await.unwrap().unwrap();

    let listed = credentials(registry, "Newcomer").await;
    let listed = listed.iter().find(|it| it.client_id == credential.client_id).unwrap().clone();
    assert_eq!(listed.revoked_at, None);
    make(registry, revoke(&listed.fingerprint)).await.unwrap();
    assert_eq!(principal(registry, &access_token).await, None);
    assert!(token(registry, &request(&credential)).await.is_err());
    token(registry, &request(&other)).await.unwrap();
    make(registry, revoke(&other.client_id)).await.unwrap();
    assert!(token(registry, &request(&other)).await.is_err());
    let listed = credentials(registry, "Newcomer").await;
    assert!(listed.iter().all(|it| it.revoked_at == Some(at(10))), "{listed:?}");
    let again = make(registry, revoke(&other.client_id)).await;
    assert_eq!(again, Err(AdminRefusal::UnknownCredential(other.client_id)));
}

async fn known_token_stays_with_its_client(registry: &impl Store) {
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let credential = SeedCredential::refresh_token("1000.NEW", "new", "limited.token");
    let (org, email) = ("acme".to_owned(), "admin@acme.example".to_owned());
    make(registry, AdminChange::AddCredential { org, email, credential }).await.unwrap();
    let grant = refresh("limited").grant;
    let stolen = TokenRequest::new("1000.NEW", "new".to_owned(), grant);
    assert_eq!(token(registry, &stolen).await.unwrap_err().error, OAuthError::INVALID_CODE);
    let access_token = token(registry, &refresh("limited")).await.unwrap();
    let acting = principal(registry, &access_token).await.unwrap();
    assert_eq!(acting.org.name, "limited");
}

async fn rotated_secret_is_only_one_that_works(registry: &impl Store) {
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let access_token = token(registry, &refresh("acme")).await.unwrap();
    let (client_id, client_secret) = ("1000.CLIENT".to_owned(), "new secret".to_owned().into());
    make(registry, AdminChange::RotateSecret { client_id, client_secret }).await.unwrap();
    let refused = token(registry, &refresh("acme")).await.unwrap_err();
    assert_eq!(refused.error, "invalid_client_secret");
    let rotated = TokenRequest::new("1000.CLIENT", "new secret".to_owned(), refresh("acme").grant);
    token(registry, &rotated).await.unwrap();
    assert!(principal(registry, &access_token).await.is_some(), "it lives for its hour");
}

async fn removed_user_and_org_have_no_access_until_restored(registry: &impl Store) {
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let acme = principal_of(registry, "acme").await;
    let portal = name("AcmePortal");
    let created = registry.create_portal(acme.user.id, &portal, at(1));
    created.await.unwrap().unwrap();
    make(registry, add_user("acme", "second@acme.example")).await.unwrap();
    let access_token = token(registry, &refresh("acme")).await.unwrap();
    make(registry, remove_user("acme", "admin@acme.example")).await.unwrap();
    assert_eq!(principal(registry, &access_token).await, None);
    assert!(token(registry, &refresh("acme")).await.is_err());
    let code = "acme.code".to_owned().into();
    let grant = Grant::AuthorizationCode { code, redirect_uri: None };
    let exchange = TokenRequest::new("1000.CLIENT", "hush".to_owned(), grant);
    assert!(token(registry, &exchange).await.is_err(), "nor by an unused code");
    let portals = registry.portals(acme.org.id).await.unwrap();
    let creator = portals[0].created_by.as_ref().unwrap();
    assert_eq!(creator.name.as_str(), "Acme Admin", "what it created stays");

    let second = add_credential(registry, "acme", "second@acme.example").await;
    let access_token = token(registry, &request(&second)).await.unwrap();
    make(registry, AdminChange::RemoveOrg { org: "acme".to_owned() }).await.unwrap();
    assert_eq!(principal(registry, &access_token).await, None);
    assert_eq!(org_named(registry, "acme").await, None);
    let limited = principal_of(registry, "limited").await;
    let taken = registry.create_portal(limited.user.id, &portal, at(2));
    assert!(taken.await.unwrap().is_err(), "its names stay taken");

    // Nor by a credential that a seed adds.
    let mut more = seed();
    let grant = SeedGrant::RefreshToken("acme.another".to_owned().into());
    more.orgs[0].users[0].credentials[0].grant = grant;
    registry.apply_seed(&more, at(11)).await.unwrap();
    let grant = Grant::RefreshToken("acme.another".to_owned().into());
    let another = TokenRequest::new("1000.CLIENT", "hush".to_owned(), grant);
    let access_token = token(registry, &another).await.unwrap();
    assert_eq!(principal(registry, &access_token).await, None);

    make(registry, add_org("acme")).await.unwrap();
    assert_eq!(users(registry, "acme").await, []);
    make(registry, add_user("acme", "admin@acme.example")).await.unwrap();
    assert!(token(registry, &refresh("acme")).await.is_err(), "a revoked token does not revive");
    let restored = add_credential(registry, "acme", "admin@acme.example").await;
    let access_token = token(registry, &request(&restored)).await.unwrap();
    let acting = principal(registry, &access_token).await.unwrap();
    assert_eq!((acting.org.id, acting.user.id), (acme.org.id, acme.user.id));
    assert_eq!(registry.portals(acting.org.id).await.unwrap()[0].zaid, portals[0].zaid);
}

async fn permissions_hold_from_next_second_on(registry: &impl Store) {
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let access_token = token(registry, &refresh("limited")).await.unwrap();
    let before = principal(registry, &access_token).await.unwrap();
    assert_eq!(before.user.permissions, [Permission::ManagePortal].into());
    let change = set_permissions("limited", "admin@limited.example", &Permission::ALL);
    make(registry, change).await.unwrap();
    let after = principal(registry, &access_token).await.unwrap();
    assert_eq!(after.user.permissions, Permission::ALL.into());
}

async fn refusals_name_their_reason_and_change_nothing(registry: &impl Store) {
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let entries = registry.audit_log(100).await.unwrap();
    let (admin, nobody) = ("admin@acme.example", "nobody@acme.example");
    let developer = AdminChange::AddOrg {
        org: "gone".to_owned(),
        environment: Environment::Developer,
        portal_limit: PortalLimit::Unlimited,
    };
    for (change, refusal) in [
        (add_org("acme"), "org \"acme\" already exists"),
        (add_user("nowhere", admin), "there is no org \"nowhere\""),
        (add_user("acme", admin), "org \"acme\" already has a user admin@acme.example"),
        (remove_user("acme", nobody), "org \"acme\" has no user nobody@acme.example"),
        (set_permissions("acme", nobody, &[]), "org \"acme\" has no user nobody@acme.example"),
        (
            remove_user("acme", admin),
            "admin@acme.example is the only user of org \"acme\" who can create portals",
        ),
        (
            set_permissions("acme", admin, &[Permission::ManagePortal]),
            "admin@acme.example is the only user of org \"acme\" who can create portals",
        ),
        (revoke("1000.NOBODY"), "there is no valid credential \"1000.NOBODY\""),
        (
            AdminChange::RotateSecret {
                client_id: "1000.NOBODY".to_owned(),
                client_secret: "new".to_owned().into(),
            },
            "there is no client \"1000.NOBODY\"",
        ),
    ] {
        assert_eq!(make(registry, change).await.unwrap_err().to_string(), refusal);
    }
    assert_eq!(registry.audit_log(100).await.unwrap(), entries);
    token(registry, &refresh("acme")).await.unwrap();

    make(registry, add_org("gone")).await.unwrap();
    make(registry, AdminChange::RemoveOrg { org: "gone".to_owned() }).await.unwrap();
    let refused = make(registry, developer).await;
    assert_eq!(refused, Err(AdminRefusal::RemovedOrgDiffers("gone".to_owned())));
}

async fn audit_has_every_change_in_its_order(registry: &impl Store) {
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let acme = principal_of(registry, "acme").await;
    let user = acme.user.id;
    for text in ["FirstName", "OtherName"] {
        registry.create_portal(user, &name(text), at(1)).await.unwrap().unwrap();
    }
    for (old, new) in [("firstname", "SecondName"), ("SecondName", "ThirdName")] {
        registry.rename_portal(user, old, &name(new), at(2)).await.unwrap().unwrap();
    }
    let refused = registry.rename_portal(user, "ThirdName", &name("OtherName"), at(2)).await;
    assert!(refused.unwrap().is_err(), "a refusal is not a change");
    make(registry, add_user("acme", "new@acme.example")).await.unwrap();
    registry.create_portal(user, &name("LastName"), at(11)).await.unwrap().unwrap();
    registry.revoke("sandbox.token", at(12)).await.unwrap();

    let entries = registry.audit_log(100).await.unwrap();
    let seen: Vec<_> = entries
        .iter()
        .map(|it| (it.action, it.actor.as_str(), it.subject.as_str(), it.detail.as_deref()))
        .collect();
    let admin = "admin@acme.example";
    assert_eq!(
        seen[..7],
        [
            (AuditAction::SeedApplied, "seed", "seed", None),
            (AuditAction::PortalCreated, admin, "FirstName", None),
            (AuditAction::PortalCreated, admin, "OtherName", None),
            (AuditAction::PortalRenamed, admin, "SecondName", Some("FirstName")),
            (AuditAction::PortalRenamed, admin, "ThirdName", Some("SecondName")),
            (
                AuditAction::UserAdded,
                "operator ada",
                "new@acme.example",
                Some("manage_portal,manage_portal_users")
            ),
            (AuditAction::PortalCreated, admin, "LastName", None),
        ]
    );
    let revoked = &entries[7];
    assert_eq!((revoked.action, revoked.at), (AuditAction::CredentialRevoked, at(12)));
    assert!(revoked.subject.starts_with("1000.CLIENT "), "{revoked:?}");
    assert_eq!(revoked.org.as_deref(), Some("sandbox"));
    assert_eq!(registry.audit_log(3).await.unwrap(), entries[5..]);
    assert_eq!(registry.audit_log(0).await.unwrap(), []);
}

async fn removed_user_differs_until_seed_replaces(registry: &impl Store) {
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    make(registry, add_user("acme", "second@acme.example")).await.unwrap();
    make(registry, remove_user("acme", "admin@acme.example")).await.unwrap();
    make(registry, AdminChange::RemoveOrg { org: "sandbox".to_owned() }).await.unwrap();
    let differences = registry.apply_seed_unless_different(&seed(), at(11)).await.unwrap();
    assert_eq!(
        differences.unwrap_err().to_string(),
        "user admin@acme.example of org \"acme\" was removed; org \"sandbox\" was removed"
    );
    registry.replace_seed(&seed(), at(12)).await.unwrap();
    let differences = registry.apply_seed_unless_different(&seed(), at(13)).await.unwrap();
    assert_eq!(differences, Ok(()));
    assert_eq!(users(registry, "sandbox").await.len(), 1);
    assert!(token(registry, &refresh("acme")).await.is_err(), "a revoked token does not revive");
}

async fn eight_adds_of_one_user_add_one(registry: &impl Store) {
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let adds = (0..8).map(|_| {
        let registry = registry.clone();
        tokio::spawn(async move { make(&registry, add_user("acme", "new@acme.example")).await })
    });
    let adds: Vec<_> = adds.collect();
    let mut added = 0;
    for add in adds {
        added += usize::from(add.await.unwrap().is_ok());
    }
    assert_eq!(added, 1);
    let users = users(registry, "acme").await;
    assert_eq!(users.len(), 2);
}
