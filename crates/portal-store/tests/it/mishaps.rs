//! Damaged, lost or replaced files and their errors: nothing is silently lost or given twice.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::time::Duration;

use portal_store::{Principal, Registry, RegistryError, SqliteRegistry};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{at, name, principal_of, seed};

const DATABASE: &str = "registry.sqlite";
const LOG: &str = "registry.sqlite-wal";
const STATE: &str = "registry.state";

/// The error for opening the registry in `directory`.
fn refusal(directory: &Path) -> String {
    match SqliteRegistry::open(directory) {
        Err(RegistryError::NotApplied(why)) => why,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn seeded(directory: &Path) -> (SqliteRegistry, Principal) {
    let registry = SqliteRegistry::open(directory).unwrap();
    registry.apply_seed(&seed(), at(0)).await.unwrap();
    let acme = principal_of(&registry, "acme").await;
    (registry, acme)
}

pub(crate) async fn create(registry: &SqliteRegistry, by: &Principal, text: &str) {
    let created = registry.create_portal(by.user.id, &name(text), at(1)).await;
    created.unwrap().unwrap();
}

async fn portals(registry: &SqliteRegistry) -> usize {
    let acme = principal_of(registry, "acme").await;
    registry.portals(acme.org.id).await.unwrap().len()
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// The files of a process that was killed after `creates` acknowledged creates.
pub(crate) async fn killed(creates: usize) -> TempDir {
    let (kept, image) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (registry, acme) = seeded(kept.path()).await;
    for number in 0..creates {
        create(&registry, &acme, &format!("Portal{number}")).await;
    }
    copy(kept.path(), image.path());
    image
}

fn content(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let mut content: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    content.sort();
    content
}

#[test]
fn foreign_database_is_refused_and_unchanged() {
    for (application_id, version) in [(0, 0), (0, 1), (0, 2), (0, 99), (7, 0), (7, 3)] {
        let directory = tempfile::tempdir().unwrap();
        let foreign = Connection::open(directory.path().join(DATABASE)).unwrap();
        foreign.execute_batch("CREATE TABLE invoices (id INTEGER PRIMARY KEY)").unwrap();
        foreign.pragma_update(None, "application_id", application_id).unwrap();
        foreign.pragma_update(None, "user_version", version).unwrap();
        drop(foreign);
        let before = content(directory.path());
        let why = refusal(directory.path());
        assert!(why.contains("is not a registry but another program's database"), "{why}");
        assert_eq!(content(directory.path()), before, "{application_id} {version}");
    }
}

#[test]
fn newer_registry_is_refused_and_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    drop(SqliteRegistry::open(directory.path()).unwrap());
    let newer = Connection::open(directory.path().join(DATABASE)).unwrap();
    newer.pragma_update(None, "user_version", 9).unwrap();
    drop(newer);
    let bytes = |file: &str| fs::read(directory.path().join(file)).unwrap();
    let before = (bytes(DATABASE), bytes(STATE));
    let why = refusal(directory.path());
    assert!(
        why.ends_with(
            "registry.sqlite was written by a newer version of this program: it has format 9, \
             expected at most 1; upgrade, or use another data directory"
        ),
        "{why}"
    );
    assert_eq!((bytes(DATABASE), bytes(STATE)), before);
}

#[tokio::test]
async fn registry_after_kill_has_acknowledged_creates() {
    let image = killed(30).await;
    let registry = SqliteRegistry::open(image.path()).unwrap();
    assert_eq!(portals(&registry).await, 30);
}

#[tokio::test]
async fn log_that_was_removed_is_noticed() {
    let image = killed(30).await;
    fs::remove_file(image.path().join(LOG)).unwrap();
    let _ = fs::remove_file(image.path().join("registry.sqlite-shm"));
    let why = refusal(image.path());
    assert!(
        why.ends_with(
            "registry.sqlite has lost 32 of 32 acknowledged changes: its log was removed or \
             damaged, or it is an older copy; restore a backup, or accept the loss"
        ),
        "{why}"
    );
    assert_eq!(refusal(image.path()), why, "a refusal changes nothing");
}

#[tokio::test]
async fn log_that_was_damaged_is_noticed_and_kept() {
    let image = killed(30).await;
    let log = image.path().join(LOG);
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2000].fill(0x5a);
    fs::write(&log, &bytes).unwrap();
    let why = refusal(image.path());
    assert!(why.contains("has lost ") && why.contains(" of 32 acknowledged changes"), "{why}");
    assert_eq!(fs::read(&log).unwrap(), bytes, "a repair needs what is left");
}

#[tokio::test]
async fn emptied_or_removed_database_is_detected() {
    for is_removed in [false, true] {
        let image = killed(3).await;
        let database = image.path().join(DATABASE);
        fs::remove_file(&database).unwrap();
        if !is_removed {
            fs::write(&database, "").unwrap();
        }
        let why = refusal(image.path());
        assert!(why.contains("registry.sqlite has none of 5 acknowledged changes"), "{why}");
        assert!(image.path().join(LOG).exists());
    }
}

#[tokio::test]
async fn older_copy_and_another_registry_are_noticed() {
    let directory = tempfile::tempdir().unwrap();
    drop(seeded(directory.path()).await);
    let older = fs::read(directory.path().join(DATABASE)).unwrap();
    let (registry, acme) = seeded(directory.path()).await;
    create(&registry, &acme, "AcmePortal").await;
    drop(registry);
    fs::write(directory.path().join(DATABASE), older).unwrap();
    let why = refusal(directory.path());
    assert!(why.contains("has lost 2 of "), "{why}");

    let another = tempfile::tempdir().unwrap();
    drop(seeded(another.path()).await);
    fs::copy(another.path().join(DATABASE), directory.path().join(DATABASE)).unwrap();
    let why = refusal(directory.path());
    assert!(why.contains("belongs to a different registry than its state file"), "{why}");
}

#[tokio::test]
async fn accepted_loss_is_accepted_once() {
    let image = killed(30).await;
    fs::remove_file(image.path().join(LOG)).unwrap();
    let (registry, acme) = {
        let registry = SqliteRegistry::open_accepting_loss(image.path()).unwrap();
        registry.apply_seed(&seed(), at(0)).await.unwrap();
        let acme = principal_of(&registry, "acme").await;
        (registry, acme)
    };
    create(&registry, &acme, "AcmePortal").await;
    drop(registry);
    let registry = SqliteRegistry::open(image.path()).unwrap();
    assert_eq!(portals(&registry).await, 1);
}

#[tokio::test]
async fn invalid_state_file_requires_accept_loss() {
    let image = killed(3).await;
    fs::write(image.path().join(STATE), "open").unwrap();
    let why = refusal(image.path());
    assert!(why.contains("registry.state is not a state file"), "{why}");
    drop(SqliteRegistry::open_accepting_loss(image.path()).unwrap());
    assert_eq!(portals(&SqliteRegistry::open(image.path()).unwrap()).await, 3);
}

#[tokio::test]
async fn blanked_index_page_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let (registry, acme) = seeded(directory.path()).await;
    create(&registry, &acme, "AcmePortal").await;
    drop(registry);
    let path = directory.path().join(DATABASE);
    let statement = "SELECT rootpage FROM sqlite_schema WHERE name = 'portals_by_name'";
    let page: u32 =
        Connection::open(&path).unwrap().query_row(statement, [], |row| row.get(0)).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let start = (page as usize - 1) * 4096;
    bytes[start..start + 4096].fill(0);
    fs::write(&path, bytes).unwrap();
    let why = refusal(directory.path());
    assert!(why.contains("registry.sqlite is damaged: "), "{why}");
    assert!(why.ends_with("; restore a backup"), "{why}");
    assert_eq!(why.lines().count(), 1, "{why}");
}

