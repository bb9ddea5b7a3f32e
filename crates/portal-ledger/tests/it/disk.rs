//! A disk that fails, or hangs: nothing is granted that is not on it, and nobody waits for it for ever.
//!
//! A child process runs under a preloaded library, compiled here, that spoils every write while a
//! file exists.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use portal_ledger::{Filter, Ledger, Permit, RecordError, Refusal};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::engine::{at, granted, intent, wants};

const DIRECTORY: &str = "DISK_DIRECTORY";
const FAILS: &str = "DISK_FAILS";
const HANGS: &str = "DISK_HANGS";

#[tokio::test]
#[ignore = "a process that another test starts"]
async fn child() {
    let path = |variable| env::var_os(variable).expect("set by the parent");
    let (directory, fails, hangs) = (path(DIRECTORY), path(FAILS), path(HANGS));
    let ledger = Ledger::open(&directory).unwrap();
    let mut permit = granted(&ledger, &wants("1", "AcmePortal"), at(100)).await;

    fs::write(&fails, "").unwrap();
    let failed = permit.record(&intent("AcmePortal"), &at(101)).await.unwrap_err();
    assert!(matches!(failed, RecordError::Ledger(_)), "{failed:?}");
    let other = wants("2", "OtherPortal");
    ledger.claim(&other, &at(200)).await.unwrap_err();
    assert_eq!(ledger.entries(&Filter::default()).await.unwrap().len(), 1, "can be read");
    Ledger::open(Path::new(&directory).join("new")).unwrap_err();
    fs::remove_file(&fails).unwrap();
    permit.record(&intent("AcmePortal"), &at(102)).await.unwrap();
    assert_eq!(permit.entry().attempts, 1, "what failed is not there");

    fs::write(&hangs, "").unwrap();
    assert!(hangs_at(&mut permit, 103).await);
    fs::remove_file(&hangs).unwrap();
    permit.record(&intent("AcmePortal"), &at(104)).await.unwrap();
    assert_eq!(permit.entry().attempts, 3, "what hung counts, whether it was made or not");

    fs::write(&hangs, "").unwrap();
    assert!(hangs_at(&mut permit, 105).await);
    let began = Instant::now();
    drop(permit);
    drop(ledger);
    assert!(began.elapsed() < Duration::from_secs(4), "the process can end");
    fs::remove_file(&hangs).unwrap();
    let ledger = loop {
        // Once what hung is through.
        if let Ok(ledger) = Ledger::open(&directory) {
            break ledger;
        }
    };
    let adopted = granted(&ledger, &wants("3", "AcmePortal"), at(200)).await;
    assert_eq!(adopted.entry().attempts, 4);
    assert!(matches!(ledger.claim(&other, &at(200)).await.unwrap(), Err(Refusal::Wait(_))));
}

async fn hangs_at(permit: &mut Permit, second: u64) -> bool {
    let (intent, now) = (intent("AcmePortal"), at(second));
    timeout(Duration::from_millis(100), permit.record(&intent, &now)).await.is_err()
}

#[test]
fn disk_that_fails_or_hangs_grants_nothing() {
    let scratch = TempDir::new().unwrap();
    let library = scratch.path().join("disk.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/disk.c"))
        .arg("-ldl")
        .status();
    assert!(compiled.expect("a C compiler, as SQLite needs one").success());
    let ran = Command::new(env::current_exe().unwrap())
        .args(["disk::child", "--exact", "--ignored", "--nocapture"])
        .env("LD_PRELOAD", &library)
        .env(DIRECTORY, scratch.path().join("ledger"))
        .env(FAILS, scratch.path().join("fails"))
        .env(HANGS, scratch.path().join("hangs"))
        .output()
        .unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
}
