//! Files that arguments name: two that are one are refused before anything is sent, and a result goes where
//! links lead, in place.

use crate::orgs::{Org, Orgs};

const PORTALS: &str = "profile,name\nacme,AcmePortal\n";
const LISTS_AND_CREATES: &str = "/crm/v7/settings/portals";

fn orgs() -> Orgs {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    orgs.write("p.csv", PORTALS);
    orgs
}

#[test]
fn report_onto_file_that_is_needed_sends_nothing() {
    let orgs = orgs();
    let home = orgs.home.path();
    let credentials = orgs.config().join("credentials.toml");
    let kept = std::fs::read(&credentials).unwrap();
    std::fs::hard_link(home.join("p.csv"), home.join("linked.csv")).unwrap();
    orgs.write("ca.pem", "");
    let mut reports = vec![
        "p.csv".to_owned(),
        "./p.csv".to_owned(),
        home.join("p.csv").display().to_string(),
        "linked.csv".to_owned(),
        credentials.display().to_string(),
        ".config/portal/new.csv".to_owned(),
        "no/dir/r.csv".to_owned(),
        ".".to_owned(),
        "-".to_owned(),
        ".local/state/portal/ledger.sqlite".to_owned(),
        ".local/state/portal/../portal/ledger.sqlite-journal".to_owned(),
        ".cache/portal/tokens/new.csv".to_owned(),
    ];
    // So that these directories are there.
    assert_eq!(orgs.run(&["list", "--profile", "acme"]).status, 0);
    drop(portal_ledger::Ledger::open(home.join(".local/state/portal")).unwrap());
    let ledger = std::fs::read(orgs.home.ledger()).unwrap();
    let lists = orgs.served.requests(LISTS_AND_CREATES);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("p.csv", home.join("symlink.csv")).unwrap();
        std::os::unix::fs::symlink(&credentials, home.join("to-credentials.csv")).unwrap();
        reports.extend(["symlink.csv".to_owned(), "to-credentials.csv".to_owned()]);
    }
    for report in &reports {
        let ran = orgs.run(&["batch", "p.csv", "--yes", "--report", report]);
        assert_eq!(ran.status, 2, "{report}: {ran:?}");
    }
    let ran = orgs.run(&["batch", "p.csv", "--yes", "--report", "c.pem", "--ca-file", "./c.pem"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert_eq!(orgs.served.requests(LISTS_AND_CREATES), lists);
    assert_eq!(orgs.read("p.csv"), PORTALS);
    assert_eq!(std::fs::read(orgs.home.ledger()).unwrap(), ledger);
    assert_eq!(std::fs::read(&credentials).unwrap(), kept);
    assert!(!orgs.config().join("new.csv").exists());
}

#[cfg(unix)]
#[test]
fn report_goes_where_links_lead_and_keeps_modes_and_devices() {
    use std::fs::{Permissions, metadata, set_permissions, symlink_metadata};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let orgs = orgs();
    let home = orgs.home.path();
    orgs.write("target.csv", "x".repeat(10_000));
    set_permissions(home.join("target.csv"), Permissions::from_mode(0o664)).unwrap();
    symlink("target.csv", home.join("link.csv")).unwrap();
    let ran = orgs.run(&["batch", "p.csv", "--yes", "--report", "link.csv"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(orgs.read("target.csv").ends_with("acme,AcmePortal,,created,AcmePortal,,\n"));
    assert_eq!(metadata(home.join("target.csv")).unwrap().permissions().mode() & 0o777, 0o664);
    assert!(symlink_metadata(home.join("link.csv")).unwrap().is_symlink());
}

/// What was done is told all the same.
#[cfg(target_os = "linux")]
#[test]
fn report_that_cannot_be_written_hides_no_result() {
    let orgs = orgs();
    let ran = orgs.run(&["batch", "p.csv", "--yes", "--report", "/dev/full"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, "1 created\n"), "{ran:?}");
    assert!(ran.stderr.contains("error: cannot write /dev/full: No space left"), "{ran:?}");
    let ran = orgs.run(&["batch", "p.csv", "--yes", "--report", "/dev/full", "--output", "json"]);
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (1, &serde_json::json!("created")));
}

#[test]
fn backup_onto_its_source_is_refused() {
    let orgs = orgs();
    std::fs::create_dir(orgs.home.path().join("data")).unwrap();
    let ran = orgs.run(&["admin", "backup", "--data", "data", "./data"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("--data and FILE are the same file"), "{ran:?}");
}
