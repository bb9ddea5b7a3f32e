//! Three registries on one database, like three servers.

use portal_model::oauth::{Grant, TokenRequest};
use portal_store::{CreateConflict, PostgresRegistry, Registry as _, SeedGrant, TokenRules};
use portal_testkit::{Database, needs};

use super::{open, seeded};
use crate::{ORGS, at, name, principal_of, refresh, seed};

async fn three(database: &Database) -> [PostgresRegistry; 3] {
    let url = database.url();
    [seeded(database).await, open(&url).await, open(&url).await]
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_first_starts_serve_same_tokens() {
    let database = Database::create();
    let starts: Vec<_> = (0..3)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move {
                let registry = PostgresRegistry::open(&url).await.unwrap();
                registry.apply_seed(&seed(), at(0)).await.unwrap();
                registry
            })
        })
        .collect();
    let mut registries = Vec::new();
    for start in starts {
        registries.push(start.await.unwrap());
    }
    for by in &registries {
        let granted = by.issue_token(&refresh("acme"), TokenRules::LifetimesOnly, at(1)).await;
        let token = granted.unwrap().unwrap().access_token;
        for at_registry in &registries {
            let caller = at_registry.authenticate(token.expose(), at(1)).await.unwrap().unwrap();
            assert_eq!(caller.org.name, "acme");
        }
    }
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn different_seeds_added_at_once_are_all_kept() {
    let database = Database::create();
    let registries = three(&database).await;
    let seeds: Vec<_> = (0..9)
        .map(|index| {
            let registry = registries[index % 3].clone();
            let mut seed = seed();
            for org in &mut seed.orgs {
                org.name = format!("{} {index}", org.name);
                for credential in org.users.iter_mut().flat_map(|user| &mut user.credentials) {
                    credential.grant =
                        SeedGrant::RefreshToken(format!("{} token", org.name).into());
                }
            }
            tokio::spawn(async move { registry.apply_seed(&seed, at(1)).await.unwrap() })
        })
        .collect();
    for seed in seeds {
        seed.await.unwrap();
    }
    for index in 0..9 {
        for org in ORGS {
            let org = format!("{org} {index}");
            let grant = Grant::RefreshToken(format!("{org} token").into());
            let request = TokenRequest::new("1000.CLIENT", "hush".to_owned(), grant);
            let granted =
                registries[0].issue_token(&request, TokenRules::LifetimesOnly, at(1)).await;
            let token = granted.unwrap().unwrap().access_token;
            let caller = registries[1].authenticate(token.expose(), at(1)).await.unwrap().unwrap();
            assert_eq!(caller.org.name, org);
        }
    }
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_48_creates_over_3_registries_succeeds() {
    let database = Database::create();
    let registries = three(&database).await;
    let callers =
        [principal_of(&registries[0], "acme").await, principal_of(&registries[0], "sandbox").await];
    let creates: Vec<_> = (0..48)
        .map(|index| {
            let (registry, by) = (registries[index % 3].clone(), callers[index % 2].clone());
            let cased = ["AcmePortal", "acmeportal", "ACMEPORTAL", "aCMEpORTAL"][index % 4];
            tokio::spawn(async move {
                registry.create_portal(by.user.id, &name(cased), at(1)).await.unwrap()
            })
        })
        .collect();
    let mut successes = 0;
    for create in creates {
        match create.await.unwrap() {
            Ok(()) => successes += 1,
            Err(conflict) => assert_eq!(conflict, CreateConflict::NameTaken),
        }
    }
    assert_eq!(successes, 1);
    let mut kept = 0;
    for by in &callers {
        kept += registries[2].portals(by.org.id).await.unwrap().len();
    }
    assert_eq!(kept, 1);
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn org_with_limit_gets_one_of_twelve_at_once() {
    let database = Database::create();
    let registries = three(&database).await;
    let limited = principal_of(&registries[0], "limited").await;
    let creates: Vec<_> = (0..12)
        .map(|index| {
            let (registry, by) = (registries[index % 3].clone(), limited.clone());
            tokio::spawn(async move {
                let name = name(&format!("Portal{index}"));
                registry.create_portal(by.user.id, &name, at(1)).await.unwrap()
            })
        })
        .collect();
    let mut successes = 0;
    for create in creates {
        match create.await.unwrap() {
            Ok(()) => successes += 1,
            Err(conflict) => assert_eq!(conflict, CreateConflict::LimitReached),
        }
    }
    assert_eq!(successes, 1);
    assert_eq!(registries[1].portals(limited.org.id).await.unwrap().len(), 1);
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn limits_on_tokens_hold_over_three_registries() {
    let database = Database::create();
    let registries = three(&database).await;
    let grants: Vec<_> = (0..30)
        .map(|index| {
            let registry = registries[index % 3].clone();
            tokio::spawn(async move {
                registry
                    .issue_token(&refresh("acme"), TokenRules::ServiceLimits, at(1))
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut granted = 0;
    for grant in grants {
        granted += usize::from(grant.await.unwrap().is_ok());
    }
    assert_eq!(granted, 10);
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn token_issued_during_revocation_is_refused() {
    let database = Database::create();
    let registries = three(&database).await;
    let grants: Vec<_> = (0..24)
        .map(|index| {
            let registry = registries[index % 3].clone();
            tokio::spawn(async move {
                registry
                    .issue_token(&refresh("acme"), TokenRules::LifetimesOnly, at(1))
                    .await
                    .unwrap()
            })
        })
        .collect();
    assert_eq!(registries[0].revoke("acme.token", at(1)).await, Ok(true));
    for grant in grants {
        if let Ok(granted) = grant.await.unwrap() {
            let token = granted.access_token;
            for registry in &registries {
                assert_eq!(registry.authenticate(token.expose(), at(2)).await, Ok(None));
            }
        }
    }
}
