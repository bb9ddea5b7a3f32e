//! Services that want to harm the terminal, and files that hold what others must not see.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::orgs::{Org, Orgs};
use crate::support::{Home, Ran};

/// What a terminal must not get: the title of its window, colors in 7 and 8 bits, DEL, and text that
/// reads backwards.
const HARMFUL: &str = "\u{1b}]0;owned\u{7}\u{1b}[31m\u{9b}31m\u{7f}\u{202e}\u{2066}";

/// A service that sends `token` to requests for tokens, and `list` to every other one, until the test
/// ends. Returns its URL.
fn service(token: String, list: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            for line in head.lines() {
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let body = if head.starts_with("POST /oauth") { &token } else { &list };
            let response = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            // The client may have seen enough.
            let _ = reader.get_mut().write_all(response.as_bytes());
        }
    });
    url
}

fn token() -> String {
    json!({"access_token": "hush-access", "expires_in": 3600, "token_type": "Bearer"}).to_string()
}

fn list(name: &str) -> String {
    json!({"portals": [{"name": name, "created_by": {"name": name, "id": "7"}}]}).to_string()
}

fn run(home: &Home, url: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = home.command(arguments);
    command
        .env("PORTAL_API_DOMAIN", url)
        .env("PORTAL_ACCOUNTS_URL", url)
        .env("PORTAL_CLIENT_ID", "1000.ID")
        .env("PORTAL_CLIENT_SECRET", "hush-secret")
        .env("PORTAL_REFRESH_TOKEN", "hush-refresh")
        .envs(variables.iter().copied());
    Ran::from(command.output().unwrap())
}

/// Asserts that only line breaks control the terminal.
fn assert_harmless(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        let is_harmful = |c: char| {
            c != '\n' && c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!text.contains(is_harmful), "{ran:?}");
    }
}

