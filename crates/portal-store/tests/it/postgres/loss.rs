//! A lost connection leaves a change in doubt; an unavailable database does not.

use std::time::{Duration, Instant};

use portal_store::{PostgresRegistry, Principal, Registry as _, RegistryError, TokenRules};
use portal_testkit::{Cluster, Database, needs};

use super::proxy::{Loss, Proxy};
use super::{open, seeded};
use crate::{at, name, principal_of, refresh, seed};

/// A registry behind a proxy, and the principal of acme.
async fn behind_proxy(database: &Database) -> (PostgresRegistry, Proxy, Principal) {
    let direct = seeded(database).await;
    let proxy = Proxy::before(&database.url()).await;
    let registry = open(&proxy.url).await;
    (registry, proxy, principal_of(&direct, "acme").await)
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_cut_before_or_after_commit_is_unknown() {
    let database = Database::create();
    let (registry, proxy, acme) = behind_proxy(&database).await;
    for (loss, text, is_kept) in
        [(Loss::Request, "LostRequest", false), (Loss::Response, "LostResponse", true)]
    {
        // Prepares the statement on the connection: what is lost is the create.
        let before = name(&format!("Before{text}"));
        registry.create_portal(acme.user.id, &before, at(1)).await.unwrap().unwrap();
        proxy.lose(loss);
        let created = registry.create_portal(acme.user.id, &name(text), at(1)).await;
        assert!(matches!(created, Err(RegistryError::Unknown(_))), "{loss:?}: {created:?}");
        proxy.lose(Loss::None);
        let found = registry.portal(acme.org.id, text).await.unwrap();
        assert_eq!(found.is_some(), is_kept, "{loss:?}");
    }
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_changes_cut_after_commit_are_unknown() {
    let database = Database::create();
    let (registry, proxy, acme) = behind_proxy(&database).await;
    let (old, new) = ("OldName", name("NewName"));
    registry.create_portal(acme.user.id, &name(old), at(1)).await.unwrap().unwrap();
    proxy.lose(Loss::Response);
    let renamed = registry.rename_portal(acme.user.id, old, &new, at(1)).await;
    assert!(matches!(renamed, Err(RegistryError::NotApplied(_))), "before its end: {renamed:?}");
    proxy.lose(Loss::Commit);
    let renamed = registry.rename_portal(acme.user.id, old, &new, at(1)).await;
    assert!(matches!(renamed, Err(RegistryError::Unknown(_))), "{renamed:?}");
    proxy.lose(Loss::None);
    assert!(registry.portal(acme.org.id, "NewName").await.unwrap().is_some());

    assert_eq!(registry.revoke("missing", at(1)).await, Ok(false));
    proxy.lose(Loss::Response);
    let revoked = registry.revoke("acme.token", at(1)).await;
    assert!(matches!(revoked, Err(RegistryError::NotApplied(_))), "before its end: {revoked:?}");
    proxy.lose(Loss::None);
    let rules = TokenRules::LifetimesOnly;
    registry.issue_token(&refresh("acme"), rules, at(1)).await.unwrap().unwrap();
    proxy.lose(Loss::Commit);
    let revoked = registry.revoke("acme.token", at(1)).await;
    assert!(matches!(revoked, Err(RegistryError::Unknown(_))), "{revoked:?}");
    proxy.lose(Loss::None);
    assert!(registry.issue_token(&refresh("acme"), rules, at(1)).await.unwrap().is_err());
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_without_response_is_repeated() {
    let database = Database::create();
    let (registry, proxy, acme) = behind_proxy(&database).await;
    proxy.lose(Loss::Response);
    let registry = &registry;
    let reads = async { registry.portals(acme.org.id).await };
    let restore = async {
        // The first connection is lost by now, or will be.
        tokio::task::yield_now().await;
        proxy.lose(Loss::None);
    };
    let (found, ()) = tokio::join!(reads, restore);
    assert_eq!(found, Ok(Vec::new()));
}

#[needs(postgresql)]
#[tokio::test]
async fn create_without_response_is_unknown() {
    let database = Database::create();
    let (registry, proxy, acme) = behind_proxy(&database).await;
    let create = async |text| registry.create_portal(acme.user.id, &name(text), at(1)).await;
    // Prepares the statement on the connection: what gets no response is the create.
    create("FirstName").await.unwrap().unwrap();
    proxy.lose(Loss::Everything);
    // With paused time the clock advances to the next deadline once all tasks are idle.
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    assert_eq!(
        create("SilentName").await,
        Err(RegistryError::Unknown("no response from the database within 10 seconds".to_owned()))
    );
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());

    // There is no connection by now, and nobody answers who wants one.
    let started = tokio::time::Instant::now();
    let created = create("LaterName").await;
    assert!(matches!(created, Err(RegistryError::NotApplied(_))), "{created:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_without_database_is_not_applied() {
    let cluster = Cluster::start();
    let url = cluster.url("postgres");
    let registry = open(&url).await;
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let acme = principal_of(&registry, "acme").await;
    cluster.kill();
    // The loss may not have been noticed yet.
    while !matches!(registry.portals(acme.org.id).await, Err(RegistryError::NotApplied(_))) {}

    let started = Instant::now();
    let (lost, kept) = (name("NoPortal"), name("APortal"));
    match registry.create_portal(acme.user.id, &lost, at(1)).await {
        Err(RegistryError::NotApplied(why)) => {
            assert!(why.starts_with("no connection to the database: "), "{why}");
        }
        other => panic!("{other:?}"),
    }
    let listed = registry.portals(acme.org.id).await;
    assert!(matches!(listed, Err(RegistryError::NotApplied(_))), "{listed:?}");
    let seeded = registry.apply_seed(&seed(), at(0)).await;
    assert!(matches!(seeded, Err(RegistryError::NotApplied(_))), "{seeded:?}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let refused = PostgresRegistry::open(&url).await.unwrap_err().to_string();
    assert!(refused.contains("error connecting to server"), "{refused}");

    cluster.start_again();
    assert_eq!(registry.portals(acme.org.id).await, Ok(Vec::new()));
    let created = registry.create_portal(acme.user.id, &kept, at(1)).await;
    created.unwrap().unwrap();
}
