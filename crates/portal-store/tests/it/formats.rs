//! Files of every format can be opened.
//!
//! They have the orgs of [`seed`](crate::seed), the portals `AcmePortal` and `NewName` (formerly
//! `OldName`) of acme and `LimitedPortal` of limited, a used code, and a revoked token of sandbox.

use std::fs;

use portal_store::{CreateConflict, Registry, SqliteRegistry, TokenRules};

use crate::{at, name, principal_of, refresh, seed};

const FORMATS: [&[u8]; 1] = [include_bytes!("formats/registry-1.sqlite")];

/// The last file is of the current format: a new format adds a file.
#[test]
fn every_format_has_its_file() {
    let version = |file: &[u8]| u32::from_be_bytes(file[60..64].try_into().unwrap());
    for (file, format) in FORMATS.iter().zip(1..) {
        assert_eq!(version(file), format);
    }
    let kept = tempfile::tempdir().unwrap();
    drop(SqliteRegistry::open(kept.path()).unwrap());
    let today = fs::read(kept.path().join("registry.sqlite")).unwrap();
    assert_eq!(version(&today), u32::try_from(FORMATS.len()).unwrap());
}

#[tokio::test]
async fn registry_of_every_format_keeps_content() {
    for (file, format) in FORMATS.iter().zip(1..) {
        let kept = tempfile::tempdir().unwrap();
        fs::write(kept.path().join("registry.sqlite"), file).unwrap();
        for _ in 0..2 {
            let registry = SqliteRegistry::open(kept.path()).unwrap();
            registry.apply_seed(&seed(), at(10)).await.unwrap();
            let acme = principal_of(&registry, "acme").await;
            let portals = registry.portals(acme.org.id).await.unwrap();
            let seen: Vec<_> = portals.iter().map(|it| (it.name.as_str(), &it.zaid)).collect();
            let (first, second) = (Some("10000001".to_owned()), Some("10000002".to_owned()));
            assert_eq!(seen, [("AcmePortal", &first), ("NewName", &second)], "format {format}");
            assert_eq!(portals[1].created_time, Some(at(1)));
            assert_eq!(portals[1].modified_time, Some(at(3)));
            let (revoked, rules) = (refresh("sandbox"), TokenRules::LifetimesOnly);
            let refused = registry.issue_token(&revoked, rules, at(10)).await.unwrap();
            assert!(refused.is_err(), "format {format}");
        }
    }
}

#[tokio::test]
async fn stored_registry_enforces_names_and_limits() {
    for file in FORMATS {
        let kept = tempfile::tempdir().unwrap();
        fs::write(kept.path().join("registry.sqlite"), file).unwrap();
        let registry = SqliteRegistry::open(kept.path()).unwrap();
        let (acme, limited) =
            (principal_of(&registry, "acme").await, principal_of(&registry, "limited").await);
        for (by, text, result) in [
            (&acme, "limitedPORTAL", Err(CreateConflict::NameTaken)),
            (&limited, "FreeName", Err(CreateConflict::LimitReached)),
            (&acme, "OldName", Ok(())),
        ] {
            let created = registry.create_portal(by.user.id, &name(text), at(20)).await;
            assert_eq!(created, Ok(result), "{text}");
        }
        let portals = registry.portals(acme.org.id).await.unwrap();
        assert_eq!(portals[2].zaid.as_deref(), Some("10000004"));
    }
}
