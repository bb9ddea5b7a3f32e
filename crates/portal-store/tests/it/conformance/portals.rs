//! Creating, finding and renaming portals.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use portal_model::Portal;

use super::{all_at_once, at, name, org, seeded};
use portal_store::{
    CreateConflict, MemoryRegistry, PortalLimit, Principal, Registry, RegistryError,
    RenameConflict, Seed, UserId,
};

async fn create<R: Registry>(
    registry: &R,
    by: &Principal,
    text: &str,
) -> Result<Portal, CreateConflict> {
    registry.create_portal(by.user.id, &name(text), at(1)).await.unwrap()?;
    Ok(registry.portal(by.org.id, text).await.unwrap().unwrap())
}

async fn rename<R: Registry>(
    registry: &R,
    by: &Principal,
    old: &str,
    new: &str,
) -> Result<Portal, RenameConflict> {
    registry.rename_portal(by.user.id, old, &name(new), at(2)).await.unwrap()
}

async fn names<R: Registry>(registry: &R, of: &Principal) -> Vec<String> {
    let portals = registry.portals(of.org.id).await.unwrap();
    portals.into_iter().map(|portal| portal.name).collect()
}

/// The word with the case of its letters chosen by the bits of `bits`.
fn in_case(word: &str, bits: usize) -> String {
    let flip = |(index, letter): (usize, char)| {
        if bits >> index & 1 == 1 { letter.to_ascii_uppercase() } else { letter }
    };
    word.chars().enumerate().map(flip).collect()
}

pub(crate) async fn portal_is_found_by_name_in_any_case<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, ..]) = seeded(&open).await;
    let created = create(&registry, &acme, "AcmePortal").await.unwrap();
    assert_eq!(created.name, "AcmePortal");
    for known_as in ["AcmePortal", "acmeportal", "ACMEPORTAL"] {
        let found = open().portal(acme.org.id, known_as).await.unwrap();
        assert_eq!(found.as_ref(), Some(&created));
    }
    assert_eq!(registry.portal(acme.org.id, "AcmePorta").await, Ok(None));
    assert_eq!(registry.portal(acme.org.id, "").await, Ok(None));
}

pub(crate) async fn portal_has_creator_and_times<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, globex, _]) = seeded(&open).await;
    let portal = create(&registry, &acme, "AcmePortal").await.unwrap();
    let admin = portal.created_by.clone().unwrap();
    assert_eq!((admin.name, admin.id), ("acme Admin".to_owned(), acme.user.id.to_string()));
    assert_eq!(portal.modified_by, portal.created_by);
    assert_eq!((portal.created_time, portal.modified_time), (Some(at(1)), Some(at(1))));
    assert_eq!(portal.active, Some(true));

    let renamed = rename(&registry, &acme, "AcmePortal", "AcmePortal2").await.unwrap();
    assert_eq!((renamed.created_time, renamed.modified_time), (Some(at(1)), Some(at(2))));
    assert_eq!(renamed.zaid, portal.zaid);

    let other = create(&registry, &globex, "GlobexPortal").await.unwrap();
    assert_ne!(other.zaid.unwrap(), portal.zaid.unwrap());
}

pub(crate) async fn org_sees_only_own_portals<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, globex, _]) = seeded(&open).await;
    for text in ["PortalB", "PortalC", "PortalA"] {
        create(&registry, &acme, text).await.unwrap();
    }
    assert_eq!(names(&open(), &acme).await, ["PortalB", "PortalC", "PortalA"]);
    assert_eq!(names(&registry, &globex).await, Vec::<String>::new());
    let found = registry.portal(acme.org.id, " portala\t").await.unwrap();
    assert_eq!(found.map(|portal| portal.name).as_deref(), Some("PortalA"));
    assert_eq!(registry.portal(globex.org.id, "PortalA").await, Ok(None));
    let conflict = rename(&registry, &globex, "PortalA", "PortalD").await;
    assert_eq!(conflict, Err(RenameConflict::NotFound));
}

pub(crate) async fn one_of_64_creates_of_same_name_succeeds<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, globex, _]) = seeded(&open).await;
    let handles = [registry, open(), open(), open()];
    let results = all_at_once((0..64).map(|index| {
        let registry = handles[index % 4].clone();
        let by = if index % 2 == 0 { acme.clone() } else { globex.clone() };
        async move { create(&registry, &by, &in_case("acmeportal", index * 13)).await }
    }))
    .await;
    let created: Vec<&Portal> = results.iter().flatten().collect();
    assert_eq!(created.len(), 1);
    let refused = |result: &&Result<Portal, _>| **result == Err(CreateConflict::NameTaken);
    assert_eq!(results.iter().filter(refused).count(), 63);
    let mut kept = names(&handles[0], &acme).await;
    kept.extend(names(&handles[0], &globex).await);
    assert_eq!(kept, [created[0].name.clone()]);
}

pub(crate) async fn limited_org_never_gets_second_portal<R: Registry>(open: impl Fn() -> R) {
    let (registry, [_, _, limited]) = seeded(&open).await;
    let handles = [registry, open()];
    let results = all_at_once((0..32).map(|index| {
        let (registry, by) = (handles[index % 2].clone(), limited.clone());
        async move { create(&registry, &by, &format!("Portal{index}")).await }
    }))
    .await;
    assert_eq!(results.iter().flatten().count(), 1);
    let refused = |result: &&Result<Portal, _>| **result == Err(CreateConflict::LimitReached);
    assert_eq!(results.iter().filter(refused).count(), 31);
    assert_eq!(names(&handles[1], &limited).await.len(), 1);
    // The limit does not prevent renaming the one portal.
    let only = &names(&handles[1], &limited).await[0];
    rename(&handles[0], &limited, only, "AnotherName").await.unwrap();
}

