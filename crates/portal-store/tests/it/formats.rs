//! Files of every past format are migrated when opened.
//!
//! `registry-1.sqlite` was written by the first version; each of the others is its predecessor,
//! migrated. They have the orgs of [`seed`](crate::seed), the portals `AcmePortal` and `NewName`
//! (formerly `OldName`) of acme and `LimitedPortal` of limited, a used code, and a revoked token of
//! sandbox.

use std::fs;

use portal_store::{CreateConflict, Registry, SqliteRegistry, TokenRules};

use crate::{at, name, principal_of, refresh, seed};

const FORMATS: [&[u8]; 4] = [
    include_bytes!("formats/registry-1.sqlite"),
    include_bytes!("formats/registry-2.sqlite"),
    include_bytes!("formats/registry-3.sqlite"),
    include_bytes!("formats/registry-4.sqlite"),
];

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
async fn registry_of_past_format_keeps_content() {
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
async fn migrated_registry_enforces_names_and_limits() {
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
            let created = registry.create_portal(by.org.id, by.user.id, &name(text), at(20)).await;
            assert_eq!(created, Ok(result), "{text}");
        }
        let portals = registry.portals(acme.org.id).await.unwrap();
        assert_eq!(portals[2].zaid.as_deref(), Some("10000004"));
    }
}

#[cfg(all(unix, feature = "postgres"))]
mod postgres {
    use portal_store::Administration as _;
    use portal_testkit::{Database, needs};

    use super::*;

    const FIRST: &str = include_str!("../../migrations/postgres/0001_registry.sql");

    #[needs(postgresql)]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn database_of_first_format_keeps_its_content() {
        let database = Database::create();
        database.execute("CREATE SCHEMA portal; CREATE TABLE portal.format (version integer)");
        database.execute(&format!("SET search_path = portal; {FIRST}"));
        database.execute(
            "SET search_path = portal;
             INSERT INTO format VALUES (1);
             INSERT INTO orgs VALUES (7, 'acme', 'production', NULL);
             INSERT INTO users VALUES (8, 7, 'Acme Admin', 'admin@acme.example', true, true);
             INSERT INTO clients VALUES ('1000.CLIENT', sha256('hush'));
             INSERT INTO refresh_tokens VALUES (sha256('acme.token'), '1000.CLIENT', 8, 'A');
             INSERT INTO portals (org_id, name, name_key, created_at, created_by,
                                  modified_at, modified_by)
             VALUES (7, 'AcmePortal', 'acmeportal', 1790000001, 8, 1790000001, 8)",
        );
        for _ in 0..2 {
            let registry = crate::postgres::open(&database.url()).await;
            let acme = principal_of(&registry, "acme").await;
            assert_eq!(registry.portals(acme.org.id).await.unwrap()[0].name, "AcmePortal");
            let entries = registry.audit_log(10).await.unwrap();
            assert_eq!(entries[0].subject, "AcmePortal");
            assert_eq!(entries[0].at, at(1));
        }
    }
}
