//! `rename`: its confirmation, its waits and its outcomes.

use std::time::{Duration, Instant};

#[cfg(unix)]
use portal_testkit::Signal;
use serde_json::json;

use crate::gateway::Gateway;
use crate::support::{Home, Ran, Running, Served, kill_once, wait_until};

const OLD: &str = "AcmeOld";
const NEW: &str = "AcmeNew";
const RENAME: [&str; 5] = ["--output", "json", "rename", OLD, NEW];

/// A server with the portal, whose create is too old to take effect again.
fn start(arguments: &[&str]) -> (Home, Served) {
    let home = Home::new();
    let server = Served::start(&home, arguments);
    assert_eq!(server.run(&home, &["create", OLD]).status, 0);
    (home, server)
}

fn names(server: &Served, home: &Home) -> Vec<String> {
    let listed = server.run(home, &["list", "--output", "json"]).json();
    listed.iter().map(|portal| portal["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rename_warns_and_reports_old_and_new_name() {
    let (home, server) = start(&[]);
    let ran = server.run(&home, &RENAME);
    assert_eq!(ran.status, 0, "{ran:?}");
    let expected = json!({ "name": NEW, "old_name": OLD, "profile": null, "outcome": "renamed" });
    assert_eq!(ran.json(), [expected]);
    assert!(ran.stderr.contains("warning: links to AcmeOld no longer work"), "{ran:?}");
    assert!(ran.stderr.contains("any organization can take the name AcmeOld"), "{ran:?}");
    assert_eq!(names(&server, &home), [NEW]);
    let again = server.run(&home, &RENAME);
    assert_eq!((again.status, &again.json()[0]["outcome"]), (0, &json!("unchanged")), "{again:?}");
    let same = server.run(&home, &["--output", "json", "rename", NEW, NEW]);
    assert_eq!((same.status, &same.json()[0]["outcome"]), (0, &json!("unchanged")), "{same:?}");
}

#[test]
fn history_has_name_of_renamed_portal_by_now() {
    let (home, server) = start(&[]);
    for (old, new) in [(OLD, NEW), (NEW, "AcmeThird")] {
        assert_eq!(server.run(&home, &["rename", old, new]).status, 0);
    }
    let ran = home.run(&["history", "acmethird"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    let renamed = "    renamed since: AcmeThird";
    assert_eq!((lines.len(), lines[2], lines[4]), (5, renamed, renamed), "{ran:?}");
    assert!(lines[0].starts_with("AcmeNew → AcmeThird  renamed"), "{ran:?}");
    assert!(lines[3].starts_with("AcmeOld"), "{ran:?}");
}

#[test]
fn rename_in_case_only_frees_no_name() {
    let (home, server) = start(&[]);
    let ran = server.run(&home, &["rename", OLD, "ACMEOLD"]);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (0, "AcmeOld was renamed to ACMEOLD\n"),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("warning"), "{ran:?}");
    assert_eq!(names(&server, &home), ["ACMEOLD"]);
}

#[test]
fn remote_rename_requires_yes_without_terminal() {
    let home = Home::new();
    let rename = |arguments: &[&str]| {
        let mut command = home.command_elsewhere(&[&["rename", OLD, NEW], arguments].concat());
        command.env("PORTAL_API_DOMAIN", "https://portal.invalid");
        Ran::from(command.env("PORTAL_ACCESS_TOKEN", "1000.hush").output().unwrap())
    };
    let ran = rename(&[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("hint: pass `--yes` to confirm"), "{ran:?}");
    let ran = rename(&["--yes"]);
    assert_eq!(ran.status, 6, "{ran:?}");
}

#[test]
fn rename_to_name_in_use_reports_owner() {
    let (home, server) = start(&[]);
    let ran = server.run(&home, &["create", NEW, "--allow-another"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let ran = server.run(&home, &RENAME);
    let row = &ran.json()[0];
    assert_eq!((ran.status, &row["outcome"]), (4, &json!("name_taken")), "{ran:?}");
    assert_eq!(row["owner"], json!("this_org"));
    assert_eq!(names(&server, &home).len(), 2);
}

#[test]
fn lost_response_to_rename_is_verified() {
    let (home, server) = start(&["--fault", "PUT committed:drop"]);
    let ran = server.run(&home, &RENAME);
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (0, &json!("renamed")), "{ran:?}");
    assert_eq!((names(&server, &home), home.unfinished().len()), (vec![NEW.to_owned()], 0));
}

#[test]
fn killed_rename_is_recovered() {
    for command in [&["--output", "json", "recover", NEW][..], &RENAME] {
        let (home, server) = start(&["--fault", "PUT committed:delay=60s"]);
        kill_once(server.command(&home, &RENAME), || names(&server, &home) == [NEW]);
        let listed = home.unfinished().remove(0);
        assert_eq!((&listed["effect"], &listed["old_name"]), (&json!("rename"), &json!(OLD)));
        // The same command again reports the outcome of the first, and renames nothing.
        let ran = server.run(&home, command);
        assert_eq!((ran.status, &ran.json()[0]["outcome"]), (0, &json!("renamed")), "{ran:?}");
        assert_eq!(ran.json()[0]["old_name"], json!(OLD));
        assert_eq!(home.unfinished().len(), 0);
    }
}

#[test]
fn killed_rename_without_effect_is_repeated() {
    // The second one is lost.
    let (home, server) = start(&["--fault", "PUT request:delay=60s:1/2"]);
    assert_eq!(server.run(&home, &["rename", OLD, "AcmeMiddle"]).status, 0);
    let rename = ["--output", "json", "rename", "AcmeMiddle", NEW];
    let impatient = [&rename[..], &["--timeout", "1s"]].concat();
    let mut second = Running::start(server.command(&home, &impatient));
    second.wait_for_line("waiting for the response");
    second.kill();
    let ran = server.run(&home, &rename);
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (0, &json!("renamed")), "{ran:?}");
    assert_eq!((names(&server, &home), home.unfinished().len()), (vec![NEW.to_owned()], 0));
}

#[test]
fn create_of_old_name_recovers_rename() {
    let (home, server) = start(&["--fault", "PUT committed:delay=60s"]);
    kill_once(server.command(&home, &RENAME), || names(&server, &home) == [NEW]);
    let create = ["--output", "json", "create", OLD, "--allow-another"];
    let ran = server.run(&home, &create);
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (0, &json!("created")), "{ran:?}");
    assert_eq!(names(&server, &home).len(), 2);
}

#[test]
fn rename_waits_until_create_is_listed() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let started = Instant::now();
    assert_eq!(server.run(&home, &["create", OLD]).status, 0);
    let mut command = server.command(&home, &RENAME);
    let ran = Ran::from(command.env("PORTAL_LIST_LAG", "3s").output().unwrap());
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(started.elapsed() >= Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn create_of_released_name_waits_for_list() {
    let (home, server) = start(&[]);
    let gateway = Gateway::start(&server);
    gateway.open();
    gateway.keep_first_list();
    assert_eq!(gateway.run(&server, &home, &RENAME).status, 0);
    let create = ["--output", "json", "create", OLD, "--allow-another", "--list-lag", "3s"];
    // A list may still show the name: nothing is sent.
    let ran = gateway.run(&server, &home, &create);
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (4, &json!("present")), "{ran:?}");
    gateway.update_lists();
    let ran = gateway.run(&server, &home, &create);
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (0, &json!("created")), "{ran:?}");
    assert_eq!(names(&server, &home).len(), 2);
}

#[test]
fn rename_of_doubtful_portal_waits_for_create() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST committed:delay=60s"]);
    let create = server.command(&home, &["create", OLD, "--timeout", "1s"]);
    kill_once(create, || names(&server, &home) == [OLD]);
    // A late copy of the create could make a twin.
    let ran = server.run(&home, &RENAME);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("waiting for earlier creates"), "{ran:?}");
    assert_eq!(names(&server, &home), [NEW]);
    // The rename shows what came of the create.
    let ran = server.run(&home, &["--output", "json", "recover"]);
    assert_eq!((ran.status, &ran.json()[0]["name"]), (0, &json!(NEW)), "{ran:?}");
    assert_eq!(home.unfinished().len(), 0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_same_rename_runs_exits_5() {
    let (home, server) = start(&["--fault", "PUT committed:delay=60s"]);
    let first = Running::start(server.command(&home, &RENAME));
    wait_until(|| names(&server, &home) == [NEW]);
    let mut second = Running::start(server.command(&home, &RENAME));
    second.wait_for_line("waiting for earlier creates");
    second.signal(Signal::INT);
    let ran = second.wait();
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (5, &json!("unknown")), "{ran:?}");
    assert_eq!(ran.json()[0]["error"]["kind"], "in_progress");
    first.kill();
}

#[cfg(unix)]
#[test]
fn ctrl_c_before_rename_keeps_earlier_doubt() {
    let (home, server) = start(&["--fault", "PUT committed:delay=60s"]);
    let gateway = Gateway::start(&server);
    kill_once(gateway.command(&server, &home, &RENAME), || names(&server, &home) == [NEW]);
    gateway.hang_org();
    let second = Running::start(gateway.command(&server, &home, &RENAME));
    wait_until(|| gateway.asked_for_org());
    second.signal(Signal::INT);
    let ran = second.wait();
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (5, &json!("unknown")), "{ran:?}");
    assert_eq!(home.unfinished().len(), 1);
}

#[cfg(unix)]
#[test]
fn ctrl_c_in_rename_exits_5_and_names_recover() {
    let (home, server) = start(&["--fault", "PUT committed:delay=60s"]);
    let process = Running::start(server.command(&home, &RENAME));
    wait_until(|| names(&server, &home) == [NEW]);
    process.signal(Signal::INT);
    let ran = process.wait();
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (5, &json!("unknown")), "{ran:?}");
    assert!(ran.stderr.contains("`portal recover AcmeNew`"), "{ran:?}");
}
