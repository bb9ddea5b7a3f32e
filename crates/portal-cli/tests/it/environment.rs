//! What the environment has that cannot be used: it is named, and nothing is sent.

#[cfg(target_os = "linux")]
use std::process::Command;

#[cfg(unix)]
use crate::orgs::{Org, Orgs};
use crate::support::{Home, Ran, home_variables};

#[cfg(unix)]
#[test]
fn unusable_variable_never_selects_default_profile() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStringExt as _;
    use std::process::{Command, Stdio};

    let run = |command: &mut Command, (name, value): (&str, &OsStr)| {
        Ran::of(command.env(name, value).stdin(Stdio::null()))
    };
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    assert_eq!(orgs.run(&["profiles", "use", "acme"]).status, 0);
    let latin_1 = OsString::from_vec(b"caf\xe9".to_vec());
    for (name, value) in [
        ("PORTAL_PROFILE", &*latin_1),
        ("PORTAL_PROFILE", OsStr::new("")),
        ("PORTAL_PROFILE", OsStr::new("\"acme\"")),
        ("PORTAL_PROFILE", OsStr::new("acme\nbeta")),
        ("PORTAL_REFRESH_TOKEN", &latin_1),
        ("PORTAL_REFRESH_TOKEN", OsStr::new("")),
        ("PORTAL_DATA_CENTER", &latin_1),
        ("PORTAL_PROCESSING_TIME", &latin_1),
        ("PORTAL_LIST_LAG", OsStr::new("soon")),
        ("PORTAL_ORG_ID", &latin_1),
        ("PORTAL_LEDGER", &latin_1),
        ("PORTAL_LEDGER", OsStr::new("")),
        ("PORTAL_LEDGER", OsStr::new(" ")),
        ("PORTAL_STATE_DIR", OsStr::new("")),
        ("PORTAL_PROCESSING_TIME", OsStr::new("")),
        ("PORTAL_LIST_LAG", OsStr::new("")),
        ("PORTAL_CA_FILE", OsStr::new("")),
        ("PORTAL_ORG_ID", OsStr::new("")),
        // Almost the name of one that would select another org or ledger.
        ("PORTAL_PROFIL", OsStr::new("beta")),
        ("PORTAL_DATACENTER", OsStr::new("eu")),
        ("PORTAL_LEDGR", OsStr::new("postgres://127.0.0.1:1/x")),
        ("PORTAL_STATEDIR", OsStr::new("/nonexistent")),
    ] {
        let ran = run(&mut orgs.home.command(&["create", "AcmePortal", "--yes"]), (name, value));
        assert_eq!(ran.status, 2, "{name} {value:?}: {ran:?}");
        assert!(ran.stderr.contains(name), "{ran:?}");
    }
    assert_eq!(orgs.served.requests("/crm/v7/settings/portals"), 0);
    let ran = run(&mut orgs.home.command(&["list"]), ("PORTAL_TEAM", OsStr::new("beta")));
    assert_eq!(ran.status, 0, "{ran:?}");
    let ran = run(&mut orgs.home.command(&["list", "--help"]), ("PORTAL_PROFIL", OsStr::new("b")));
    assert_eq!(ran.status, 0, "{ran:?}");
    let ran = run(&mut orgs.home.command(&["list"]), ("PORTAL_PROFILE", OsStr::new(" acme\r")));
    assert_eq!(ran.status, 0, "{ran:?}");
    // A flag leaves no variable to read.
    let profile = ["list", "--profile", "acme"];
    let ran = run(&mut orgs.home.command(&profile), ("PORTAL_PROFILE", &latin_1));
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn credential_with_more_than_itself_is_named() {
    let home = Home::new();
    let served = crate::support::Served::start(&home, &[]);
    let variables = served.environment();
    for name in ["PORTAL_CLIENT_ID", "PORTAL_CLIENT_SECRET", "PORTAL_REFRESH_TOKEN"] {
        let value = variables.iter().find(|(known, _)| *known == name).unwrap().1;
        for padded in [format!("{value}\r\n"), format!("\u{feff} {value}")] {
            let mut command = served.command(&home, &["list"]);
            let ran = Ran::of(command.env(name, &padded));
            assert_eq!(ran.status, 0, "{name} {padded:?}: {ran:?}");
        }
        for wrong in [
            format!("'{value}'"),
            format!("Zoho-oauthtoken {value}"),
            format!("{value}\u{e4}"),
            format!("\u{200b}{value}"),
            format!("{value},"),
            format!("{value} # of acme"),
            format!("<{value}>"),
        ] {
            let ran = Ran::of(served.command(&home, &["list"]).env(name, &wrong));
            assert_eq!(ran.status, 2, "{ran:?}");
            assert!(ran.stderr.contains(name) && !ran.stderr.contains(value), "{ran:?}");
        }
    }
    let token = "1000.0123456789abcdef0123456789abcdef.0123456789abcdef0123456789abcdef";
    for wrong in ["Zoho-oauthtoken 1000.hush", "\"1000.hush\"", "Bearer 1000.hush", "1000.hush x"] {
        let mut command = home.command(&["list", "--api-domain", served.url()]);
        let ran = Ran::of(command.env("PORTAL_ACCESS_TOKEN", wrong));
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(
            ran.stderr.contains("PORTAL_ACCESS_TOKEN") && !ran.stderr.contains("hush"),
            "{ran:?}"
        );
    }
    let mut command = home.command(&["list", "--api-domain", served.url()]);
    let ran = Ran::of(command.env("PORTAL_ACCESS_TOKEN", format!("{token}\r")));
    assert_eq!(ran.status, 3, "{ran:?}");
}

