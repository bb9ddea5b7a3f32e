//! Files of every past format, each written by the program of its time, migrate when opened.
//!
//! `registry-1.sqlite` has the orgs of [`SEED`](crate::SEED), `AcmePortal` and `NewName` (which was
//! `OldName`) of acme, `LimitedPortal` of limited, a used code, and a revoked token of sandbox.

use std::fs;

use portal_store::{CreateConflict, Registry, SqliteRegistry, TokenRules};

use crate::{act, at, name, refresh, seed};

const FORMATS: [&[u8]; 1] = [include_bytes!("formats/registry-1.sqlite")];

#[tokio::test]
async fn registry_of_every_past_format_keeps_its_content() {
    for (file, format) in FORMATS.iter().zip(1..) {
        let kept = tempfile::tempdir().unwrap();
        fs::write(kept.path().join("registry.sqlite"), file).unwrap();
        for _ in 0..2 {
            let registry = SqliteRegistry::open(kept.path()).unwrap();
            registry.apply_seed(&seed(), at(10)).await.unwrap();
            let acme = act(&registry, "acme").await;
            let portals = registry.portals(acme.org.id).await.unwrap();
            let seen: Vec<_> = portals.iter().map(|it| (it.name.as_str(), &it.zaid)).collect();
            let (first, second) = (Some("10000001".to_owned()), Some("10000002".to_owned()));
            assert_eq!(seen, [("AcmePortal", &first), ("NewName", &second)], "format {format}");
            assert_eq!(portals[1].created_time, Some(at(1)));
            assert_eq!(portals[1].modified_time, Some(at(3)));
            let (revoked, rules) = (refresh("sandbox"), TokenRules::LifetimesOnly);
            let refused = registry.grant(&revoked, rules, at(10)).await.unwrap();
            assert!(refused.is_err(), "format {format}");
        }
    }
}

#[tokio::test]
async fn migrated_registry_keeps_names_and_limits_unique() {
    for file in FORMATS {
        let kept = tempfile::tempdir().unwrap();
        fs::write(kept.path().join("registry.sqlite"), file).unwrap();
        let registry = SqliteRegistry::open(kept.path()).unwrap();
        let (acme, limited) = (act(&registry, "acme").await, act(&registry, "limited").await);
        for (by, text, result) in [
            (&acme, "limitedPORTAL", Err(CreateConflict::NameTaken)),
            (&limited, "FreeName", Err(CreateConflict::LimitReached)),
            (&acme, "OldName", Ok(())),
        ] {
            let created = registry.create_portal(by.org.id, by.user.id, &name(text), at(20)).await;
            assert_eq!(created, Ok(result), "{text}");
        }
        let portals = registry.portals(acme.org.id).await.unwrap();
        assert_eq!(portals[2].zaid.as_deref(), Some("10000004"));
    }
}
