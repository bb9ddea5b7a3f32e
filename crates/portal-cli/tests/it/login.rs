//! `login` and `logout`: what is stored, and what is not.

use serde_json::json;

use crate::orgs::{Org, Orgs};
use crate::support::{Home, Ran, Served, golden};

fn without_profile(name: &str) -> Org {
    Org { has_profile: false, ..Org::new(name) }
}

fn login(orgs: &Orgs, org: &Org, more: &[&str], stdin: &str) -> Ran {
    let url = orgs.served.url();
    let client_id = org.client_id();
    let hosts = ["--api-domain", url, "--accounts-url", url, "--client-id", &client_id];
    orgs.run_with(&[&["login", "--profile", &org.name], &hosts[..], more].concat(), stdin)
}

/// The id of an org differs from one service to the next.
fn without_id(text: &str) -> String {
    match (text.find(" ("), text.find(')')) {
        (Some(from), Some(to)) => format!("{} (ORG{}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    }
}

fn says_no_secret(ran: &Ran) {
    assert!(!ran.stdout.contains("hush") && !ran.stderr.contains("hush"), "{ran:?}");
}

#[test]
fn code_becomes_profile_once() {
    let org = without_profile("acme");
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let stdin = format!("{}\n{}\n", org.client_secret(), org.code());
    let ran = login(&orgs, &org, &[], &stdin);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(
        without_id(&ran.stdout),
        "profile acme stored for Admin of org acme (ORG); the org has no portal yet\n"
    );
    assert_eq!(ran.stderr, "Next: portal create NAME --profile acme --dry-run\n");
    says_no_secret(&ran);
    assert_eq!(orgs.run(&["create", "AcmePortal", "--profile", "acme"]).status, 0);

    let kept = std::fs::read(orgs.config().join("credentials.toml")).unwrap();
    let again = login(&orgs, &org, &[], &stdin);
    assert_eq!(again.status, 3, "{again:?}");
    assert!(again.stderr.contains("a code is valid once"), "{again:?}");
    assert_eq!(std::fs::read(orgs.config().join("credentials.toml")).unwrap(), kept);
}

#[test]
fn refresh_token_becomes_profile() {
    let org = without_profile("acme");
    let orgs = Orgs::start(vec![org.clone()], &[]);
    // As a spreadsheet or a password manager on Windows would pipe it.
    let stdin = format!("\u{feff}{}\r\n{}", org.client_secret(), org.refresh_token());
    let ran = login(&orgs, &org, &["--refresh-token", "--output", "json"], &stdin);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let mut logged_in = ran.json().remove(0);
    assert_eq!(logged_in["org"].take()["name"], "acme");
    assert_eq!(
        logged_in,
        json!({
            "profile": "acme", "outcome": "logged_in", "portals": [], "org": null,
            "user": "Admin", "create": "ok"
        })
    );
    let profiles = orgs.run(&["profiles", "--output", "json"]).json();
    assert_eq!(profiles[0]["client_id"], json!(org.client_id()));
    let again = login(&orgs, &org, &["--refresh-token"], &stdin);
    assert_eq!(
        without_id(&again.stdout),
        "profile acme replaced for Admin of org acme (ORG); the org has no portal yet\n"
    );
}

#[test]
fn own_server_needs_only_its_url() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let ran = home.run(&["login", "--profile", "local", "--api-domain", server.url()]);
    assert!(ran.status == 0 && ran.stdout.starts_with("profile local stored for "), "{ran:?}");
    let next = "Next: portal create NAME --profile local --dry-run\n";
    assert!(ran.stderr.ends_with(next), "{ran:?}");
    assert_eq!(home.run(&["create", "AcmePortal", "--profile", "local"]).status, 0);
    // As after `eval "$(portal serve env)"`.
    let ran = server.run(&home, &["login", "--profile", "again"]);
    assert!(ran.stdout.starts_with("profile again stored for "), "{ran:?}");
}

#[test]
fn environment_of_own_server_leads_to_its_org() {
    let org = without_profile("acme");
    let orgs = Orgs::start(vec![org.clone(), without_profile("beta")], &[]);
    let mut login = orgs.home.command(&["login", "--profile", "acme"]);
    let ran = Ran::of(login.envs(org.environment(orgs.served.url())));
    assert!(ran.stdout.starts_with("profile acme stored for Admin of org acme ("), "{ran:?}");
    // Without it, the name of the profile says which org, or nothing does.
    let login = |profile: &str| {
        orgs.run(&["login", "--profile", profile, "--api-domain", orgs.served.url()])
    };
    let ran = login("beta");
    assert!(ran.stdout.starts_with("profile beta stored for Admin of org beta ("), "{ran:?}");
    let ran = login("gamma");
    let why = "error: missing client id: the server at ";
    assert!(ran.status == 2 && ran.stderr.starts_with(why), "{ran:?}");
    let nowhere = ["login", "--profile", "gamma", "--api-domain", "http://127.0.0.1:1"];
    let ran = orgs.run(&nowhere);
    let why = "error: missing client id: no `portal serve` is running at http://127.0.0.1:1\n";
    assert!(ran.status == 2 && ran.stderr.starts_with(why), "{ran:?}");
}

#[test]
fn login_of_user_who_may_not_create_warns() {
    let org = Org { permissions: &["manage_portal"], ..without_profile("acme") };
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    let ran = login(&orgs, &org, &["--refresh-token"], &stdin);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("\"Manage Portal Users\""), "{ran:?}");
    assert!(ran.stderr.contains("hint: ") && !ran.stderr.contains("Next: "), "{ran:?}");
    let ran = login(&orgs, &org, &["--refresh-token", "--output", "json"], &stdin);
    assert_eq!(ran.json()[0]["create"], json!("failed"));
}

