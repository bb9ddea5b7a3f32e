//! `portal admin` on a running server, over SQLite and PostgreSQL.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Home, Ran, Served};

const NAME: &str = "PortalsAPItest100";
const ADA: &str = "ada@acme.example";
const BOTH: [&str; 4] = ["--permission", "manage_portal", "--permission", "manage_portal_users"];

/// `portal admin` on one registry.
struct Admin<'a> {
    home: &'a Home,
    place: [&'a str; 2],
}

impl Admin<'_> {
    fn run(&self, arguments: &[&str]) -> Ran {
        let arguments: Vec<_> = ["admin"].iter().chain(arguments).chain(&self.place).collect();
        let arguments: Vec<_> = arguments.into_iter().copied().collect();
        Ran::from(self.home.command(&arguments).env("USER", "grace").output().unwrap())
    }

    /// The objects that a command which succeeds prints.
    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let ran = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        ran.json()
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        ran.stdout
    }

    /// Adds an org, and Ada with a credential.
    fn add_ada(&self) -> Value {
        self.succeed(&["org", "add", "Acme"]);
        self.succeed(&[&["user", "add", "Acme", ADA, "--name", "Ada"][..], &BOTH].concat());
        self.json(&["credential", "add", "Acme", ADA]).remove(0)
    }
}

/// `portal` on a server with a credential that was added.
fn as_ada(server: &Served, home: &Home, credential: &Value, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    command.env("PORTAL_API_DOMAIN", server.url()).env("PORTAL_ACCOUNTS_URL", server.url());
    for (variable, key) in [
        ("PORTAL_CLIENT_ID", "client_id"),
        ("PORTAL_CLIENT_SECRET", "client_secret"),
        ("PORTAL_REFRESH_TOKEN", "refresh_token"),
    ] {
        command.env(variable, credential[key].as_str().unwrap());
    }
    command
}

/// Runs a command until it ends with `status`; that takes a second at most, and the command's time.
fn until_status(mut run: impl FnMut() -> Ran, status: i32) -> Duration {
    let started = Instant::now();
    while run().status != status {
        assert!(started.elapsed() < Duration::from_secs(60), "it takes a minute");
    }
    started.elapsed()
}

