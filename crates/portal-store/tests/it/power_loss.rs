//! Power loss at any moment: writes that were not synced are dropped, completely or partly,
//! directories included, and everything acknowledged must still be there.
//!
//! A child process runs under a preloaded library, compiled here, that records its system calls.
//! Each cut of the recording yields a disk, and the registry on it is opened.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use portal_store::{CreateConflict, Registry, RegistryError, SqliteRegistry};

use crate::children::run_preloaded;
use crate::{at, long, name, principal_of, seed};
use disk::{Disk, Operation};

mod disk;

const ROOT: &str = "RECORD_ROOT";

/// Number of creates in each of the child's sessions.
const SESSIONS: [usize; 3] = [20, 1000, 20];

const CUTS: usize = 200;

/// Upper bound for the number of system calls of a start, each of which fails once.
const CALLS_OF_A_START: usize = 80;

/// Creates portals in a data directory under the root, in several sessions, and writes each name
/// to a file once it is acknowledged.
#[test]
#[ignore = "a process that another test starts"]
fn child() {
    let root = env::var_os(ROOT).expect("set by the parent");
    let root = Path::new(&root);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let acknowledged = fs::File::create_new(root.join("acknowledged")).unwrap();
        for (session, creates) in SESSIONS.into_iter().enumerate() {
            let registry = SqliteRegistry::open(&root.join("data")).unwrap();
            registry.apply_seed(&seed(), at(0)).await.unwrap();
            let acme = principal_of(&registry, "acme").await;
            let tasks: Vec<_> = (0..3)
                .map(|task| {
                    let (registry, acme) = (registry.clone(), acme.clone());
                    let mut acknowledged = acknowledged.try_clone().unwrap();
                    tokio::spawn(async move {
                        for number in (task..creates).step_by(3) {
                            let name = name(&format!("Session{session}x{number}"));
                            let user = acme.user.id;
                            let create = registry.create_portal(user, &name, at(1));
                            create.await.unwrap().unwrap();
                            acknowledged.write_all(format!("{name}\n").as_bytes()).unwrap();
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
    });
}

/// Runs a test of this module in a child under `root`; returns the operations it did.
fn recorded(test: &str, kept: &Path, root: &Path) -> Vec<(std::path::PathBuf, Operation)> {
    let log = kept.join("log");
    let variables = [(ROOT, root.as_os_str()), ("RECORD_LOG", log.as_os_str())];
    let test = format!("power_loss::{test}");
    run_preloaded(&test, "power_loss/record.c", kept, &variables);
    disk::read(&fs::read(log).unwrap())
}

#[tokio::test]
async fn acknowledged_creates_survive_power_loss() {
    let kept = tempfile::tempdir().unwrap();
    // The recording has canonical paths.
    let root = fs::canonicalize(kept.path()).unwrap().join("root");
    fs::create_dir(&root).unwrap();
    let operations = recorded("child", kept.path(), &root);
    let total: usize = SESSIONS.iter().sum();
    assert!(operations.len() > 3 * total, "{}", operations.len());

    let mut random = Random(0x2026_1125);
    // Half of the cuts are at the start, where files are created.
    let cuts: HashSet<usize> = (0..CUTS)
        .map(|cut| random.below(if cut % 2 == 0 { operations.len() } else { 200 }))
        .collect();
    let (mut disk, mut acknowledged) = (Disk::default(), Vec::new());
    for (at, (path, operation)) in operations.iter().enumerate() {
        if cuts.contains(&at) {
            for is_chosen in [|_: &mut Random| false, |it: &mut Random| it.below(2) == 0] {
                let image = tempdir_in_memory();
                disk.write(&root, image.path(), || is_chosen(&mut random));
                verify(&image.path().join("data"), &acknowledged, at).await;
            }
        }
        match operation {
            Operation::Write { data, .. } if path.ends_with("acknowledged") => {
                let text = str::from_utf8(data).unwrap();
                acknowledged.extend(text.lines().map(ToOwned::to_owned));
            }
            _ => {}
        }
        // Shared memory is rebuilt from the log.
        if !path.ends_with("registry.sqlite-shm") {
            disk.apply(path, operation);
        }
    }
    assert_eq!(acknowledged.len(), total);
}

/// Hundreds of disks are opened, and each syncs its files.
fn tempdir_in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

async fn verify(directory: &Path, acknowledged: &[String], cut: usize) {
    let registry = match SqliteRegistry::open(directory) {
        Ok(registry) => registry,
        Err(error) => panic!("cut {cut}, {} acknowledged: {error}", acknowledged.len()),
    };
    if acknowledged.is_empty() {
        return;
    }
    let acme = principal_of(&registry, "acme").await;
    let portals = registry.portals(acme.org.id).await.unwrap();
    let found: HashSet<_> = portals.iter().map(|portal| portal.name.as_str()).collect();
    assert_eq!(found.len(), portals.len(), "cut {cut}: a name was given twice");
    let lost: Vec<_> = acknowledged.iter().filter(|name| !found.contains(name.as_str())).collect();
    assert!(lost.is_empty(), "cut {cut}: {lost:?}");
    let taken = name(&acknowledged[acknowledged.len() - 1]);
    let again = registry.create_portal(acme.user.id, &taken, at(2)).await;
    assert_eq!(again, Ok(Err(CreateConflict::NameTaken)), "cut {cut}");
}

/// Makes the system calls of starts and creates fail, one at a time, and verifies each result.
#[test]
#[ignore = "a process that another test starts"]
fn failing_child() {
    const ERRORS: [i32; 2] = [5, 28]; // EIO and ENOSPC
    let root = env::var_os(ROOT).expect("set by the parent");
    let root = Path::new(&root);
    let fail = |call: usize, errno: i32| {
        let _ = fs::remove_file(root.join(format!("fail/{call}-{errno}")));
        fs::File::create(root.join(format!("fail/{call}-{errno}"))).unwrap();
    };
    let mut failed = 0;
    let directory = root.join("data");
    for call in 1..=CALLS_OF_A_START {
        for directory in [&directory, &root.join(format!("data{call}"))] {
            fail(call, ERRORS[call % 2]);
            failed += usize::from(SqliteRegistry::open(directory).is_err());
            fail(0, 0);
            SqliteRegistry::open(directory).unwrap();
        }
    }
    assert!(failed > CALLS_OF_A_START / 2, "{failed}");

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let registry = SqliteRegistry::open(&directory).unwrap();
        registry.apply_seed(&seed(), at(0)).await.unwrap();
        let acme = principal_of(&registry, "acme").await;
        let (mut all_kept, mut failed, mut in_doubt) = (HashSet::new(), 0, 0);
        let calls = long(24, 500);
        for call in 1..=calls {
            for errno in ERRORS {
                fail(call, errno);
                // One create takes about ten system calls.
                let (mut kept, mut refused) = (Vec::new(), Vec::new());
                for number in 0..call / 8 + 2 {
                    let text = format!("Error{errno}x{call}x{number}");
                    let (user, name) = (acme.user.id, name(&text));
                    match registry.create_portal(user, &name, at(1)).await {
                        Ok(created) => {
                            created.unwrap();
                            kept.push(text);
                        }
                        Err(RegistryError::NotApplied(_)) => refused.push(text),
                        Err(_) => in_doubt += 1,
                    }
                }
                fail(0, 0);
                for registry in [&registry, &SqliteRegistry::open(&directory).unwrap()] {
                    for (names, is_there) in [(&kept, true), (&refused, false)] {
                        for text in names {
                            let found = registry.portal(acme.org.id, text).await.unwrap();
                            assert_eq!(found.is_some(), is_there, "{text}");
                        }
                    }
                }
                all_kept.extend(kept);
                failed += refused.len();
            }
        }
        let found = registry.portals(acme.org.id).await.unwrap();
        let found: HashSet<_> = found.into_iter().map(|portal| portal.name).collect();
        assert!(found.is_superset(&all_kept));
        assert!(failed + in_doubt > calls, "{failed} {in_doubt}");
    });
}

#[test]
fn failing_system_calls_give_true_results() {
    let kept = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(kept.path()).unwrap().join("root");
    fs::create_dir_all(root.join("fail")).unwrap();
    recorded("failing_child", kept.path(), &root);
}

/// Splitmix64: the same cuts in every run, of a recording that varies slightly.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}
