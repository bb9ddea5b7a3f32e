//! `create`: its outcomes, and what it checks first.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Home, Ran, Running, Served};

const NAME: &str = "PortalsAPItest100";

#[test]
fn second_create_reports_portal_as_present() {
    let home = Home::new();
    let ran = home.run(&["create", "--local", NAME]);
    let next = "Next: `portal serve` for your own code; `portal login` for an org of Zoho CRM\n";
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "PortalsAPItest100 was created\n"));
    // Progress before it, where the disk takes a second.
    assert!(ran.stderr.ends_with(next), "{ran:?}");
    let ran = home.run(&["create", "--local", "portalsapitest100"]);
    assert_eq!(ran.status, 4);
    let text = "PortalsAPItest100 already exists in the org; `portal` created it ";
    assert!(ran.stdout.starts_with(text) && ran.stdout.ends_with("s ago\n"), "{ran:?}");
    assert_eq!(home.run(&["create", "--local", NAME, "--ensure"]).status, 0);
}

#[test]
fn verbose_create_shows_each_request() {
    let ran = Home::new().run(&["create", "--local", NAME, "-v"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "PortalsAPItest100 was created\n"));
    let requests: Vec<_> = ran.stderr.lines().filter(|line| line.contains(" → ")).collect();
    let expected = [
        "POST /oauth/v2/token → 200 in ",
        "GET /crm/v7/org → 200 in ",
        "GET /crm/v7/settings/portals → 204 in ",
        "POST /crm/v7/settings/portals → 200 in ",
    ];
    assert_eq!(requests.len(), expected.len(), "{ran:?}");
    for (request, start) in requests.iter().zip(expected) {
        let time = request.strip_prefix(start).and_then(|time| time.strip_suffix(" ms"));
        assert!(time.is_some_and(|time| time.parse::<u32>().is_ok()), "{request}");
    }
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "GET request:drop"]);
    let ran = server.run(&home, &["list", "-v"]);
    let lost = "GET /crm/v7/settings/portals → no response: ";
    assert!(ran.stderr.lines().any(|line| line.starts_with(lost)), "{ran:?}");
}

#[test]
fn json_output_is_one_object() {
    let home = Home::new();
    let create = ["--output", "json", "create", "--local"];
    let ran = home.run(&[&create[..], &[NAME]].concat());
    assert!(!ran.stderr.contains("Next: "), "{ran:?}");
    assert_eq!(ran.json(), [json!({"name": NAME, "profile": null, "outcome": "created"})]);
    let ran = home.run(&[&create[..], &[NAME]].concat());
    let mut object = ran.json().remove(0);
    assert!(object.as_object_mut().unwrap().remove("begun").is_some_and(|at| at.is_string()));
    assert_eq!(
        object,
        json!({"name": NAME, "profile": null, "outcome": "present", "origin": "created_earlier"})
    );
    let ran = home.run(&[&create[..], &["Another100"]].concat());
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (4, &json!("org_has_portal")));
    let ran = home.run(&[&create[..], &["Another100", "--allow-another"]].concat());
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (0, &json!("created")));
    let ran = home.run(&[&create[..], &["a b", "--fallback", "c-d"]].concat());
    assert_eq!(
        (ran.status, ran.json().len(), &ran.json()[0]["outcome"]),
        (2, 1, &json!("invalid"))
    );
    assert!(ran.stderr.contains("\"a b\"") && ran.stderr.contains("\"c-d\""), "{}", ran.stderr);
}

#[test]
fn same_create_at_once_creates_once() {
    let home = Home::new();
    let processes: Vec<_> = (0..6)
        .map(|_| Running::start(home.command(&["--output", "json", "create", "--local", NAME])))
        .collect();
    let mut outcomes: Vec<Value> = processes
        .into_iter()
        .map(Running::wait)
        .map(|ran| ran.json().pop().unwrap_or_else(|| panic!("{ran:?}"))["outcome"].take())
        .collect();
    outcomes.sort_by_key(Value::to_string);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "created").count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "present").count(), 5, "{outcomes:?}");
    assert_eq!(home.run(&["list", "--local"]).stdout.lines().count(), 1);
}

#[test]
fn local_ignores_environment() {
    let home = Home::new();
    let ran = home
        .command(&["create", "--local", NAME])
        .env("PORTAL_API_DOMAIN", "http://127.0.0.1:1")
        .env("PORTAL_ACCOUNTS_URL", "http://127.0.0.1:1")
        .env("PORTAL_PROFILE", "acme")
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("PORTAL_ACCESS_TOKEN", "1000.hush.hush")
        .output();
    assert_eq!(Ran::from(ran.unwrap()).status, 0);
    assert_eq!(home.run(&["create", "--local", "--profile", "acme", NAME]).status, 2);
}

