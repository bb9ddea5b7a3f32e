//! `login` and `logout`: what is kept, and what is not.

use serde_json::json;

use crate::orgs::{Org, Orgs};
use crate::support::{Ran, golden};

fn without_profile(name: &str) -> Org {
    Org { has_profile: false, ..Org::new(name) }
}

fn login(orgs: &Orgs, org: &Org, more: &[&str], stdin: &str) -> Ran {
    let url = orgs.served.url();
    let client_id = org.client_id();
    let hosts = ["--api-domain", url, "--accounts-url", url, "--client-id", &client_id];
    orgs.run_with(&[&["login", "--profile", &org.name], &hosts[..], more].concat(), stdin)
}

fn says_no_secret(ran: &Ran) {
    assert!(!ran.stdout.contains("hush") && !ran.stderr.contains("hush"), "{ran:?}");
}

#[test]
fn a_code_becomes_a_profile_and_is_good_once() {
    let org = without_profile("acme");
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let stdin = format!("{}\n{}\n", org.client_secret(), org.code());
    let ran = login(&orgs, &org, &[], &stdin);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stdout, "The profile acme is kept. Its org has no portal yet.\n");
    golden("login-how-to", &orgs.without_port(&ran.stderr));
    says_no_secret(&ran);
    assert_eq!(orgs.run(&["create", "AcmePortal", "--profile", "acme"]).status, 0);

    let kept = std::fs::read(orgs.config().join("credentials.toml")).unwrap();
    let again = login(&orgs, &org, &["--code"], &stdin);
    assert_eq!(again.status, 3, "{again:?}");
    assert!(again.stderr.contains("hint: a code is good once"), "{again:?}");
    assert_eq!(std::fs::read(orgs.config().join("credentials.toml")).unwrap(), kept);
}

#[test]
fn a_refresh_token_becomes_a_profile_too() {
    let org = without_profile("acme");
    let orgs = Orgs::start(vec![org.clone()], &[]);
    // As a spreadsheet or a password manager on Windows would pipe it.
    let stdin = format!("{}\r\n{}", org.client_secret(), org.refresh_token());
    let ran = login(&orgs, &org, &["--refresh-token", "--output", "json"], &stdin);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert_eq!(ran.json(), [json!({"profile": "acme", "outcome": "logged_in", "portals": []})]);
    let profiles = orgs.run(&["profiles", "--output", "json"]).json();
    assert_eq!(profiles[0]["client_id"], json!(org.client_id()));
    let again = login(&orgs, &org, &["--refresh-token"], &stdin);
    assert_eq!(again.stdout, "The profile acme is replaced. Its org has no portal yet.\n");
}

#[test]
fn a_token_that_may_not_look_is_kept_with_a_warning() {
    let scopes = &["ZohoCRM.settings.clientportal.CREATE"];
    let org = Org { scopes, ..without_profile("acme") };
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    let ran = login(&orgs, &org, &["--refresh-token"], &stdin);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "The profile acme is kept.\n"));
    golden("login-without-read", &ran.stderr);
}

#[test]
fn what_does_not_work_is_not_kept() {
    let org = without_profile("acme");
    let sandbox = Org { environment: "sandbox", ..without_profile("trial") };
    let orgs = Orgs::start(vec![org.clone(), sandbox.clone()], &[]);
    let good = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    for (org, stdin, status, expected) in [
        (&org, "hush-wrong\n1000.hush\n".to_owned(), 3, "the client"),
        (&org, format!("{}\n1000.hush\n", org.client_secret()), 3, "the refresh token"),
        (&org, org.client_secret(), 2, "the refresh token is missing"),
        (&org, String::new(), 2, "the client secret is missing"),
        (&sandbox, good.replace("acme", "trial"), 1, "sandbox"),
    ] {
        let ran = login(&orgs, org, &["--refresh-token"], &stdin);
        assert_eq!(ran.status, status, "{ran:?}");
        assert!(ran.stderr.contains(expected), "{ran:?}");
        says_no_secret(&ran);
    }
    assert_eq!(orgs.run(&["profiles"]).stdout, "");
}

#[test]
fn wrong_arguments_are_said_before_a_secret_is_read() {
    let orgs = Orgs::start(vec![], &[]);
    for (arguments, expected) in [
        (&["--profile", "a b", "--data-center", "eu"][..], "can't be the name of a profile"),
        (&["--profile", "a", "--data-center", "uk"], "is no data center"),
        (&["--profile", "a"], "--data-center"),
        (&["--profile", "a", "--api-domain", "http://zoho.com"], "--accounts-url"),
        (
            &["--profile", "a", "--api-domain", "http://a.b", "--accounts-url", "https://a.b"],
            "would carry secrets in the clear",
        ),
    ] {
        let ran = orgs.run(&[&["login", "--client-id", "1000.A"], arguments].concat());
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.stderr.contains(expected), "{ran:?}");
    }
}

#[test]
fn a_logout_revokes_the_token_and_removes_the_profile() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("beta")], &[]);
    let ran = orgs.run(&["logout", "--profile", "acme"]);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (0, "The refresh token is revoked, and the profile acme is removed.\n"),
        "{ran:?}"
    );
    assert!(orgs.run(&["profiles"]).stdout.starts_with("beta "));
    let again = orgs.run(&["logout", "--profile", "acme"]);
    assert_eq!(again.status, 2);
    assert!(again.stderr.contains("there is no profile \"acme\"; there is only beta"), "{again:?}");

    let org = &orgs.seeded[0];
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    assert_eq!(login(&orgs, org, &["--refresh-token"], &stdin).status, 3, "it is revoked");
}

#[test]
fn a_logout_that_reaches_nobody_keeps_the_profile() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    let Orgs { home, served, .. } = orgs;
    served.kill();
    let ran = home.run(&["logout", "--profile", "acme"]);
    assert_eq!(ran.status, 6, "{ran:?}");
    assert!(ran.stderr.contains("hint: the profile is still there"), "{ran:?}");
    assert!(home.run(&["profiles"]).stdout.starts_with("acme "));
}

#[cfg(unix)]
#[test]
fn a_code_is_not_used_up_where_it_could_not_be_kept() {
    use std::os::unix::fs::PermissionsExt as _;

    let org = without_profile("acme");
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let credentials = orgs.config().join("credentials.toml");
    let set_mode = |mode| {
        std::fs::set_permissions(&credentials, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(0o644);
    let stdin = format!("{}\n{}\n", org.client_secret(), org.code());
    let refused = login(&orgs, &org, &[], &stdin);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.stderr.contains("chmod 600"), "{refused:?}");
    set_mode(0o600);
    assert_eq!(login(&orgs, &org, &[], &stdin).status, 0);
}
