//! `doctor`: each thing that can be wrong is told from the others.

use serde_json::json;

use crate::orgs::{Org, Orgs};
use crate::support::{golden, kill_once};

/// An org for each thing that can be wrong with one.
fn ailing() -> Vec<Org> {
    vec![
        Org::new("good"),
        Org { permissions: &["manage_portal_users"], ..Org::new("no-permission") },
        Org {
            scopes: &["ZohoCRM.settings.clientportal.CREATE", "ZohoCRM.org.READ"],
            ..Org::new("no-read")
        },
        Org {
            scopes: &["ZohoCRM.settings.clientportal.READ", "ZohoCRM.org.READ"],
            ..Org::new("no-create")
        },
        Org { environment: "sandbox", ..Org::new("sandbox") },
    ]
}

#[test]
fn each_line_says_what_is_wrong_and_what_to_do() {
    let orgs = Orgs::start(ailing(), &[]);
    for (profile, status) in
        [("good", 0), ("no-permission", 3), ("no-read", 0), ("no-create", 3), ("sandbox", 1)]
    {
        let ran = orgs.run(&["doctor", "--profile", profile]);
        assert_eq!((ran.status, ran.stderr.as_str()), (status, ""), "{ran:?}");
        golden(&format!("doctor-{profile}"), &orgs.without_numbers(&ran.stdout));
    }
}

#[test]
fn doctor_changes_nothing_and_finds_portal() {
    let orgs = Orgs::start(ailing(), &[]);
    assert_eq!(orgs.run(&["doctor", "--profile", "good"]).status, 0);
    assert_eq!(orgs.run(&["list", "--profile", "good"]).stdout, "");
    assert_eq!(orgs.run(&["create", "GoodPortal", "--profile", "good"]).status, 0);
    let ran = orgs.run(&["doctor", "--profile", "good", "--output", "json"]);
    let checks = ran.json();
    assert!(checks.iter().all(|check| check["profile"] == "good"), "{checks:?}");
    let portal = checks.iter().find(|check| check["check"] == "portal").unwrap();
    assert_eq!(portal["status"], json!("ok"));
    assert_eq!(portal["message"], json!("the org has the portal GoodPortal"));
}

#[test]
fn all_checks_profiles_and_differing_give_1() {
    let orgs = Orgs::start(ailing(), &[]);
    let ran = orgs.run(&["doctor"]);
    assert_eq!(ran.status, 1);
    let verdicts: Vec<_> = ran.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    let expected = [
        "good: ready",
        "no-create: not permitted to create",
        "no-permission: not permitted to create",
        "no-read: ready",
        "sandbox: cannot create",
        "",
        "5 profiles: 2 ready · 2 not permitted · 1 that cannot create",
    ];
    assert_eq!(verdicts, expected);
    assert!(!ran.stdout.contains("  ok "), "{ran:?}");
}

#[test]
fn revoked_token_differs_from_unreachable_server() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    // A profile as before, with a token that is not valid any more.
    let credentials = orgs.config().join("credentials.toml");
    let text = std::fs::read_to_string(&credentials).unwrap();
    std::fs::write(&credentials, text.replace("hush-refresh", "hush-revoked")).unwrap();
    let ran = orgs.run(&["doctor"]);
    assert_eq!(ran.status, 3, "{ran:?}");
    golden("doctor-revoked", &orgs.without_numbers(&ran.stdout));
    let Orgs { home, served, .. } = orgs;
    served.kill();
    let ran = home.run(&["doctor", "--output", "json"]);
    assert_eq!(ran.status, 6, "{ran:?}");
    let checks = ran.json();
    assert_eq!((&checks[0]["check"], &checks[0]["status"]), (&json!("token"), &json!("failed")));
    let clock = checks.last().unwrap();
    assert_eq!((&clock["check"], &clock["status"]), (&json!("clock"), &json!("unknown")));
}

#[test]
fn api_other_than_profile_is_warned_about() {
    let orgs = Orgs::start(vec![Org::new("acme")], &["--public-url", "https://www.zohoapis.in"]);
    let ran = orgs.run(&["doctor"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    golden("doctor-another-api", &orgs.without_numbers(&ran.stdout));
}

#[test]
fn no_profile_hints_at_login() {
    let orgs = Orgs::start(vec![], &[]);
    let ran = orgs.run(&["doctor"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("`portal login`"), "{ran:?}");
}

#[test]
fn unfinished_create_is_warned_about() {
    let org = Org { portal_limit: false, ..Org::new("acme") };
    // The second create hangs, and not the request of the doctor.
    let orgs = Orgs::start(vec![org], &["--fault", "POST committed:delay=60s:1/2"]);
    assert_eq!(orgs.run(&["create", "AcmeOther", "--profile", "acme"]).status, 0);
    let create = ["create", "AcmePortal", "--allow-another", "--profile", "acme"];
    kill_once(orgs.home.command(&create), || {
        orgs.run(&["list", "--profile", "acme"]).stdout.contains("AcmePortal")
    });
    let ran = orgs.run(&["doctor", "--profile", "acme"]);
    assert!(ran.stdout.contains("unfinished: AcmePortal"), "{ran:?}");
    assert!(ran.stdout.contains("`portal recover`"), "{ran:?}");
}

#[test]
fn undetermined_check_is_retried_then_fails() {
    for (fault, status, verdict) in
        [("POST request:500:2/100", 0, "ready"), ("POST request:500", 1, "undetermined")]
    {
        let orgs = Orgs::start(vec![Org::new("acme")], &["--fault", fault]);
        let ran = orgs.run(&["doctor"]);
        assert_eq!(ran.status, status, "{ran:?}");
        assert!(ran.stdout.starts_with(&format!("acme: {verdict}\n")), "{ran:?}");
        assert_eq!(ran.stdout.contains("after 3 tries"), status == 1, "{ran:?}");
    }
}
