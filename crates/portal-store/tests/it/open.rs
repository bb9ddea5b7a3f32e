//! Folders and files that can't be opened, and what is said about them.

use std::fs;
use std::path::Path;

use portal_store::{Registry, RegistryError, SqliteRegistry};

use crate::{act, at, name, seed};

fn refusal(folder: &Path) -> String {
    match SqliteRegistry::open(folder) {
        Err(RegistryError::NotApplied(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_that_is_a_file_is_named() {
    let kept = tempfile::tempdir().unwrap();
    let folder = kept.path().join("data");
    fs::write(&folder, "").unwrap();
    let why = refusal(&folder);
    let expected = format!("the data directory {} can't be written: ", folder.display());
    assert!(why.starts_with(&expected), "{why}");
    assert!(refusal(&folder.join("deeper")).contains("can't be written"));
    assert_eq!(fs::read_dir(kept.path()).unwrap().count(), 1, "nothing half-made");
}

#[test]
fn a_file_that_is_no_registry_is_left_alone() {
    let kept = tempfile::tempdir().unwrap();
    let path = kept.path().join("registry.sqlite");
    let text = "This is a letter, and has been one for years. ".repeat(100);
    fs::write(&path, &text).unwrap();
    let why = refusal(kept.path());
    assert!(why.contains("is not a registry but some other file"), "{why}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_made_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let kept = tempfile::tempdir().unwrap();
    let folder = kept.path().join("data");
    let registry = SqliteRegistry::open(&folder).unwrap();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 2, "the log stands beside the file: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn no_file_ever_holds_a_secret() {
    let kept = tempfile::tempdir().unwrap();
    let registry = SqliteRegistry::open(kept.path()).unwrap();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let rules = portal_store::TokenRules::LifetimesOnly;
    let granted = registry.grant(&crate::refresh("acme"), rules, at(0)).await.unwrap().unwrap();
    let secrets = ["hush", "acme.token", "acme.code", granted.access_token.expose().as_str()];
    for file in fs::read_dir(kept.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{}", &secret[..4]);
        }
    }
}

#[tokio::test]
async fn a_registry_is_the_same_after_it_was_closed() {
    let kept = tempfile::tempdir().unwrap();
    let registry = SqliteRegistry::open(kept.path()).unwrap();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let acme = act(&registry, "acme").await;
    let wanted = name("AcmePortal");
    let created = registry.create_portal(acme.org.id, acme.user.id, &wanted, at(1)).await;
    created.unwrap().unwrap();
    let portals = registry.portals(acme.org.id).await.unwrap();
    assert_eq!(portals.len(), 1);
    drop(registry);
    let files = fs::read_dir(kept.path()).unwrap().count();
    assert_eq!(files, 2, "a registry that is closed is a database and a state file");

    let registry = SqliteRegistry::open(kept.path()).unwrap();
    assert_eq!(act(&registry, "acme").await, acme);
    assert_eq!(registry.portals(acme.org.id).await, Ok(portals));
}
