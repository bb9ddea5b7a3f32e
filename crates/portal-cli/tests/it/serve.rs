//! `serve`, and the rest of the resource on it.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::orgs::{self, Org};
use crate::support::{Home, Ran, Served};

const NAME: &str = "PortalsAPItest100";

#[test]
fn list_get_and_rename_say_what_is_there() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let ran = server.run(&home, &["list"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.starts_with("There is no portal in the org at http://127.0.0.1:"));
    server.run(&home, &["create", NAME]);

    let ran = server.run(&home, &["list", "--output", "json"]);
    assert_eq!(ran.json()[0]["name"], NAME);
    let ran = server.run(&home, &["list", "PORTALSAPITEST100", "--output", "json"]);
    assert_eq!((ran.status, &ran.json()[0]["active"]), (0, &json!(true)));
    let ran = server.run(&home, &["list", "Absent100"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.starts_with("error: there is no portal Absent100"), "{ran:?}");

    let timing =
        ["--timeout", "2s", "--processing-time", "1s", "--list-lag", "0s", "--deadline", "20s"];
    let rename = [&["rename", NAME, "AcmeCustomers"][..], &timing].concat();
    let ran = server.run(&home, &rename);
    assert_eq!(ran.stdout, "PortalsAPItest100 was renamed to AcmeCustomers\n");
    let ran = server.run(&home, &["rename", NAME, "AcmeCustomers2"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("the org's list shows no portal named"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("hint: run `portal list` to see the org's portals\n"), "{ran:?}");
    let ran = server.run(&home, &["rename", "AcmeCustomers", "a b", "--output", "json"]);
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (2, &json!("invalid")));
}

#[test]
fn lost_rename_is_verified() {
    let home = Home::new();
    let faults = ["--fault", "PUT committed:drop", "--fault", "GET request:429:1/2"];
    let server = Served::start(&home, &faults);
    server.run(&home, &["create", NAME]);
    let timing =
        ["--timeout", "2s", "--processing-time", "1s", "--list-lag", "0s", "--deadline", "20s"];
    let rename = [&["rename", NAME, "AcmeCustomers"][..], &timing].concat();
    let ran = server.run(&home, &rename);
    assert_eq!(ran.status, 0, "{ran:?}");
    let mut lists = [(); 2].map(|()| server.run(&home, &["list"]));
    lists.sort_by_key(|ran| ran.status);
    assert!(lists[0].stdout.starts_with("AcmeCustomers"), "{lists:?}");
    assert_eq!(lists[1].status, 6, "{lists:?}");
}

#[test]
fn missing_permission_is_named_for_administrator() {
    let (home, clerk) =
        (Home::new(), [Org { permissions: &["manage_portal"], ..Org::new("acme") }]);
    let server = orgs::serve(&home, &clerk, &[]);
    assert_eq!(server.listening.get("client_secret"), None, "a seed's secrets are not told");
    let ran = Ran::of(home.command(&["create", NAME]).envs(clerk[0].environment(server.url())));
    assert_eq!(ran.status, 3);
    crate::support::golden("create-no-permission", &ran.stderr);
}

#[test]
fn invalid_fault_shows_grammar() {
    let ran = Home::new().run(&["serve", "--fault", "POST nowhere:drop"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("[METHOD ]POINT:ACTION[:WHICH]"), "{}", ran.stderr);
}

#[test]
fn log_names_portal_and_fault() {
    let home = Home::new();
    let fault = "POST committed:drop";
    let mut command = home.command(&["serve", "--listen", "0", "--log", "text", "--fault", fault]);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(
        stderr.next().unwrap(),
        "Serving 1 org with 0 portals, gone when it ends (`--data DIR` keeps them)"
    );
    assert_eq!(stderr.next().unwrap(), "Fault: POST committed:drop");
    let environment = home.run(&["serve", "env", "--output", "json"]).json().remove(0);
    let mut create = home.command(&["create", "AcmePortal"]);
    let variables = environment.as_object().unwrap();
    create.envs(variables.iter().map(|(name, value)| (name, value.as_str().unwrap())));
    assert!(create.output().unwrap().status.success());
    let line = stderr.find(|line| line.contains("no response")).unwrap();
    let (time, rest) = line.split_once("Z POST ").unwrap();
    assert!(time.len() == "12:34:56.789".len() && time.contains(':'), "{line}");
    assert!(rest.starts_with("/crm/v7/settings/portals  no response  "), "{line}");
    assert!(rest.ends_with("  Default org  AcmePortal  fault POST committed:drop"), "{line}");
    process.kill().unwrap();
    process.wait().unwrap();
}