#[tokio::test]
async fn row_missing_from_index_is_detected() {
    let image = killed(3).await;
    let database = || Connection::open(image.path().join(DATABASE)).unwrap();
    let connection = database();
    // Insert a row that the index doesn't have.
    connection
        .execute_batch(
            "PRAGMA writable_schema = ON;
             CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'portals_by_name';
             DELETE FROM sqlite_schema WHERE name = 'portals_by_name'",
        )
        .unwrap();
    drop(connection);
    database()
        .execute_batch(
            "INSERT INTO portals SELECT id + 100, org_id, limit_slot, name, name_key, created_at,
                 created_by, modified_at, modified_by FROM portals WHERE name = 'Portal0'",
        )
        .unwrap();
    database()
        .execute_batch(
            "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM kept;
             PRAGMA writable_schema = RESET; DROP TABLE kept",
        )
        .unwrap();
    let why = refusal(image.path());
    assert!(why.contains("index portals_by_name"), "{why}");
}

#[tokio::test]
async fn new_database_needs_no_log() {
    let image = killed(0).await;
    let directory = tempfile::tempdir().unwrap();
    fs::copy(image.path().join(DATABASE), directory.path().join(DATABASE)).unwrap();
    let connection = Connection::open(directory.path().join(DATABASE)).unwrap();
    let count = |table: &str| -> u32 {
        let statement = format!("SELECT count(*) FROM {table}");
        connection.query_row(&statement, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("portals"), count("history")), (0, 1));
}

