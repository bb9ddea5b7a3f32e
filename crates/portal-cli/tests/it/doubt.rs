//! Creates whose answer is lost, and what is left of them.

#[cfg(unix)]
use std::process::{Child, Command, Stdio};

use crate::support::{Home, Ran, Served};

const NAME: &str = "PortalsAPItest100";

/// The files of creates in doubt.
fn pending(home: &Home) -> Vec<std::path::PathBuf> {
    let folder = home.path().join(".local/state/portal/pending");
    let files = std::fs::read_dir(folder).into_iter().flatten();
    files.map(|file| file.unwrap().path()).collect()
}

/// Starts a command, to hear in the end what it said.
#[cfg(unix)]
fn heard(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_lost_answer_is_found_out() {
    let home = Home::new();
    let server =
        Served::start(&home, &["--fault", "POST committed:drop", "--fault", "GET request:500:1/2"]);
    let ran = server.run(&home, &["create", NAME]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.contains("its answer was lost, but it is there"), "{ran:?}");
}

#[test]
fn what_it_waits_for_shows_when_it_takes_longer_than_a_second() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:drop"]);
    // So long a deadline that a slow machine can't miss it: the POSTs are spent long before.
    let patience = ["--settle", "1200ms"];
    let ran = server.run(&home, &[&["create", NAME], &patience[..]].concat());
    assert_eq!(ran.status, 6, "{ran:?}");
    assert!(ran.stderr.contains("; looking whether the portal is there, settling 1s 200ms\n"));
    assert_eq!(pending(&home).len(), 0);
}

#[test]
fn a_create_killed_in_doubt_is_settled_by_resume() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST committed:delay=60s"]);
    let mut create = server.command(&home, &["create", NAME]).spawn().unwrap();
    // It is in doubt as soon as the server has the portal.
    until(|| server.run(&home, &["list"]).stdout.contains(NAME));
    create.kill().unwrap();
    create.wait().unwrap();
    assert_eq!(pending(&home).len(), 1);

    let ran = server.run(&home, &["--output", "json", "create", "--resume", NAME]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.json()[0]["origin"], "appeared");
    assert_eq!(pending(&home).len(), 0);
    let ran = server.run(&home, &["create", "--resume"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, "No create is in doubt.\n"));
}

#[test]
fn what_is_settled_as_absent_can_be_run_again_whatever_else_the_org_has() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s:1/2"]);
    assert_eq!(server.run(&home, &["create", "AcmeOther"]).status, 0);
    let create = ["create", "--allow-another", NAME];
    let mut create = server.command(&home, &create).spawn().unwrap();
    until(|| pending(&home).iter().any(|file| file.metadata().unwrap().len() > 0));
    create.kill().unwrap();
    create.wait().unwrap();
    let ran = server.run(&home, &["create", "--resume", NAME, "--settle", "100ms"]);
    assert_eq!(ran.status, 6, "{ran:?}");
    assert!(ran.stderr.contains("PortalsAPItest100 was not created: it is not there"), "{ran:?}");
    assert_eq!(pending(&home).len(), 0);
}

#[test]
fn a_create_in_doubt_elsewhere_is_left_until_the_environment_leads_there() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s"]);
    let mut create = server.command(&home, &["create", NAME]).spawn().unwrap();
    until(|| pending(&home).iter().any(|file| file.metadata().unwrap().len() > 0));
    create.kill().unwrap();
    create.wait().unwrap();
    let ran = Home::run(&home, &["create", "--resume"]);
    assert_eq!((ran.status, pending(&home).len()), (2, 1), "{ran:?}");
    // One client can have the refresh tokens of many orgs.
    let mut command = server.command(&home, &["create", "--resume"]);
    let ran = Ran::from(command.env("PORTAL_REFRESH_TOKEN", "1000.another.org").output().unwrap());
    assert_eq!((ran.status, pending(&home).len()), (2, 1), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_in_doubt_exits_with_5_and_says_how_to_settle_it() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s"]);
    let create = heard(server.command(&home, &["create", NAME]));
    until(|| pending(&home).iter().any(|file| file.metadata().unwrap().len() > 0));
    interrupt(create.id());
    let ran = Ran::from(create.wait_with_output().unwrap());
    assert_eq!(ran.status, 5, "{ran:?}");
    assert!(ran.stderr.contains("`portal create --resume PortalsAPItest100`"), "{ran:?}");
    assert_eq!(pending(&home).len(), 1);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_settling_of_all_that_is_in_doubt() {
    const PATH: &str = "/crm/v7/settings/portals";
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s"]);
    for (index, name) in ["AcmeFirst", "AcmeSecond"].into_iter().enumerate() {
        let mut create = server.command(&home, &["create", name]).spawn().unwrap();
        let is_written = |file: &std::path::PathBuf| file.metadata().unwrap().len() > 0;
        until(|| pending(&home).iter().filter(|file| is_written(file)).count() > index);
        create.kill().unwrap();
        create.wait().unwrap();
    }
    let before = server.calls(PATH);
    let resume = heard(server.command(&home, &["--output", "json", "create", "--resume"]));
    // It has looked, and settles the first one.
    until(|| server.calls(PATH) > before);
    interrupt(resume.id());
    let ran = Ran::from(resume.wait_with_output().unwrap());
    assert_eq!((ran.status, ran.json().len()), (5, 1), "{ran:?}");
    assert_eq!(pending(&home).len(), 2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_with_nothing_in_doubt_exits_with_130() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "GET request:delay=60s"]);
    let create = heard(server.command(&home, &["create", NAME]));
    // With its token kept it is on its way to look.
    until(|| home.path().join(".cache/portal/tokens").exists());
    interrupt(create.id());
    let ran = Ran::from(create.wait_with_output().unwrap());
    assert_eq!(ran.status, 130, "{ran:?}");
    assert_eq!(pending(&home).len(), 0);
}

/// Asks again until it is so; the harness ends a test that waits for ever.
fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

#[cfg(unix)]
fn interrupt(process: u32) {
    let killed = Command::new("kill").args(["-INT", &process.to_string()]).status();
    assert!(killed.unwrap().success());
}