#[test]
fn missing_credentials_are_all_named() {
    let ran = Home::new().run(&["create", NAME]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    crate::support::golden("create-no-place", &ran.stderr);
}

#[test]
fn create_without_terminal_requires_yes() {
    let home = Home::new();
    let ran = home
        .command_elsewhere(&["create", NAME, "--data-center", "eu"])
        .env("PORTAL_ACCESS_TOKEN", "1000.hush.hush")
        .stdin(Stdio::null())
        .output();
    let ran = Ran::from(ran.unwrap());
    assert_eq!(ran.status, 2);
    crate::support::golden("create-wants-yes", &ran.stderr);
}

#[test]
fn dry_run_looks_and_sends_nothing() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let dry_run = |name: &str, more: &[&str]| {
        server.run(&home, &[&["create", name, "--dry-run"], more].concat())
    };
    let ran = dry_run(NAME, &[]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.starts_with("PortalsAPItest100 would be created in org "), "{ran:?}");
    let object = dry_run(NAME, &["--output", "json"]).json().remove(0);
    assert_eq!(object, json!({"name": NAME, "profile": null, "outcome": "dry_run"}));
    assert_eq!((server.run(&home, &["list"]).stdout.as_str(), home.entries().len()), ("", 0));

    assert_eq!(server.run(&home, &["create", NAME]).status, 0);
    let ran = dry_run(NAME, &[]);
    assert_eq!(ran.status, 4, "{ran:?}");
    assert!(ran.stdout.starts_with("PortalsAPItest100 already exists in the org"), "{ran:?}");
    assert_eq!(dry_run(NAME, &["--ensure"]).status, 0);
    let ran = dry_run("AcmeOther", &[]);
    assert_eq!(ran.status, 4, "{ran:?}");
    assert!(ran.stderr.contains("the org has the portal PortalsAPItest100"), "{ran:?}");
    let ran = server.run(&home, &["rename", NAME, "AcmeOther", "--dry-run"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("PortalsAPItest100 would be renamed in org "), "{ran:?}");
    assert!(server.run(&home, &["list"]).stdout.starts_with(NAME));
}

#[test]
fn deadline_too_short_for_attempt_is_usage_error() {
    let ran = Home::new().run(&["create", "--local", NAME, "--deadline", "5s"]);
    assert_eq!(ran.status, 2);
    crate::support::golden("create-impatient", &ran.stderr);
}

#[test]
fn many_processes_share_one_token() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    for batch in 0..3 {
        let create = |index| {
            let name = format!("AcmePortal{batch}x{index}");
            Running::start(server.command(&home, &["create", "--allow-another", &name]))
        };
        // More of them on a busy disk could wait longer for the ledger than each attempt may.
        let processes: Vec<_> = (0..4).map(create).collect();
        for process in processes {
            let ran = process.wait();
            assert_eq!(ran.status, 0, "{ran:?}");
        }
    }
    assert_eq!(server.requests("/oauth/v2/token"), 1);
    assert_eq!(server.requests("/crm/v7/settings/portals"), 24);
}

#[cfg(unix)]
#[test]
fn cached_token_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    Served::start(&home, &[]).run(&home, &["list"]);
    let files = std::fs::read_dir(home.tokens()).unwrap();
    for file in files.map(Result::unwrap) {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}

#[test]
fn wrong_secret_exits_with_3_unprinted() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    // A token that is kept doesn't hide it.
    assert_eq!(server.run(&home, &["list"]).status, 0);
    for (variable, part) in [
        ("PORTAL_CLIENT_ID", "client id"),
        ("PORTAL_CLIENT_SECRET", "client secret"),
        ("PORTAL_REFRESH_TOKEN", "refresh token"),
    ] {
        let mut command = server.command(&home, &["create", NAME]);
        let ran = Ran::from(command.env(variable, "hush").output().unwrap());
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(ran.stderr.contains(part), "{variable}: {}", ran.stderr);
        assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
    }
}

#[test]
fn unreachable_is_6_and_plain_http_is_refused() {
    let home = Home::new();
    let create = |url: &str| {
        let ran = home
            .command(&[
                "create",
                NAME,
                "--yes",
                "--api-domain",
                url,
                "--deadline",
                "10s",
                "--timeout",
                "10ms",
                "--processing-time",
                "300ms",
                "--list-lag",
                "0s",
            ])
            .env("PORTAL_ACCESS_TOKEN", "1000.hush.hush")
            .output();
        Ran::from(ran.unwrap())
    };
    let ran = create("http://127.0.0.1:1");
    assert_eq!(ran.status, 6, "{ran:?}");
    let ran = create("http://www.zohoapis.example");
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("https"), "{}", ran.stderr);
}