#[tokio::test]
async fn last_process_marks_state_closed() {
    let directory = tempfile::tempdir().unwrap();
    let is_closed =
        || fs::read_to_string(directory.path().join(STATE)).unwrap().ends_with("\nclosed\n");
    let (first, _) = seeded(directory.path()).await;
    let second = SqliteRegistry::open(directory.path()).unwrap();
    drop(first);
    assert!(!is_closed());
    drop(second);
    assert!(is_closed());
    let _third = SqliteRegistry::open(directory.path()).unwrap();
    assert!(!is_closed());
}

/// Something that happens to the files of a running registry; `backup` is a copy of them.
#[cfg(unix)]
type Mishap = fn(directory: &Path, backup: &Path);

#[cfg(unix)]
#[tokio::test]
async fn open_registry_detects_missing_files() {
    let mishaps: [(&str, Mishap); 4] = [
        ("log removed", |directory, _| fs::remove_file(directory.join(LOG)).unwrap()),
        ("directory removed", |directory, _| fs::remove_dir_all(directory).unwrap()),
        ("directory moved", |directory, backup| {
            fs::rename(directory, backup.join("moved")).unwrap();
        }),
        ("restored", |directory, backup| {
            fs::remove_dir_all(directory).unwrap();
            fs::create_dir(directory).unwrap();
            copy(backup, directory);
        }),
    ];
    for (mishap, happen) in mishaps {
        let (kept, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let directory = kept.path().join("data");
        drop(seeded(&directory).await);
        copy(&directory, backup.path());
        let (registry, acme) = seeded(&directory).await;
        create(&registry, &acme, "AcmePortal").await;
        let failed = tokio::spawn(registry.failed());
        tokio::task::yield_now().await;
        assert!(!failed.is_finished(), "{mishap}");
        happen(&directory, backup.path());
        for text in ["LostPortal", "LostPortal2"] {
            let created = registry.create_portal(acme.user.id, &name(text), at(1)).await;
            let Err(RegistryError::NotApplied(why)) = created else { panic!("{created:?}") };
            assert!(
                why.ends_with(
                    "registry.sqlite or its log was removed or replaced while open: restore \
                     both and restart"
                ),
                "{mishap}: {why}"
            );
        }
        let error = tokio::time::timeout(Duration::from_secs(20), failed).await.unwrap().unwrap();
        assert!(matches!(error, RegistryError::NotApplied(_)), "{mishap}: {error}");
    }
}

#[tokio::test]
async fn overwritten_open_file_is_detected_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let (registry, acme) = seeded(directory.path()).await;
    create(&registry, &acme, "BeforeIt").await;
    let path = directory.path().join(DATABASE);
    let length = fs::metadata(&path).unwrap().len();
    // In place: device and inode don't change.
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all(&vec![b'x'; usize::try_from(length).unwrap()]).unwrap();
    // May succeed from the log or from memory, so its result is not asserted.
    let _ = registry.create_portal(acme.user.id, &name("AfterIt"), at(2)).await;
    drop(registry);
    let why = refusal(directory.path());
    assert!(why.contains(" is damaged: ") || why.contains(" is not a registry "), "{why}");
    assert_eq!(why.lines().count(), 1);
}