#[test]
fn known_profile_supplies_what_is_missing() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    let org = &orgs.seeded[0];
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    let ran = orgs.run_with(&["login", "--profile", "acme", "--refresh-token"], &stdin);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("profile acme replaced for Admin of org acme ("), "{ran:?}");
}

#[test]
fn login_names_user_and_is_enough_for_rename() {
    let scopes = &["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ", "ZohoCRM.users.READ"];
    let org = Org { scopes, ..without_profile("acme") };
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let stdin = format!("{}\n{}\n", org.client_secret(), org.code());
    let ran = login(&orgs, &org, &[], &stdin);
    assert!(ran.stdout.starts_with("profile acme stored for Admin of org acme ("), "{ran:?}");
    // What login asks for is enough for a rename.
    assert_eq!(orgs.run(&["create", "AcmePortal", "--profile", "acme"]).status, 0);
    let rename = ["rename", "AcmePortal", "AcmeOther", "--profile", "acme"];
    assert_eq!(orgs.run(&rename).status, 0);
}

#[test]
fn failed_login_leaves_no_token() {
    let [acme, beta] = ["acme", "beta"].map(without_profile);
    let orgs = Orgs::start(vec![acme.clone(), beta.clone()], &[]);
    let as_acme = |org: &Org, more: &[&str]| {
        let stdin = format!("{}\n{}\n", org.client_secret(), org.code());
        login(&orgs, &Org { name: "acme".to_owned(), ..org.clone() }, more, &stdin)
    };
    let first = as_acme(&acme, &[]);
    assert_eq!(first.status, 0, "{first:?}");
    let before = std::fs::read(orgs.config().join("credentials.toml")).unwrap();
    // The client of beta, under the profile acme.
    let url = orgs.served.url();
    let id = beta.client_id();
    let arguments = ["login", "--profile", "acme", "--api-domain", url, "--accounts-url", url];
    let stdin = format!("{}\n{}\n", beta.client_secret(), beta.code());
    let ran = orgs.run_with(&[&arguments[..], &["--client-id", &id]].concat(), &stdin);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("a code is used up by now"), "{ran:?}");
    assert_eq!(std::fs::read(orgs.config().join("credentials.toml")).unwrap(), before);
    assert_eq!(orgs.served.requests("/oauth/v2/token/revoke"), 1, "{}", orgs.served.log());
}

#[test]
fn token_without_read_is_stored_with_warning() {
    let scopes = &["ZohoCRM.settings.clientportal.CREATE", "ZohoCRM.org.READ"];
    let org = Org { scopes, ..without_profile("acme") };
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    let ran = login(&orgs, &org, &["--refresh-token"], &stdin);
    assert_eq!(
        (ran.status, without_id(&ran.stdout).as_str()),
        (0, "profile acme stored for Admin of org acme (ORG)\n")
    );
    golden("login-without-read", &ran.stderr);
}

