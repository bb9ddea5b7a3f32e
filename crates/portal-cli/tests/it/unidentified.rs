//! A service that does not say which org it is: nothing is sent, and nothing in doubt is lost (rule 10).

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::orgs::{Org, Orgs};
use crate::support::{Home, Ran, Served, kill_once, wait_until};

const NAME: &str = "PortalsAPItest100";

/// A server whose creates are kept back by a gateway that fails each request for the org's id.
fn start(home: &Home) -> (Served, Gateway) {
    let server = Served::start(home, &[]);
    let gateway = Gateway::start(&server);
    gateway.fail_org();
    (server, gateway)
}

/// `portal --output json ARGUMENTS` through the gateway, and its only object.
fn run(gateway: &Gateway, server: &Served, home: &Home, arguments: &[&str]) -> (i32, Value) {
    let ran = gateway.run(server, home, &[&["--output", "json"], arguments].concat());
    object(&ran)
}

fn object(ran: &Ran) -> (i32, Value) {
    let mut objects = ran.json();
    assert_eq!(objects.len(), 1, "{ran:?}");
    (ran.status, objects.remove(0))
}

/// Kills a create through the gateway once it was sent, with the org's id known.
fn kill_create(gateway: &Gateway, server: &Served, home: &Home) {
    gateway.pass_org();
    kill_once(gateway.command(server, home, &["create", NAME]), || gateway.creates() == 1);
    gateway.fail_org();
}

#[test]
fn create_in_unidentified_org_sends_nothing() {
    let home = Home::new();
    let (server, gateway) = start(&home);
    let (status, object) = run(&gateway, &server, &home, &["create", NAME]);
    assert_eq!((status, &object["outcome"]), (6, &json!("not_created")), "{object}");
    assert_eq!((&object["name"], &object["error"]["kind"]), (&json!(NAME), &json!("unreachable")));
    assert_eq!((gateway.creates(), home.entries().len()), (0, 0));
    gateway.pass_org();
    gateway.open();
    assert_eq!(gateway.run(&server, &home, &["create", NAME]).status, 0);
}

#[test]
fn doubt_in_unidentified_org_stays_unknown() {
    let home = Home::new();
    let (server, gateway) = start(&home);
    kill_create(&gateway, &server, &home);
    let (status, object) = run(&gateway, &server, &home, &["create", NAME]);
    assert_eq!((status, &object["outcome"]), (5, &json!("unknown")), "{object}");
    assert_eq!((gateway.creates(), home.unfinished().len()), (1, 1));
}

#[test]
fn recovery_with_other_credential_keeps_intent() {
    let home = Home::new();
    let (server, gateway) = start(&home);
    kill_create(&gateway, &server, &home);
    let mut recover = home.command(&["--output", "json", "recover", NAME]);
    // Leads to the same place, by another credential.
    let environment = server.environment().map(|(name, value)| match name {
        "PORTAL_API_DOMAIN" => (name, gateway.url().to_owned()),
        "PORTAL_REFRESH_TOKEN" => ("PORTAL_ACCESS_TOKEN", "1000.other".to_owned()),
        _ => (name, value.to_owned()),
    });
    let ran = Ran::from(recover.envs(environment).output().unwrap());
    let (status, object) = object(&ran);
    assert_eq!((status, &object["outcome"]), (5, &json!("unknown")), "{object}");
    assert_eq!((&object["name"], home.unfinished().len()), (&json!(NAME), 1));
}

#[test]
fn rename_in_unidentified_org_sends_nothing() {
    let home = Home::new();
    let (server, gateway) = start(&home);
    let rename = ["rename", "AcmeOld", "AcmeCustomers", "--yes"];
    let (status, object) = run(&gateway, &server, &home, &rename);
    assert_eq!((status, &object["outcome"]), (6, &json!("not_renamed")), "{object}");
    assert_eq!(object["error"]["kind"], "unreachable");
}

#[test]
fn next_run_creates_rows_of_unidentified_org() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("beta")], &[]);
    let gateway = Gateway::start(&orgs.served);
    gateway.open();
    gateway.fail_org();
    gateway.lead(&orgs);
    orgs.write("portals.csv", "profile,name\nacme,FirstName\nbeta,SecondName\n");
    let batch = ["--output", "json", "batch", "portals.csv"];
    let ran = orgs.run(&batch);
    let outcomes: Vec<_> = ran.json().iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(
        (ran.status, outcomes),
        (1, vec![json!("not_created"), json!("created")]),
        "{ran:?}"
    );
    assert_eq!(gateway.creates(), 0);
    gateway.pass_org();
    let ran = orgs.run(&batch);
    assert_eq!(ran.status, 0, "{ran:?}");
    wait_until(|| gateway.creates() == 1);
}