#[test]
fn unusable_proxy_is_named_and_not_passed_by() {
    let home = Home::new();
    let served = crate::support::Served::start(&home, &[]);
    for (name, value) in [
        ("HTTPS_PROXY", "\"http://127.0.0.1:1\""),
        ("HTTPS_PROXY", "http://user:hush@127.0.0.1:1\rx"),
        ("ALL_PROXY", "socks5://user:hush@127.0.0.1:1"),
        ("HTTPS_PROXY", "\u{201c}http://user:hush@127.0.0.1:1\u{201d}"),
        ("HTTPS_PROXY", "http://user:hush@127.0.0.1:1;http=127.0.0.1:2"),
        ("HTTPS_PROXY", "//127.0.0.1:1"),
        // On Windows it is the same variable.
        (if cfg!(windows) { "HTTPS_PROXY" } else { "https_proxy" }, "http://user:hush@"),
    ] {
        let mut command = home.command(&["list", "--data-center", "eu", "--client-id", "1000.A"]);
        command.env("PORTAL_CLIENT_SECRET", "hush").env("PORTAL_REFRESH_TOKEN", "1000.hush");
        let ran = Ran::of(command.env(name, value));
        assert_eq!(ran.status, 2, "{name} {value:?}: {ran:?}");
        assert!(ran.stderr.contains(name) && !ran.stderr.contains("hush"), "{ran:?}");
        // It is none of the business of a server on this machine.
        let ran = Ran::of(served.command(&home, &["list"]).env(name, value));
        assert_eq!(ran.status, 0, "{name} {value:?}: {ran:?}");
    }
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
        let ran = Ran::of(served.command(&home, &["list"]).env(name, "http://127.0.0.1:1"));
        assert_eq!(ran.status, 0, "{name}: {ran:?}");
    }
}

