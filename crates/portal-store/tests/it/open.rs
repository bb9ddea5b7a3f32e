//! Directories and files that can't be opened, and their errors.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use portal_store::{MemoryRegistry, Registry, RegistryError, Seed, SqliteRegistry};

use crate::{at, name, principal_of, seed};

fn refusal(directory: &Path) -> String {
    match SqliteRegistry::open(directory) {
        Err(RegistryError::NotApplied(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn error_names_directory_that_is_file() {
    let kept = tempfile::tempdir().unwrap();
    let directory = kept.path().join("data");
    fs::write(&directory, "").unwrap();
    let why = refusal(&directory);
    let expected = format!("data directory {} is not writable: ", directory.display());
    assert!(why.starts_with(&expected), "{why}");
    assert!(refusal(&directory.join("deeper")).contains("is not writable"));
    assert_eq!(fs::read_dir(kept.path()).unwrap().count(), 1, "nothing half-made");
}

#[test]
fn non_database_file_is_unchanged() {
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
async fn files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let kept = tempfile::tempdir().unwrap();
    let directory = kept.path().join("data");
    let registry = SqliteRegistry::open(&directory).unwrap();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let files: Vec<_> =
        fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 2, "the log is next to the file: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn files_hold_no_secret() {
    let kept = tempfile::tempdir().unwrap();
    let registry = SqliteRegistry::open(kept.path()).unwrap();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let rules = portal_store::TokenRules::LifetimesOnly;
    let granted =
        registry.issue_token(&crate::refresh("acme"), rules, at(0)).await.unwrap().unwrap();
    let secrets = ["hush", "acme.token", "acme.code", granted.access_token.expose()];
    for file in fs::read_dir(kept.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{}", &secret[..4]);
        }
    }
}

#[tokio::test]
async fn closed_registry_opens_with_its_content() {
    let kept = tempfile::tempdir().unwrap();
    let registry = SqliteRegistry::open(kept.path()).unwrap();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let acme = principal_of(&registry, "acme").await;
    let wanted = name("AcmePortal");
    let created = registry.create_portal(acme.user.id, &wanted, at(1)).await;
    created.unwrap().unwrap();
    let portals = registry.portals(acme.org.id).await.unwrap();
    assert_eq!(portals.len(), 1);
    drop(registry);
    let files = fs::read_dir(kept.path()).unwrap().count();
    assert_eq!(files, 3, "a registry that is closed is a database, a state file and its lock");

    let registry = SqliteRegistry::open(kept.path()).unwrap();
    assert_eq!(principal_of(&registry, "acme").await, acme);
    assert_eq!(registry.portals(acme.org.id).await, Ok(portals));
}

/// Who remembers an org of an earlier registry must not take one of this for it.
#[tokio::test]
async fn new_registry_has_numbers_of_its_own() {
    async fn numbers(registry: &impl Registry) -> [String; 3] {
        registry.apply_seed(&seed(), at(0)).await.unwrap();
        let acme = principal_of(registry, "acme").await;
        let name = name("AcmePortal");
        let created = registry.create_portal(acme.user.id, &name, at(1)).await;
        created.unwrap().unwrap();
        let zaid = registry.portals(acme.org.id).await.unwrap()[0].zaid.clone().unwrap();
        let numbers = [acme.org.id.to_string(), acme.user.id.to_string(), zaid];
        assert_eq!(numbers.each_ref().map(String::len), [19, 19, 11], "{numbers:?}");
        numbers
    }
    let memory = MemoryRegistry::new();
    let kept = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut seen = vec![
        numbers(&memory).await,
        numbers(&MemoryRegistry::new()).await,
        numbers(&SqliteRegistry::open(kept[0].path()).unwrap()).await,
        numbers(&SqliteRegistry::open(kept[1].path()).unwrap()).await,
    ];
    memory.reset(&Seed::default(), at(2));
    seen.push(numbers(&memory).await);
    for column in 0..3 {
        let different: BTreeSet<_> = seen.iter().map(|numbers| &numbers[column]).collect();
        assert_eq!(different.len(), seen.len(), "{seen:?}");
    }
}
