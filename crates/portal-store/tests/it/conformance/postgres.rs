//! The engine of several machines.

use portal_model::oauth::OAuthError;
use portal_store::{PostgresRegistry, Registry as _, RenameConflict};
use portal_testkit::{Database, needs};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::{access_token, at, refresh, seeded};

fn open(database: &Database) -> PostgresRegistry {
    let url = database.url();
    let open = PostgresRegistry::open(&url);
    // The suite opens registries synchronously.
    block_in_place(|| Handle::current().block_on(open)).unwrap()
}

super::suite!(
    #[needs(postgresql)]
    |_dir| {
        let database = Database::create();
        move || open(&database)
    }
);

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_revocation_takes_effect_after_second() {
    let database = Database::create();
    let (registry, _) = seeded(|| open(&database)).await;
    let token = access_token(&registry, &refresh("acme"), 0).await.unwrap();
    assert!(registry.authenticate(&token, at(5)).await.unwrap().is_some());
    assert_eq!(open(&database).revoke("1000.acme.all", at(5)).await, Ok(true));
    assert_eq!(registry.authenticate(&token, at(6)).await, Ok(None));
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_is_empty_until_seeded() {
    let database = Database::create();
    let registry = open(&database);
    assert_eq!(registry.is_empty().await, Ok(true));
    let (registry, _) = seeded(|| registry.clone()).await;
    assert_eq!(registry.is_empty().await, Ok(false));
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_with_nul_matches_nothing() {
    let database = Database::create();
    let (registry, [acme, ..]) = seeded(|| open(&database)).await;
    assert_eq!(registry.portal(acme.org.id, "a\0b").await, Ok(None));
    let new = "NewName".parse().unwrap();
    let renamed = registry.rename_portal(acme.user.id, "a\0b", &new, at(1)).await;
    assert_eq!(renamed, Ok(Err(RenameConflict::NotFound)));
    let mut request = refresh("acme");
    request.client_id = "a\0b".to_owned();
    let refused = access_token(&registry, &request, 1).await.unwrap_err();
    assert_eq!(refused.error, OAuthError::INVALID_CLIENT);
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapping_two_names_concurrently_is_refused() {
    let database = Database::create();
    let (registry, [acme, ..]) = seeded(|| open(&database)).await;
    for name in ["PortalA", "PortalB"] {
        let name = name.parse().unwrap();
        let created = registry.create_portal(acme.user.id, &name, at(1)).await;
        created.unwrap().unwrap();
    }
    let swap = |old: &'static str, new: &str| {
        let (registry, acme, new) = (registry.clone(), acme.clone(), new.parse().unwrap());
        tokio::spawn(async move { registry.rename_portal(acme.user.id, old, &new, at(2)).await })
    };
    for _ in 0..20 {
        let both = [swap("PortalA", "PortalB"), swap("PortalB", "PortalA")];
        for renamed in both {
            assert_eq!(renamed.await.unwrap(), Ok(Err(RenameConflict::NameTaken)));
        }
    }
}