#[test]
fn home_with_blanks_and_other_letters_is_used() {
    let home = Home::new();
    let odd = home.path().join("Zo\u{eb} O'Hara \u{5c71}\u{7530}");
    std::fs::create_dir(&odd).unwrap();
    let run = |arguments: &[&str]| Ran::of(home.command(arguments).envs(home_variables(&odd)));
    for status in [0, 4] {
        let ran = run(&["create", "--local", "AcmePortal", "--yes"]);
        assert_eq!(ran.status, status, "{ran:?}");
    }
    let ran = run(&["history"]);
    assert!(ran.stderr.contains(odd.to_str().unwrap()), "{ran:?}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn home_is_needed_only_for_what_is_in_it() {
    let home = Home::new();
    let served = crate::support::Served::start(&home, &[]);
    let state = home.path().join("state");
    let nowhere = home_variables("/nonexistent".as_ref());
    let mut create = served.command(&home, &["create", "AcmePortal", "--yes"]);
    let ran = Ran::of(create.envs(nowhere.clone()).env("PORTAL_STATE_DIR", &state));
    assert_eq!(ran.status, 0, "{ran:?}");
    let ran = Ran::of(home.command(&["list"]).envs(nowhere.clone()));
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("no org selected"), "{ran:?}");
    let ran = Ran::of(home.command(&["list", "--profile", "acme"]).envs(nowhere));
    assert!(ran.status != 0 && ran.stderr.contains("/nonexistent"), "{ran:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn too_few_open_files_are_error_not_panic() {
    let home = Home::new();
    for (limit, is_enough) in [(4, false), (6, false), (16, false), (64, true)] {
        let mut command = Command::new("/bin/sh");
        let portal = env!("CARGO_BIN_EXE_portal");
        command.args(["-c", &format!("ulimit -n {limit}; exec {portal} list --local")]);
        let ran = Ran::of(command.env_clear().env("HOME", home.path()));
        assert_eq!(ran.status == 0, is_enough, "{limit}: {ran:?}");
        assert!(is_enough || ran.stderr.contains(&format!("may open {limit} files")), "{ran:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn limit_of_file_sizes_is_full_disk_not_signal() {
    let home = Home::new();
    let mut command = Command::new("/bin/sh");
    let portal = env!("CARGO_BIN_EXE_portal");
    command.args(["-c", &format!("ulimit -f 8; exec {portal} create --local AcmePortal")]);
    let ran = Ran::of(command.env_clear().env("HOME", home.path()));
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.starts_with("error: the disk is full under "), "{ran:?}");
}

#[test]
fn url_that_is_unusable_is_named_and_not_repeated() {
    let home = Home::new();
    let served = crate::support::Served::start(&home, &[]);
    for (name, value) in [
        ("PORTAL_API_DOMAIN", "https://user:hush@www.zohoapis.eu"),
        ("PORTAL_ACCOUNTS_URL", "accounts.zoho.eu"),
        ("PORTAL_ACCOUNTS_URL", "http://accounts.zoho.eu"),
        ("PORTAL_API_DOMAIN", "https://www.zohoapis.eu?token=hush"),
        ("PORTAL_API_DOMAIN", "https://www.zohoapis.eu:99999"),
        ("PORTAL_ACCOUNTS_URL", "https://accounts.zoho.eu:"),
    ] {
        let ran = Ran::of(served.command(&home, &["list"]).env(name, value));
        assert_eq!(ran.status, 2, "{value}: {ran:?}");
        assert!(ran.stderr.contains(&format!("invalid {name}: ")), "{ran:?}");
        assert!(!ran.stderr.contains("hush"), "{ran:?}");
    }
    let flag = ["list", "--api-domain", "https://user:hush@www.zohoapis.eu"];
    let ran = served.run(&home, &flag);
    assert!(ran.status == 2 && ran.stderr.contains("invalid --api-domain: "), "{ran:?}");
    // Endpoints as the documentation shows them.
    let token = format!("{}/oauth/v2/token", served.url());
    let portals = format!("{}/crm/v7/settings/portals", served.url());
    let mut list = served.command(&home, &["list"]);
    list.env("PORTAL_ACCOUNTS_URL", token).env("PORTAL_API_DOMAIN", portals);
    let ran = Ran::of(&mut list);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stderr, format!("There is no portal in the org at {}.\n", served.url()));
    let dotted = served.url().replace("127.0.0.1", "LocalHost.");
    let mut list = served.command(&home, &["list"]);
    list.env("PORTAL_ACCOUNTS_URL", &dotted).env("PORTAL_API_DOMAIN", &dotted);
    let ran = Ran::of(list.env("HTTPS_PROXY", "nonsense").env("HTTP_PROXY", "http://127.0.0.1:9"));
    assert_eq!(ran.status, 0, "{ran:?}");
    for directory in ["~/state", "state"] {
        let mut create = served.command(&home, &["create", "AcmePortal", "--yes"]);
        let ran = Ran::of(create.env("PORTAL_STATE_DIR", directory));
        assert!(ran.status == 2 && ran.stderr.contains("PORTAL_STATE_DIR is"), "{ran:?}");
    }
    for file in ["/nonexistent/ca.pem", "."] {
        let ran = Ran::of(served.command(&home, &["list"]).env("PORTAL_CA_FILE", file));
        assert!(ran.status == 2 && ran.stderr.contains("unusable certificates: "), "{ran:?}");
    }
}

#[test]
fn variable_of_option_is_named() {
    let home = Home::new();
    for (name, value, expected) in [
        ("PORTAL_DATABASE_URL", "'postgres://u:hush@127.0.0.1:1/x'", "has a quote"),
        ("PORTAL_DATABASE_URL", "postgres://u:hush@127.0.0.1:1/x\r", "has blanks around it"),
        ("PORTAL_ADMIN_LISTEN", "none\r", "has blanks around it"),
        ("PORTAL_DATABASE_URL", "", "is empty"),
        ("PORTAL_ADMIN_LISTEN", "", "is empty"),
        ("PORTAL_DATABASE_URL", " ", "is empty"),
        ("PORTAL_TLS_CERT", "", "is empty"),
        ("PORTAL_PUBLIC_URL", "", "is empty"),
        ("PORTAL_PUBLIC_URL", "\"https://portals.example\"", "has a quote"),
    ] {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--output", "json"];
        let ran = Ran::of(home.command(&serve).env(name, value));
        assert_eq!(ran.status, 2, "{name} {value:?}: {ran:?}");
        assert!(ran.stderr.contains(&format!("error: {name} {expected}")), "{ran:?}");
        assert!(!ran.stderr.contains("hush") && !ran.stdout.contains("hush"), "{ran:?}");
        // It is none of the business of another command.
        assert_eq!(Ran::of(home.command(&["explain"]).env(name, value)).status, 0);
    }
}