pub(crate) async fn limit_precedes_taken_name<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, _, limited]) = seeded(&open).await;
    create(&registry, &acme, "AcmePortal").await.unwrap();
    let conflict = create(&registry, &limited, "acmeportal").await;
    assert_eq!(conflict, Err(CreateConflict::NameTaken));
    create(&registry, &limited, "LimitedPortal").await.unwrap();
    for taken in ["AcmePortal", "LimitedPortal", "FreeName"] {
        let conflict = create(&registry, &limited, taken).await;
        assert_eq!(conflict, Err(CreateConflict::LimitReached));
    }
}

pub(crate) async fn rename_frees_old_name<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, globex, _]) = seeded(&open).await;
    create(&registry, &acme, "AcmePortal").await.unwrap();
    let renamed = rename(&registry, &acme, "ACMEportal", "NewName").await.unwrap();
    assert_eq!(renamed.name, "NewName");
    assert_eq!(registry.portal(acme.org.id, "AcmePortal").await, Ok(None));
    create(&open(), &globex, "acmePORTAL").await.unwrap();
    let conflict = rename(&registry, &acme, "NewName", "AcmePortal").await;
    assert_eq!(conflict, Err(RenameConflict::NameTaken));
}

pub(crate) async fn rename_can_change_case<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, ..]) = seeded(&open).await;
    create(&registry, &acme, "AcmePortal").await.unwrap();
    for text in ["ACMEPORTAL", "ACMEPORTAL", "AcmePortal"] {
        assert_eq!(rename(&registry, &acme, "acmeportal", text).await.unwrap().name, text);
    }
    assert_eq!(names(&registry, &acme).await, ["AcmePortal"]);
}

pub(crate) async fn missing_portal_precedes_taken_name<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, globex, _]) = seeded(&open).await;
    create(&registry, &acme, "AcmePortal").await.unwrap();
    create(&registry, &globex, "GlobexPortal").await.unwrap();
    for (old, new, conflict) in [
        ("NoPortal", "AcmePortal", RenameConflict::NotFound),
        ("GlobexPortal", "AcmePortal", RenameConflict::NotFound),
        ("no such name!", "FreeName", RenameConflict::NotFound),
        ("AcmePortal", "globexportal", RenameConflict::NameTaken),
    ] {
        assert_eq!(rename(&registry, &acme, old, new).await, Err(conflict), "{old} to {new}");
    }
}

pub(crate) async fn one_of_many_renames_and_creates_succeeds<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, globex, _]) = seeded(&open).await;
    for index in 0..16 {
        create(&registry, &acme, &format!("Portal{index}")).await.unwrap();
    }
    let handles = [registry, open()];
    let results = all_at_once((0..32).map(|index| {
        let registry = handles[index % 2].clone();
        let (acme, globex) = (acme.clone(), globex.clone());
        let wanted = in_case("wantedname", index * 29);
        async move {
            if index < 16 {
                rename(&registry, &acme, &format!("Portal{index}"), &wanted).await.is_ok()
            } else {
                create(&registry, &globex, &wanted).await.is_ok()
            }
        }
    }))
    .await;
    assert_eq!(results.iter().filter(|succeeded| **succeeded).count(), 1);
    let mut kept = names(&handles[0], &acme).await;
    kept.extend(names(&handles[0], &globex).await);
    let wanted = |name: &&String| name.eq_ignore_ascii_case("wantedname");
    assert_eq!(kept.iter().filter(wanted).count(), 1);
}

pub(crate) async fn unknown_user_is_not_applied<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, ..]) = seeded(&open).await;
    let no_user = unknown().await;
    let result = registry.create_portal(no_user, &name("AcmePortal"), at(1)).await;
    assert!(matches!(result, Err(RegistryError::NotApplied(_))), "{result:?}");
    create(&registry, &acme, "AcmePortal").await.unwrap();
    let new = name("NewName");
    let result = registry.rename_portal(no_user, "AcmePortal", &new, at(1)).await;
    assert!(matches!(result, Err(RegistryError::NotApplied(_))), "{result:?}");
    assert_eq!(names(&registry, &acme).await, ["AcmePortal"]);
}

/// A user whom a registry with [`seed`](super::seed) does not have: one of a larger one.
async fn unknown() -> UserId {
    let larger = MemoryRegistry::new();
    let orgs = (0..9).map(|count| org(&format!("org {count}"), PortalLimit::Unlimited));
    larger.apply_seed(&Seed::new(orgs), at(0)).await.unwrap();
    let last = larger.orgs().await.unwrap().pop().unwrap().id;
    larger.users(last).await.unwrap().pop().unwrap().id
}

pub(crate) async fn dropped_create_is_still_applied<R: Registry>(open: impl Fn() -> R) {
    let (registry, [acme, ..]) = seeded(&open).await;
    {
        let forgotten = name("ForgottenName");
        let create = registry.create_portal(acme.user.id, &forgotten, at(1));
        let _ = pin!(create).poll(&mut Context::from_waker(Waker::noop()));
    }
    create(&registry, &acme, "AcmePortal").await.unwrap();
    // Both futures run concurrently.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !names(&registry, &acme).await.contains(&"ForgottenName".to_owned()) {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}