/// What a registry that is open says of a create, twice, and why it is of no use any more.
async fn refused_for_good(registry: &SqliteRegistry, by: &Principal, text: &str) -> String {
    let mut whys = Vec::new();
    for _ in 0..2 {
        let created = registry.create_portal(by.user.id, &name(text), at(9)).await;
        let Err(RegistryError::NotApplied(why)) = created else { panic!("{created:?}") };
        whys.push(why);
    }
    let RegistryError::NotApplied(why) = registry.failed().await else { panic!() };
    assert_eq!(whys, [why.clone(), why.clone()]);
    let read = registry.portals(by.org.id).await;
    assert_eq!(read, Err(RegistryError::NotApplied(why.clone())), "what it reads is not true");
    why
}

/// Windows lets nobody copy over files that are open.
#[cfg(unix)]
#[tokio::test]
async fn older_copy_over_open_registry_is_final() {
    let (directory, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (registry, acme) = seeded(directory.path()).await;
    create(&registry, &acme, "FirstPortal").await;
    copy(directory.path(), older.path());
    create(&registry, &acme, "SecondPortal").await;
    copy(older.path(), directory.path());
    // Acknowledged before: it must not be given twice.
    let why = refused_for_good(&registry, &acme, "SecondPortal").await;
    assert!(why.contains("was overwritten while open, with an older copy"), "{why}");
}

/// Windows lets nobody copy over files that are open.
#[cfg(unix)]
#[tokio::test]
async fn copy_of_same_age_over_open_registry_is_harmless() {
    let (directory, same) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (registry, acme) = seeded(directory.path()).await;
    create(&registry, &acme, "FirstPortal").await;
    copy(directory.path(), same.path());
    copy(same.path(), directory.path());
    create(&registry, &acme, "SecondPortal").await;
    assert_eq!(portals(&registry).await, 2);
}

/// Windows lets nobody copy over files that are open.
#[cfg(unix)]
#[tokio::test]
async fn another_registry_over_open_one_is_final() {
    let (directory, another) = (tempfile::tempdir().unwrap(), killed(30).await);
    let (registry, acme) = seeded(directory.path()).await;
    create(&registry, &acme, "FirstPortal").await;
    copy(another.path(), directory.path());
    let why = refused_for_good(&registry, &acme, "FirstPortal").await;
    assert!(why.contains("or another registry"), "{why}");
}

#[tokio::test]
async fn damage_found_while_open_is_final() {
    let directory = tempfile::tempdir().unwrap();
    let (registry, acme) = seeded(directory.path()).await;
    create(&registry, &acme, "FirstPortal").await;
    drop(registry);
    let database = directory.path().join(DATABASE);
    let intact = fs::read(&database).unwrap();
    for (from, expected) in [(4096, "is damaged"), (0, "is not a registry")] {
        fs::write(&database, &intact).unwrap();
        let registry = SqliteRegistry::open(directory.path()).unwrap();
        let mut damaged = intact.clone();
        damaged[from..].fill(0x5a);
        fs::write(&database, &damaged).unwrap();
        assert!(registry.portals(acme.org.id).await.is_err());
        // Nothing is acknowledged from now on, though the file may be readable again.
        fs::write(&database, &intact).unwrap();
        let why = refused_for_good(&registry, &acme, "NextPortal").await;
        assert!(why.contains(expected), "{why}");
    }
}
