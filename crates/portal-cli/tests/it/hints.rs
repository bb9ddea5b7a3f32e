//! Commands in hints: each is run by a test here as it is printed, or is marked as prose.

use std::process::Command;

use portal_testkit::Signal;

use crate::orgs::{Org, Orgs};
use crate::support::{Home, Ran, Running, Served, wait_until};

/// The commands that tests here run, without their values.
const RUN: [&str; 18] = [
    "portal --help",
    "portal admin org list --data",
    "portal admin user list --data",
    "portal batch",
    "portal create",
    "portal create --local",
    "portal explain",
    "portal list",
    "portal list --local",
    "portal list --profile",
    "portal profiles",
    "portal logout --profile",
    "portal recover",
    "portal recover --profile",
    "portal rehearse",
    "portal rename",
    "portal rename --local",
    "portal rename --profile",
];

/// The commands that no test can run as they are printed.
const PROSE: [(&str, &str); 11] = [
    ("portal admin", "names a group of commands"),
    ("portal admin credential list --data", "has a placeholder"),
    ("portal admin org list", "the URL of a database has a password; the variable is set"),
    ("portal admin user list", "the URL of a database has a password; the variable is set"),
    ("portal admin credential list", "has a placeholder"),
    ("portal login", "asks on a terminal: `prompts` runs it"),
    ("portal login --profile", "asks on a terminal: `prompts` runs it"),
    ("portal profiles rename", "has a placeholder"),
    ("portal recover --same-org", "on the word of the user: `doubt` and `doubtful_batch` run it"),
    ("portal serve", "runs until it is ended: `serve` runs it"),
    ("portal serve --data", "names an option"),
];

const SUBCOMMANDS: [&str; 20] = [
    "admin",
    "batch",
    "check",
    "create",
    "credential",
    "doctor",
    "explain",
    "history",
    "list",
    "log",
    "login",
    "logout",
    "org",
    "profiles",
    "recover",
    "rehearse",
    "rename",
    "requests",
    "serve",
    "user",
];

/// The commands in the hints of a text: after `hint:` on stderr, after an arrow in a table, and the one
/// that continues a batch.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        let line = line.trim_start();
        let hint = line.strip_prefix("hint: ").or_else(|| line.strip_prefix("→ "));
        let quoted = hint.unwrap_or_default().split('`').skip(1).step_by(2);
        let quoted = quoted.filter(|quoted| quoted.starts_with("portal "));
        let again = ["Continue with: ", "Try again with: ", "Rehearse again with: "];
        quoted.chain(again.into_iter().find_map(|start| line.strip_prefix(start)))
    })
}

/// `portal rename --local` for `portal rename OldName NewName --local`
fn without_values(command: &str) -> String {
    let words: Vec<_> = command.split(' ').skip(1).collect();
    let names = words.iter().take_while(|word| SUBCOMMANDS.contains(word));
    // Those of a batch are the user's own.
    let is_own = matches!(words.first(), Some(&"batch" | &"rehearse"));
    let flags = words.iter().filter(|word| !is_own && word.starts_with("--"));
    names.chain(flags).fold("portal".to_owned(), |text, word| text + " " + word)
}

/// Checks the hints that a test got: each is known here.
pub(crate) fn check(text: &str) {
    for command in commands(text) {
        let pattern = without_values(command);
        let is_known =
            RUN.contains(&pattern.as_str()) || PROSE.iter().any(|(prose, _)| *prose == pattern);
        assert!(is_known, "no test runs the hint `{command}` ({pattern}), and it is not prose");
    }
}

