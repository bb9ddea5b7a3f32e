//! Backups of registries, in use or after a kill, can be restored.

use std::fs;
use std::path::Path;

use portal_store::sqlite::backup;
use portal_store::{CreateConflict, Registry, RegistryError, SqliteRegistry};
use tempfile::TempDir;

use crate::mishaps::{create, killed, seeded};
use crate::{at, name, principal_of};

/// The names in a registry restored from `file` into a new directory.
async fn restored(file: &Path) -> (TempDir, SqliteRegistry, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(file, directory.path().join("registry.sqlite")).unwrap();
    let registry = SqliteRegistry::open(directory.path()).unwrap();
    let acme = principal_of(&registry, "acme").await;
    let portals = registry.portals(acme.org.id).await.unwrap();
    (directory, registry, portals.into_iter().map(|portal| portal.name).collect())
}

fn refusal(directory: &Path, file: &Path) -> String {
    match backup(directory, file) {
        Err(RegistryError::NotApplied(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn backup_after_kill_has_acknowledged_creates() {
    let image = killed(30).await;
    let file = image.path().join("backup");
    backup(image.path(), &file).unwrap();
    let (_directory, registry, names) = restored(&file).await;
    assert_eq!(names, (0..30).map(|number| format!("Portal{number}")).collect::<Vec<_>>());
    // The restored registry accepts changes.
    let acme = principal_of(&registry, "acme").await;
    let taken = registry.create_portal(acme.user.id, &name("PORTAL7"), at(2)).await;
    assert_eq!(taken, Ok(Err(CreateConflict::NameTaken)));
    create(&registry, &acme, "Portal30").await;
    let portals = registry.portals(acme.org.id).await.unwrap();
    let zaid = |at: usize| portals[at].zaid.as_ref().unwrap().parse::<i64>().unwrap();
    assert_eq!(zaid(30), zaid(29) + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_of_open_registry_is_one_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let (registry, acme) = seeded(directory.path()).await;
    create(&registry, &acme, "Portal0").await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let creates = tokio::spawn({
        let registry = registry.clone();
        async move {
            let mut number = 1;
            while stopped.try_recv().is_err() {
                create(&registry, &acme, &format!("Portal{number}")).await;
                number += 1;
            }
            number
        }
    });
    let mut before = 0;
    for round in 0..5 {
        let file = directory.path().join(format!("backup{round}"));
        let (from, to) = (directory.path().to_owned(), file.clone());
        tokio::task::spawn_blocking(move || backup(&from, &to)).await.unwrap().unwrap();
        let (_directory, _, names) = restored(&file).await;
        let expected: Vec<_> = (0..names.len()).map(|number| format!("Portal{number}")).collect();
        assert_eq!(names, expected, "without a gap");
        assert!(names.len() >= before);
        before = names.len();
    }
    stop.send(()).unwrap();
    assert!(creates.await.unwrap() >= before);
}

#[tokio::test]
async fn failed_backup_keeps_existing_file() {
    let image = killed(1).await;
    let kept = tempfile::tempdir().unwrap();
    let file = kept.path().join("backup");
    fs::write(&file, "a letter").unwrap();
    let why = refusal(image.path(), &file);
    assert!(why.ends_with("backup already exists: remove it, or choose another file"), "{why}");
    assert_eq!(fs::read(&file).unwrap(), b"a letter");
    let why = refusal(image.path(), &kept.path().join("nowhere/backup"));
    assert!(why.contains("nowhere/backup: "), "{why}");
    let why = refusal(kept.path(), &kept.path().join("other"));
    assert!(why.ends_with("registry.sqlite does not exist"), "{why}");
    assert_eq!(fs::read_dir(kept.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn leftovers_of_killed_backups_block_none() {
    let image = killed(1).await;
    let kept = tempfile::tempdir().unwrap();
    for leftover in ["backup.partial", "backupabcdef.partial", "backup.sqlite-journal"] {
        fs::write(kept.path().join(leftover), "half").unwrap();
    }
    fs::create_dir(kept.path().join("backup.new")).unwrap();
    for file in ["backup", "backup.sqlite"] {
        backup(image.path(), &kept.path().join(file)).unwrap();
    }
    assert_eq!(fs::read(kept.path().join("backup.partial")).unwrap(), b"half");
}

#[cfg(unix)]
#[tokio::test]
async fn backup_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let image = killed(1).await;
    let file = image.path().join("backup");
    backup(image.path(), &file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let files = fs::read_dir(image.path()).unwrap().map(|file| file.unwrap().file_name());
    assert!(files.into_iter().all(|name| !name.to_string_lossy().contains("partial")));
}