/// Access, removal, and what the log has of it, on servers that run all the while.
fn changes_hold_on_running_servers(home: &Home, place: [&str; 2], servers: &[Served; 2]) {
    let admin = Admin { home, place };
    let credential = admin.add_ada();
    for key in ["client_id", "client_secret", "refresh_token"] {
        assert!(credential[key].as_str().unwrap().len() >= 32, "{key}");
    }
    let ada = |server: usize, arguments: &[&str]| {
        Ran::from(as_ada(&servers[server], home, &credential, arguments).output().unwrap())
    };
    assert_eq!(ada(0, &["create", NAME, "--yes"]).status, 0);
    assert!(ada(1, &["list"]).stdout.starts_with(NAME));
    let new_name = "RenamedPortal";
    assert_eq!(ada(1, &["rename", NAME, new_name, "--yes"]).status, 0);

    let set = ["user", "set-permissions", "Acme", ADA];
    let refused = admin.run(&set);
    assert_eq!(refused.status, 1);
    assert_eq!(
        refused.stderr,
        "error: ada@acme.example is the only user of org \"Acme\" who can create portals\n\
         hint: give another user both permissions first, or remove the org\n"
    );
    let second = ["user", "add", "Acme", "second@acme.example"];
    admin.succeed(&[&second[..], &BOTH].concat());
    admin.succeed(&[&set[..], &["manage_portal_users"]].concat());
    for server in 0..2 {
        // One more is created if the server has not heard of it yet.
        let mut number = 100 * server;
        let create = || {
            number += 1;
            ada(server, &["create", &format!("Another{number}"), "--allow-another", "--yes"])
        };
        let took = until_status(create, 3);
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    let client_id = credential["client_id"].as_str().unwrap();
    let rotated = admin.json(&["credential", "rotate", client_id]).remove(0);
    assert_ne!(rotated["client_secret"], credential["client_secret"]);
    let mut with_new_secret = credential.clone();
    with_new_secret["client_secret"] = rotated["client_secret"].clone();
    admin.succeed(&[&set[..], &["manage_portal", "manage_portal_users"]].concat());
    let list =
        || Ran::from(as_ada(&servers[0], home, &with_new_secret, &["list"]).output().unwrap());
    until_status(list, 0);
    admin.succeed(&["user", "remove", "Acme", ADA]);
    until_status(list, 3);

    let mut log = admin.json(&["log"]);
    log.retain(|it| !it["subject"].as_str().unwrap().starts_with("Another"));
    let actions: Vec<_> = log.iter().map(|it| it["action"].as_str().unwrap()).collect();
    let at = actions.iter().rposition(|it| *it == "org_added").unwrap();
    assert_eq!(
        actions[at..],
        [
            "org_added",
            "user_added",
            "credential_added",
            "portal_created",
            "portal_renamed",
            "user_added",
            "permissions_set",
            "secret_rotated",
            "permissions_set",
            "credential_revoked",
            "user_removed",
        ]
    );
    let created = &log[at + 3];
    assert_eq!(created["subject"], NAME, "its name of then");
    assert_eq!(created["actor"], ADA);
    assert_eq!(log[at]["actor"], "operator grace");
    let text = admin.succeed(&["log", "--limit", "1000"]);
    assert!(
        text.contains("portal_renamed      RenamedPortal of Acme, was PortalsAPItest100"),
        "{text}"
    );
    for secret in [&credential["client_secret"], &credential["refresh_token"]] {
        assert!(!text.contains(secret.as_str().unwrap()));
    }
    let users = admin.json(&["user", "list", "Acme"]);
    assert_eq!(users.len(), 1);
    assert_eq!(users[0]["email"], "second@acme.example");
    let credentials = admin.json(&["credential", "list", "Acme"]);
    assert!(credentials[0]["revoked_at"].is_string(), "{credentials:?}");
}

#[test]
fn changes_hold_on_servers_of_directory() {
    let home = Home::new();
    let servers = [(); 2].map(|()| Served::start(&home, &["--data", "kept"]));
    changes_hold_on_running_servers(&home, ["--data", "kept"], &servers);
}

#[cfg(unix)]
#[portal_testkit::needs(postgresql)]
#[test]
fn changes_hold_on_servers_of_database() {
    let (home, database) = (Home::new(), portal_testkit::Database::create());
    let url = database.url();
    // It gets its first org before any server.
    Admin { home: &home, place: ["--database-url", &url] }.succeed(&["org", "add", "First"]);
    let servers = [(); 2].map(|()| Served::start(&home, &["--database-url", &url]));
    changes_hold_on_running_servers(&home, ["--database-url", &url], &servers);
}

#[test]
fn directory_with_other_orgs_gets_no_default_org() {
    let home = Home::new();
    std::fs::write(home.path().join("seed.toml"), "[[org]]\nname = \"Seeded\"").unwrap();
    Served::start(&home, &["--data", "kept", "--seed", "seed.toml"]).kill();
    let credential = Admin { home: &home, place: ["--data", "kept"] }.add_ada();
    let server = Served::start(&home, &["--data", "kept"]);
    assert_eq!(server.listening.get("client_secret"), None, "no secrets are told");
    let listed = as_ada(&server, &home, &credential, &["list"]).output().unwrap();
    assert_eq!(Ran::from(listed).status, 0);
    let orgs = Admin { home: &home, place: ["--data", "kept"] }.json(&["org", "list"]);
    let orgs: Vec<_> = orgs.iter().map(|org| org["org"].as_str().unwrap()).collect();
    assert_eq!(orgs, ["Seeded", "Acme"]);
}

#[test]
fn rotated_default_credentials_are_not_shown() {
    let home = Home::new();
    let server = Served::start(&home, &["--data", "kept"]);
    let client = server.listening["client_id"].as_str().unwrap().to_owned();
    let admin = Admin { home: &home, place: ["--data", "kept"] };
    server.kill();
    let shown = |server: Served| server.listening.get("client_secret").is_some();
    assert!(shown(Served::start(&home, &["--data", "kept"])));
    admin.succeed(&["credential", "rotate", &client]);
    assert!(!shown(Served::start(&home, &["--data", "kept"])));
}

#[test]
fn mistakes_are_one_sentence_and_hint() {
    let home = Home::new();
    Served::start(&home, &["--data", "kept"]).kill();
    let admin = Admin { home: &home, place: ["--data", "kept"] };
    for (arguments, status, expected) in [
        (
            &["user", "list", "Nowhere"][..],
            1,
            "error: there is no org \"Nowhere\"\nhint: `portal admin org list --data kept` shows the orgs\n",
        ),
        (
            &["user", "add", "Nowhere", ADA],
            1,
            "error: there is no org \"Nowhere\"\nhint: `portal admin org list --data kept` shows the orgs\n",
        ),
        (&["org", "add", "Default org"], 4, "error: org \"Default org\" already exists\n"),
        (
            &["credential", "add", "Default org", ADA],
            1,
            "error: org \"Default org\" has no user ada@acme.example\n\
             hint: `portal admin user list 'Default org' --data kept` shows its users\n",
        ),
        (
            &["credential", "revoke", "1000.NONE"],
            1,
            "error: there is no valid credential \"1000.NONE\"\n\
             hint: `portal admin credential list ORG --data kept` shows the credentials of an org\n",
        ),
    ] {
        let ran = admin.run(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{arguments:?}");
        assert_eq!(ran.stderr, expected);
    }
    let hostile = home
        .command(&["admin", "org", "add", "Forged", "--data", "kept"])
        .env("USER", "grace\n2026-01-01T00:00:00Z  operator ada  org_removed")
        .output();
    assert!(hostile.unwrap().status.success());
    assert_eq!(admin.succeed(&["log", "--limit", "1"]).lines().count(), 1);
    let elsewhere = Admin { home: &home, place: ["--data", "elsewhere"] }.run(&["org", "list"]);
    assert_eq!(elsewhere.status, 2);
    assert!(elsewhere.stderr.starts_with("error: elsewhere has no registry\nhint: "));
    assert!(!home.path().join("elsewhere").exists(), "nothing is made");
    let nowhere = home.run(&["admin", "org", "list"]);
    assert_eq!(nowhere.status, 2);
    assert!(nowhere.stderr.contains("pass `--data DIR` or `--database-url URL`"));
}

#[test]
fn subcommand_examples_fit_80_columns() {
    let home = Home::new();
    for (group, commands) in [
        ("org", &["add", "list", "remove"][..]),
        ("user", &["add", "list", "remove", "set-permissions"]),
        ("credential", &["add", "list", "rotate", "revoke"]),
    ] {
        for command in commands {
            let ran = home.run(&["admin", group, command, "--help"]);
            assert_eq!(ran.status, 0);
            assert!(ran.stdout.contains("Examples:\n  portal admin "), "{}", ran.stdout);
            assert!(ran.stdout.lines().count() <= 40, "{}", ran.stdout);
            assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
        }
    }
}