#[test]
fn failing_credentials_are_not_stored() {
    let org = without_profile("acme");
    let sandbox = Org { environment: "sandbox", ..without_profile("trial") };
    let orgs = Orgs::start(vec![org.clone(), sandbox.clone()], &[]);
    let good = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    for (org, stdin, status, expected) in [
        (&org, "hush-wrong\n1000.hush\n".to_owned(), 3, "the client"),
        (&org, format!("{}\n1000.hush\n", org.client_secret()), 3, "the refresh token"),
        (&org, org.client_secret(), 2, "missing refresh token"),
        (&org, String::new(), 2, "missing client secret"),
        (&org, good.replace("1000", "\"1000"), 2, "the refresh token has a quote"),
        (&org, good.replace("1000", "Zoho-oauthtoken 1000"), 2, "begins with the scheme"),
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
fn endpoint_given_as_host_is_stored_as_host() {
    let org = without_profile("acme");
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let (url, id) = (orgs.served.url(), org.client_id());
    let (api, token) = (format!("{url}/crm/v7"), format!("{url}/oauth/v2/token"));
    let login = ["login", "--profile", "acme", "--refresh-token", "--client-id", &id];
    let hosts = ["--api-domain", &api, "--accounts-url", &token];
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    let ran = orgs.run_with(&[&login[..], &hosts].concat(), &stdin);
    assert_eq!(ran.status, 0, "{ran:?}");
    let config = std::fs::read_to_string(orgs.config().join("config.toml")).unwrap();
    assert!(config.contains(&format!("api_domain = \"{url}\"\naccounts_url = \"{url}\"")));
    // As somebody writes it by hand.
    std::fs::write(orgs.config().join("config.toml"), config.replace(url, &api)).unwrap();
    let ran = orgs.run(&["create", "AcmePortal", "--profile", "acme"]);
    assert_eq!((ran.status, ran.stderr.contains("names")), (0, false), "{ran:?}");
}

#[test]
fn stdin_in_other_encoding_is_named() {
    let org = without_profile("acme");
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let url = orgs.served.url();
    let id = org.client_id();
    let hosts = ["--api-domain", url, "--accounts-url", url, "--client-id", &id];
    let login = [&["login", "--profile", "acme", "--refresh-token"][..], &hosts].concat();
    let text = format!("\u{feff}{}\n{}\n", org.client_secret(), org.refresh_token());
    let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(orgs.home.path().join("secrets.txt"), utf_16).unwrap();
    let mut command = orgs.home.command(&login);
    command.stdin(std::fs::File::open(orgs.home.path().join("secrets.txt")).unwrap());
    let ran = Ran::of(&mut command);
    assert_eq!((ran.status, ran.stderr.as_str()), (2, "error: stdin is not UTF-8\n"));
}

#[test]
fn invalid_arguments_fail_before_reading_secrets() {
    let orgs = Orgs::start(vec![], &[]);
    for (arguments, expected) in [
        (&["--profile", "a b", "--data-center", "eu"][..], "can't be the name of a profile"),
        (&["--profile", "a", "--data-center", "uk"], "data center"),
        (&["--profile", "a"], "--data-center"),
        (&["--data-center", "eu"], "--profile"),
        (&["--profile", "a", "--data-center", "eu", "--org-id", ""], "is not the id of an org"),
        (&["--profile", "a", "--data-center", "eu", "--org-id", "org7000"], "its digits only"),
        (&["--profile", "a", "--api-domain", "https://zoho.example"], "--accounts-url"),
        (
            &["--profile", "a", "--api-domain", "http://a.b", "--accounts-url", "https://a.b"],
            "would carry secrets in the clear",
        ),
    ] {
        let ran = orgs.run(&[&["login", "--client-id", "1000.A"], arguments].concat());
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.stderr.contains(expected), "{ran:?}");
    }
    let ran = orgs.run(&["login", "--profile", "a", "--data-center", "eu"]);
    assert!(ran.status == 2 && ran.stderr.contains("--client-id"), "{ran:?}");
}

#[test]
fn logout_revokes_token_and_removes_profile() {
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

/// The access tokens that processes share.
fn cached_tokens(orgs: &Orgs) -> usize {
    let files = std::fs::read_dir(orgs.home.tokens());
    let files = files.into_iter().flatten().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "json")).count()
}