/// A shell with `portal` on its path, in a home.
fn shell(home: &Home, command: &str) -> Command {
    let template = home.command(&[]);
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_portal")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env_clear().current_dir(home.path()).env("PATH", path);
    shell.envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// Runs the first command of the hints of `ran`, as it is printed.
fn follow(home: &Home, ran: &Ran) -> Ran {
    follow_with(home, ran, [])
}

fn follow_with<'a>(
    home: &Home,
    ran: &Ran,
    environment: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Ran {
    let mut all = commands(&ran.stderr).chain(commands(&ran.stdout));
    let command = all.next().expect(&ran.stderr);
    Ran::of(shell(home, command).envs(environment))
}

#[test]
fn hints_without_account_can_be_run() {
    let home = Home::new();
    let blocked = |name: &str| {
        let ran = home.run(&["create", "--local", name]);
        assert_eq!(ran.status, 4, "{ran:?}");
        ran
    };
    assert_eq!(home.run(&["create", "--local", "FirstPortal"]).status, 0);
    let renamed = follow(&home, &blocked("SecondPortal"));
    assert_eq!(renamed.stdout, "FirstPortal was renamed to SecondPortal\n", "{renamed:?}");
    let listed = follow(&home, &home.run(&["list", "--local", "Nowhere"]));
    assert!(listed.stdout.starts_with("SecondPortal"), "{listed:?}");
    for (arguments, expected) in [
        (&["explain", "xyz"][..], "ALREADY_USED"),
        (&["man", "nonsense"], "portal COMMAND -h"),
        (&["list", "--profile=two words"], ""),
        (&["frobnicate"], "portal COMMAND -h"),
    ] {
        let followed = follow(&home, &home.run(arguments));
        assert_eq!(followed.status, 0, "{arguments:?}");
        assert!(followed.stdout.contains(expected), "{arguments:?}: {followed:?}");
    }
}

#[test]
fn hints_name_profile() {
    let acme = Org {
        scopes: &["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ"],
        ..Org::new("acme")
    };
    let orgs = Orgs::start(vec![acme, Org::new("beta"), Org::new("gamma")], &[]);
    assert_eq!(orgs.run(&["create", "FirstPortal", "--profile", "acme"]).status, 0);
    let blocked = orgs.run(&["create", "SecondPortal", "--profile", "acme"]);
    assert_eq!(follow(&orgs.home, &blocked).status, 0, "{blocked:?}");
    let listed = follow(&orgs.home, &orgs.run(&["list", "Nowhere", "--profile", "acme"]));
    assert!(listed.stdout.starts_with("SecondPortal"), "{listed:?}");

    orgs.write("two rows.csv", "profile,name\nbeta,BetaPortal\ngamma,GammaPortal\n");
    let first = orgs.run(&["batch", "two rows.csv", "--limit", "1"]);
    let command = "Continue with: portal batch 'two rows.csv' --limit 1\n";
    assert!(first.stdout.contains(command), "{first:?}");
    assert_eq!(follow(&orgs.home, &first).stdout, "1 created, 1 created earlier\n");

    orgs.write("my portals.csv", "profile,name\nacme,ThirdPortal\n");
    assert_eq!(orgs.run(&["batch", "my portals.csv"]).status, 4);
    let again = orgs.run(&["batch", "my portals.csv"]);
    assert!(
        again.stdout.contains("\nTry again with: portal batch 'my portals.csv'\n"),
        "{again:?}"
    );
    assert_eq!(follow(&orgs.home, &again).status, 4);

    let taken = orgs.run(&["profiles", "rename", "acme", "beta"]);
    assert_eq!(follow(&orgs.home, &taken).status, 0, "{taken:?}");
    assert_eq!(orgs.run(&["profiles", "rename", "acme", "beta"]).status, 0);
}

#[test]
fn hints_about_doubt_can_be_run() {
    let orgs = Orgs::start(vec![Org::new("acme")], &["--fault", "POST committed:delay=60s"]);
    orgs.kill_create("acme");
    let refused = orgs.run(&["logout", "--profile", "acme"]);
    assert_eq!(refused.status, 2, "{refused:?}");
    let doctor = orgs.run(&["doctor", "--profile", "acme"]);
    assert!(commands(&doctor.stdout).eq(["portal recover"]), "{doctor:?}");
    assert_eq!(follow(&orgs.home, &refused).status, 0);
    assert_eq!(follow(&orgs.home, &doctor).status, 0);

    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:drop"]);
    let mut create = server.command(&home, &["create", "AcmePortal"]);
    create.env("PORTAL_PROCESSING_TIME", "10s");
    let create = Running::start(create);
    // The list, and the request that is dropped.
    wait_until(|| server.requests("/crm/v7/settings/portals") >= 2);
    create.signal(Signal::INT);
    let in_doubt = create.wait();
    assert_eq!(in_doubt.status, 5, "{in_doubt:?}");
    let absent = follow_with(&home, &in_doubt, server.environment());
    assert_eq!(absent.status, 6, "{absent:?}");
    let lost_again = follow_with(&home, &absent, server.environment());
    assert_eq!(lost_again.status, 6, "{lost_again:?}");

    let home = Home::new();
    let server = Served::start(&home, &[]);
    assert_eq!(server.run(&home, &["create", "AcmePortal"]).status, 0);
    let blocked = server.run(&home, &["create", "AnotherPortal"]);
    assert_eq!(follow_with(&home, &blocked, server.environment()).status, 0, "{blocked:?}");
    let missing = server.run(&home, &["list", "Nowhere"]);
    assert_eq!(follow_with(&home, &missing, server.environment()).status, 0, "{missing:?}");
}

#[test]
fn hints_of_admin_name_directory() {
    let home = Home::new();
    Served::start(&home, &["--data", "my data"]).kill();
    for (arguments, expected) in
        [(["user", "list", "Nowhere"], "Default org"), (["user", "remove", "Default org"], "")]
    {
        let mut all = [&["admin"], &arguments[..]].concat();
        if arguments[1] == "remove" {
            all.push("nobody@acme.example");
        }
        let ran = home.run(&[&all[..], &["--data", "my data"]].concat());
        let followed = follow(&home, &ran);
        assert_eq!(followed.status, 0, "{followed:?}");
        assert!(followed.stdout.contains(expected), "{followed:?}");
    }
}
