//! What only a file on a disk has.

use std::fs;
use std::path::Path;
use std::time::Duration;

use portal_ledger::{ClaimRequest, Entry, Filter, Ledger, LedgerError, OpenError};
use tempfile::TempDir;

use crate::engine::{at, granted, intent, org, wants};

fn file(directory: &Path) -> std::path::PathBuf {
    directory.join("ledger.sqlite")
}

#[test]
fn file_of_later_version_is_refused_untouched() {
    let directory = TempDir::new().unwrap();
    drop(Ledger::open(directory.path()).unwrap());
    let path = file(directory.path());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let error = Ledger::open(directory.path()).unwrap_err();
    let why = "it has format 2, this version reads up to 1: update it";
    assert!(error.to_string().ends_with(why), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn database_of_another_program_is_refused_untouched() {
    let directory = TempDir::new().unwrap();
    let path = file(directory.path());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let error = Ledger::open(directory.path()).unwrap_err();
    assert!(error.to_string().ends_with("not a ledger"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn file_that_is_no_database_is_refused_untouched() {
    let directory = TempDir::new().unwrap();
    let path = file(directory.path());
    fs::write(&path, "not a database, and longer than its header would be: ".repeat(9)).unwrap();
    let before = fs::read(&path).unwrap();
    let error = Ledger::open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn fifo_in_place_of_file_is_refused_at_once() {
    let directory = TempDir::new().unwrap();
    let path = file(directory.path());
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    let error = Ledger::open(directory.path()).unwrap_err();
    let OpenError::Io { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.to_string(), "not a regular file");
}

#[tokio::test]
async fn damaged_row_is_reported_and_nothing_granted() {
    let directory = TempDir::new().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let mut permit = granted(&ledger, &wants("1", "AcmePortal"), at(100)).await;
    permit.record(&intent("AcmePortal"), &at(100)).await.unwrap();
    let connection = rusqlite::Connection::open(file(directory.path())).unwrap();
    connection.execute("UPDATE entries SET entry = '{'", []).unwrap();
    let error = ledger.claim(&wants("2", "OtherPortal"), &at(200)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Damaged(_)), "{error}");
}

/// With a journal beside it that is void, whichever copy of the file it belonged to.
#[tokio::test]
async fn copy_of_file_alone_is_complete() {
    let [first, second] = [(); 2].map(|()| TempDir::new().unwrap());
    let ledger = Ledger::open(first.path()).unwrap();
    let _first = granted(&ledger, &in_org_of_its_own("1"), at(100)).await;
    fs::copy(file(first.path()), file(second.path())).unwrap();
    let copy = Ledger::open(second.path()).unwrap();
    assert_eq!(all(&copy).await, all(&ledger).await);

    let _second = granted(&ledger, &in_org_of_its_own("2"), at(100)).await;
    fs::copy(file(second.path()), file(first.path())).unwrap();
    let restored = Ledger::open(first.path()).unwrap();
    assert_eq!(all(&restored).await, all(&copy).await);
    let _third = granted(&restored, &in_org_of_its_own("3"), at(100)).await;
    let integrity: String = rusqlite::Connection::open(file(first.path()))
        .and_then(|file| file.query_one("PRAGMA integrity_check", [], |row| row.get(0)))
        .unwrap();
    assert_eq!(integrity, "ok");
}

fn in_org_of_its_own(id: &str) -> ClaimRequest {
    let mut request = wants(id, &format!("AcmePortal{id}"));
    request.org = org(id, id);
    request
}

async fn all(ledger: &Ledger) -> Vec<Entry> {
    ledger.entries(&Filter::default()).await.unwrap()
}

#[tokio::test]
async fn missing_directory_is_made_private() {
    let directory = TempDir::new().unwrap();
    let inner = directory.path().join("state/portal");
    drop(Ledger::open(&inner).unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&file(&inner))), (0o700, 0o600));
    }
}

#[tokio::test]
async fn write_lock_of_another_process_delays_and_does_not_fail() {
    let directory = TempDir::new().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let connection = rusqlite::Connection::open(file(directory.path())).unwrap();
    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (request, now) = (wants("1", "AcmePortal"), at(100));
    let mut claim = std::pin::pin!(ledger.claim(&request, &now));
    let pending = tokio::time::timeout(Duration::from_millis(50), &mut claim).await;
    assert!(pending.is_err());
    connection.execute_batch("COMMIT").unwrap();
    assert!(claim.await.unwrap().is_ok());
}