#[test]
fn access_token_goes_with_refresh_token_or_profile() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("beta")], &[]);
    assert_eq!(orgs.run(&["list", "--profile", "acme"]).status, 0);
    assert_eq!(orgs.run(&["list", "--profile", "beta"]).status, 0);
    assert_eq!(cached_tokens(&orgs), 2);
    assert_eq!(orgs.run(&["logout", "--profile", "acme"]).status, 0);
    assert_eq!(cached_tokens(&orgs), 1);
    assert_eq!(orgs.run(&["logout", "--profile", "beta", "--keep-token"]).status, 0);
    assert_eq!(cached_tokens(&orgs), 0);
}

#[test]
fn login_over_profile_ends_earlier_token() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    let org = &orgs.seeded[0];
    assert_eq!(orgs.run(&["list", "--profile", "acme"]).status, 0);
    let ran = login(&orgs, org, &[], &format!("{}\n{}\n", org.client_secret(), org.code()));
    assert_eq!((ran.status, cached_tokens(&orgs)), (0, 1), "{ran:?}");
    assert_eq!(orgs.served.requests("/oauth/v2/token/revoke"), 1);
    assert_eq!(orgs.run(&["list", "--profile", "acme"]).status, 0);
    let mut earlier = orgs.home.command(&["list"]);
    let ran = Ran::of(earlier.envs(org.environment(orgs.served.url())));
    assert_eq!(ran.status, 3, "{ran:?}");
}

#[test]
fn login_over_profile_keeps_token_that_another_has() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    let org = &orgs.seeded[0];
    let twin = Org { name: "twin".to_owned(), ..org.clone() };
    let url = orgs.served.url();
    let id = org.client_id();
    let hosts = ["--api-domain", url, "--accounts-url", url, "--client-id", &id];
    let as_twin = [&["login", "--profile", &twin.name, "--refresh-token"][..], &hosts].concat();
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    assert_eq!(orgs.run_with(&as_twin, &stdin).status, 0);
    // The same token again, and then another one.
    for stdin in [stdin, format!("{}\n{}\n", org.client_secret(), org.code())] {
        let more: &[_] = if stdin.contains("code") { &[] } else { &["--refresh-token"] };
        let ran = login(&orgs, org, more, &stdin);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert_eq!(orgs.run(&["list", "--profile", "twin"]).status, 0);
    }
    assert_eq!(orgs.served.requests("/oauth/v2/token/revoke"), 0);
}

