//! `portal rehearse`: nothing real is reached, and nothing stays.

use std::fmt::Write as _;

#[cfg(unix)]
use portal_testkit::Signal;
use serde_json::json;

use crate::orgs::{Org, Orgs};
#[cfg(unix)]
use crate::support::Running;
use crate::support::{Home, Ran};

#[test]
fn batch_of_200_rows_rehearses_without_account() {
    let home = Home::new();
    let mut rows = String::from("profile,name\n");
    for number in 0..200 {
        let _ = writeln!(rows, "org{number},Customer{number:03}");
    }
    std::fs::write(home.path().join("portals.csv"), rows).unwrap();
    let ran = home.run(&["rehearse", "portals.csv"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stdout, "200 created\n");
    let (first, last) = (ran.stderr.lines().next().unwrap(), ran.stderr.lines().last().unwrap());
    assert_eq!(first, "Rehearsal: nothing reaches Zoho CRM, and nothing is kept.");
    assert_eq!(last, "That was a rehearsal: nothing was created in Zoho CRM.");
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(left, [home.path().join("portals.csv")]);
}

#[test]
fn faults_and_stdin_and_json_work() {
    let home = Home::new();
    let arguments =
        ["rehearse", "-", "--fault", "POST committed:drop", "--output", "json", "--quiet"];
    let ran = home.run_with(&arguments, "profile,name\nacme,AcmePortal\n");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let row = &ran.json()[0];
    assert_eq!((&row["outcome"], &row["origin"]), (&json!("present"), &json!("appeared")));
}

#[test]
fn mistakes_are_those_of_batch() {
    let home = Home::new();
    let ran = home.run_with(&["rehearse", "-"], "profile,name\nacme,bad!\n");
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("line 2: \"bad!\": "), "{ran:?}");
    let missing = home.run(&["rehearse", "none.csv"]);
    assert!(missing.status == 2 && missing.stderr.contains("cannot read none.csv"), "{missing:?}");
}

#[test]
fn real_orgs_and_environment_are_not_touched() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    orgs.write("portals.csv", "profile,name\nacme,AcmePortal\n");
    let mut command = orgs.home.command(&["rehearse", "portals.csv"]);
    command.env("PORTAL_API_DOMAIN", orgs.served.url()).env("PORTAL_PROFILE", "acme");
    let ran = Ran::from(command.env("HTTP_PROXY", "http://127.0.0.1:1").output().unwrap());
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(orgs.run(&["list", "--profile", "acme"]).stdout, "");
}

/// Its batch would try to reach the server for minutes.
#[cfg(unix)]
#[test]
fn terminated_rehearsal_leaves_no_batch() {
    let home = Home::new();
    std::fs::write(home.path().join("portals.csv"), "profile,name\nacme,AcmePortal\n").unwrap();
    let fault = ["--fault", "POST request:delay=60s"];
    let mut rehearsal =
        Running::start(home.command(&[&["rehearse", "portals.csv"][..], &fault].concat()));
    rehearsal.wait_for_line("1 portal in 1 org");
    rehearsal.signal(Signal::TERM);
    // It waits for the end of all that has its stderr.
    assert_eq!(rehearsal.wait().status, 130);
}

#[test]
fn failed_rehearsal_suggests_rehearsal_only() {
    let home = Home::new();
    let rows = "profile,name\nacme,AcmePortal\nbeta,BetaPortal\n";
    std::fs::write(home.path().join("portals.csv"), rows).unwrap();
    let fault = "POST request:429=6000";
    let ran = home.run(&["rehearse", "portals.csv", "--fault", fault]);
    assert_eq!(ran.status, 6, "{ran:?}");
    assert!(ran.stdout.ends_with("\n2 not created\n"), "{ran:?}");
    let again = format!("\nRehearse again with: portal rehearse portals.csv --fault '{fault}'\n");
    assert!(ran.stderr.contains(&again), "{ran:?}");
    let rejected = home.run(&["rehearse", "portals.csv", "--fault", "POST request:html"]);
    assert_eq!(rejected.status, 6, "{rejected:?}");
    for ran in [ran, rejected] {
        for untrue in ["portal batch", "undone", "ledger", "--deadline", "network"] {
            assert!(!ran.stdout.contains(untrue) && !ran.stderr.contains(untrue), "{ran:?}");
        }
    }
}