#[test]
fn service_texts_cannot_take_over_terminal() {
    let home = Home::new();
    let error = json!({"error": HARMFUL, "error_description": format!("{HARMFUL}\nhint: obey")});
    let url = service(error.to_string(), String::new());
    for level in ["warn", "trace"] {
        let ran = run(&home, &url, &[("PORTAL_LOG", level)], &["list"]);
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(ran.stderr.contains("WARN") && ran.stderr.contains("owned"), "{ran:?}");
        assert!(!ran.stderr.contains("\nhint: obey"), "{ran:?}");
        assert_harmless(&ran);
    }

    let name = format!("Acme{HARMFUL}");
    let url = service(token(), list(&name));
    let ran = run(&home, &url, &[], &["list"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("Acme\u{fffd}]0;owned"), "{ran:?}");
    assert_harmless(&ran);
    let ran = run(&home, &url, &[], &["list", "--output", "json"]);
    assert_eq!(ran.json()[0]["name"], name);
    assert_harmless(&ran);
}

#[test]
fn cut_list_does_not_say_that_portal_is_missing() {
    let home = Home::new();
    let cut = json!({"portals": [{"name": "FooPortal"}], "info": {"more_records": true}});
    let url = service(token(), cut.to_string());
    for arguments in [&["list", "AcmePortal"][..], &["list"]] {
        let ran = run(&home, &url, &[], arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (6, ""), "{ran:?}");
        assert!(ran.stderr.contains("incomplete list: it has more pages"), "{ran:?}");
        assert!(!ran.stderr.contains("no portal"), "{ran:?}");
    }
}

#[test]
fn name_of_65536_characters_is_cut_in_text() {
    let home = Home::new();
    let name = "x".repeat(65_536);
    let url = service(token(), list(&name));
    let ran = run(&home, &url, &[], &["list"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let cut = format!("{}…", "x".repeat(63));
    assert_eq!(ran.stdout, format!("{cut}    by {cut}\n"));
    let ran = run(&home, &url, &[], &["list", "--output", "json"]);
    assert_eq!(ran.json()[0]["name"], name);
    // Whatever the command is, it ends with a message.
    for arguments in [&["create", "AcmePortal", "--yes"][..], &["list", "Acme"]] {
        let ran = run(&home, &url, &[("PORTAL_DEADLINE", "1m")], arguments);
        assert!((1..=9).contains(&ran.status) && ran.stderr.len() < 4096, "{ran:?}");
    }
}

#[test]
fn long_error_is_cut_in_text() {
    let home = Home::new();
    let error = json!({"error": "odd", "error_description": "x".repeat(50_000)});
    let url = service(error.to_string(), String::new());
    let ran = run(&home, &url, &[], &["list"]);
    assert_eq!(ran.status, 3);
    assert!(ran.stderr.contains('…') && ran.stderr.len() < 2048, "{ran:?}");
}

#[test]
fn unusable_token_cache_warns_and_is_skipped() {
    let home = Home::new();
    fs::create_dir_all(home.tokens().parent().unwrap()).unwrap();
    fs::write(home.tokens(), "not a directory").unwrap();
    let url = service(token(), list("Acme"));
    let ran = run(&home, &url, &[], &["list"]);
    assert_eq!((ran.status, ran.stdout.trim_end()), (0, "Acme    by Acme"), "{ran:?}");
    assert!(
        ran.stderr.starts_with("warning: cannot use the token cache; continuing without it: "),
        "{ran:?}"
    );
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
}

#[test]
fn batch_shows_100_mistakes_and_counts_rest() {
    let home = Home::new();
    let rows = (0..1000).map(|row| format!("p{row},not a name\n")).collect::<Vec<_>>().concat();
    fs::write(home.path().join("portals.csv"), format!("profile,name\n{rows}")).unwrap();
    let ran = home.run(&["--output", "json", "batch", "portals.csv", "--yes"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert_eq!(ran.stderr.matches("portals.csv, line ").count(), 100);
    // A name that is none, one that was there before, and an unknown profile.
    assert!(ran.stderr.contains("\n… and 2899 more\n"), "{ran:?}");
    let details = &ran.json()[0]["error"]["details"];
    assert_eq!(details["problems"].as_array().unwrap().len(), 100);
    assert_eq!(details["more"], 2899);
}

/// The files below `directory`.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Everything that runs with secrets leave: their output with all logs, and their files.
#[test]
fn runs_leave_secrets_in_private_files_only() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("beta")], &[]);
    fs::write(
        orgs.home.path().join("portals.csv"),
        "profile,name,fallback\nacme,AcmePortal,AcmePortal2\nbeta,BetaPortal,\n",
    )
    .unwrap();
    let org = &orgs.seeded[0];
    let url = orgs.served.url();
    let id = org.client_id();
    let login = [
        "login",
        "--profile",
        "again",
        "--api-domain",
        url,
        "--accounts-url",
        url,
        "--client-id",
        &id,
    ];
    let stdin = format!("{}\n{}\n", org.client_secret(), org.code());
    let mut output = String::new();
    let mut keep = |ran: Ran| {
        output.push_str(&ran.stdout);
        output.push_str(&ran.stderr);
    };
    keep(orgs.run_with(&login, &stdin));
    keep(orgs.run_with(&[&login[..], &["--refresh-token"]].concat(), "hush-wrong\nhush-wrong\n"));
    for arguments in [
        &["batch", "portals.csv", "--yes"][..],
        &["create", "AcmePortal", "--profile", "acme", "--yes"],
        &["create", "TakenName", "--profile", "beta", "--yes", "--allow-another"],
        &["rename", "TakenName", "GivenName", "--profile", "beta", "--yes"],
        &["list", "--profile", "acme"],
        &["doctor"],
        &["profiles"],
        &["recover", "--list"],
        &["create", "DryPortal", "--profile", "acme", "--dry-run"],
        &["logout", "--profile", "beta"],
    ] {
        let mut command = orgs.home.command(arguments);
        keep(Ran::from(command.env("PORTAL_LOG", "trace").output().unwrap()));
    }
    // The access tokens are in the cache only.
    let cached = files(&orgs.home.tokens());
    let access_tokens: Vec<String> = cached
        .iter()
        .filter_map(|path| serde_json::from_slice(&fs::read(path).unwrap()).ok())
        .map(|cached: serde_json::Value| cached["access_token"].as_str().unwrap().to_owned())
        .collect();
    assert!(access_tokens.len() >= 2, "{cached:?}");
    let shows_secret = |text: &str| {
        text.contains("hush") || access_tokens.iter().any(|token| text.contains(token.as_str()))
    };
    for line in output.lines() {
        assert!(!shows_secret(line), "{line}");
    }
    for path in files(orgs.home.path()) {
        let is_seed = path.ends_with("seed.toml");
        if is_seed || !shows_secret(&String::from_utf8_lossy(&fs::read(&path).unwrap())) {
            continue;
        }
        // The last is how a running server is found, with the orgs that it leads to.
        let directory = path.parent().unwrap();
        let may = path.ends_with("credentials.toml")
            || ["tokens", "servers"].iter().any(|private| directory.ends_with(private));
        assert!(may, "{} has a secret", path.display());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn secrets_are_in_no_core_dump() {
    use std::process::{Command, Stdio};
    // It waits for a secret on stdin.
    let home = Home::new();
    let login = ["login", "--profile", "a", "--data-center", "eu", "--client-id", "1000.A"];
    let mut command: Command = home.command(&login);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let limits = format!("/proc/{}/limits", process.id());
    crate::support::wait_until(|| {
        let limits = fs::read_to_string(&limits).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        core.is_some_and(|core| core.split_whitespace().skip(4).take(2).eq(["0", "0"]))
    });
    assert!(process.try_wait().unwrap().is_none(), "it waits");
    process.kill().unwrap();
    process.wait().unwrap();
}