#[test]
fn logout_asks_before_others_lose_their_token() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    let org = &orgs.seeded[0];
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    let twin = Org { name: "twin".to_owned(), ..org.clone() };
    let url = orgs.served.url();
    let id = org.client_id();
    let hosts = ["--api-domain", url, "--accounts-url", url, "--client-id", &id];
    let login = [&["login", "--profile", &twin.name, "--refresh-token"][..], &hosts].concat();
    assert_eq!(orgs.run_with(&login, &stdin).status, 0);

    let ran = orgs.run(&["logout", "--profile", "acme"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("also ends the access of twin"), "{ran:?}");
    assert!(ran.stderr.contains("`--yes`"), "{ran:?}");
    assert_eq!(orgs.run(&["list", "--profile", "twin"]).status, 0);
    let ran = orgs.run(&["logout", "--profile", "acme", "--yes"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("no longer work: twin"), "{ran:?}");
}

#[test]
fn unreachable_logout_keeps_profile() {
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
fn code_is_not_used_up_if_it_cannot_be_stored() {
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
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(refused.stderr.contains("chmod 600"), "{refused:?}");
    set_mode(0o600);
    let lock = orgs.config().join("profiles.lock");
    let _ = std::fs::remove_file(&lock);
    std::fs::create_dir(&lock).unwrap();
    let refused = login(&orgs, &org, &[], &stdin);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.stderr.contains("profiles.lock can't be locked"), "{refused:?}");
    std::fs::remove_dir(&lock).unwrap();
    assert_eq!(login(&orgs, &org, &[], &stdin).status, 0);
}

#[test]
fn login_to_other_org_warns_and_keeps_intents() {
    let [acme, beta] = ["acme", "beta"].map(without_profile);
    let orgs =
        Orgs::start(vec![acme.clone(), beta.clone()], &["--fault", "POST committed:delay=60s"]);
    let home = &orgs.home;
    let as_main = |org: &Org, more: &[&str]| {
        let url = orgs.served.url();
        let id = org.client_id();
        let login = ["login", "--profile", "main", "--refresh-token", "--client-id", &id];
        let hosts = ["--api-domain", url, "--accounts-url", url];
        let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
        orgs.run_with(&[&login[..], &hosts, more].concat(), &stdin)
    };
    let ran = as_main(&acme, &[]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("profile main stored for Admin of org acme ("), "{ran:?}");
    assert!(home.run(&["profiles"]).stdout.contains("acme ("));
    orgs.kill_create("main");

    let ran = as_main(&beta, &[]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("the profile main is for org acme ("), "{ran:?}");
    assert!(ran.stderr.contains("this login is for org beta ("), "{ran:?}");
    assert!(home.run(&["profiles"]).stdout.contains("acme ("));
    let ran = as_main(&beta, &["--yes"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("the profile main was for org acme ("), "{ran:?}");
    assert!(ran.stderr.contains("AcmePortal is in doubt from an earlier login"), "{ran:?}");
    let ran = home.run(&["create", "AcmePortal", "--profile", "main"]);
    assert_eq!(ran.status, 5, "{ran:?}");
    assert!(
        ran.stderr.contains("AcmePortal was begun in another org than the profile leads to now"),
        "{ran:?}"
    );
    let ran = home.run(&["recover", "AcmePortal"]);
    assert_eq!(ran.status, 5, "{ran:?}");
    assert!(ran.stderr.contains("org acme (") && ran.stderr.contains("org beta ("), "{ran:?}");
    let ran = home.run(&["--output", "json", "recover", "AcmePortal"]);
    let object = ran.json().remove(0);
    assert_eq!((&object["name"], &object["outcome"]), (&json!("AcmePortal"), &json!("unknown")));
    assert_eq!(object["error"]["kind"], "another_org");
    let doctor = home.run(&["doctor", "--profile", "main"]);
    let unfinished = doctor.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unfinished.contains("unfinished: AcmePortal (begun in org acme ("), "{doctor:?}");
    assert_eq!(home.run(&["list", "--profile", "main"]).stdout, "");
    assert_eq!(as_main(&acme, &["--yes"]).status, 0);
    let ran = home.run(&["--output", "json", "recover", "AcmePortal"]);
    assert_eq!((ran.status, &ran.json()[0]["origin"]), (0, &json!("appeared")), "{ran:?}");
}

#[test]
fn org_is_stated_where_token_cannot_read_it() {
    let scopes = &["ZohoCRM.settings.clientportal.CREATE", "ZohoCRM.settings.clientportal.READ"];
    let org = Org { scopes, ..without_profile("acme") };
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    let ran = login(&orgs, &org, &["--refresh-token"], &stdin);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.stderr.contains("also has the scope ZohoCRM.org.READ, or pass `--org-id`"),
        "{ran:?}"
    );
    let ran = login(&orgs, &org, &["--refresh-token", "--org-id", "7000"], &stdin);
    assert!(ran.status == 0 && !ran.stderr.contains("`--org-id`"), "{ran:?}");
    assert!(orgs.run(&["profiles"]).stdout.contains("7000"));
    assert_eq!(orgs.run(&["create", "AcmePortal", "--profile", "acme"]).status, 0);
    assert!(orgs.run(&["history"]).stdout.contains("acme, org 7000"));
}

#[test]
fn stated_org_that_is_not_that_of_token_is_refused() {
    let org = without_profile("acme");
    let orgs = Orgs::start(vec![org.clone()], &[]);
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    let ran = login(&orgs, &org, &["--refresh-token", "--org-id", "7000"], &stdin);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("the token is for org acme ("), "{ran:?}");
    assert_eq!(orgs.run(&["profiles"]).stdout, "");

    let before = orgs.served.requests("/crm/v7/settings/portals");
    let mut create = orgs.home.command(&["--output", "json", "create", "AcmePortal"]);
    create.envs(org.environment(orgs.served.url())).env("PORTAL_ORG_ID", "7000");
    let ran = Ran::of(&mut create);
    let object = ran.json().remove(0);
    assert_eq!((ran.status, &object["outcome"]), (2, &json!("not_created")), "{ran:?}");
    assert_eq!(object["error"]["kind"], "another_org", "{ran:?}");
    assert_eq!(orgs.served.requests("/crm/v7/settings/portals"), before);
}
