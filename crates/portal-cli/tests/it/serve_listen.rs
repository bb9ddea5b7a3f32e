//! Where `serve` listens, whom it serves, and with which certificate.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::raw::{request, send};
use crate::support::{Home, Served, first_line, wait_until};

#[test]
fn port_in_use_creates_no_file() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let address = server.url().trim_start_matches("http://");
    let ran = home.run(&["serve", "--listen", address, "--data", "kept"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains(address) && ran.stderr.contains("in use"), "{}", ran.stderr);
    assert!(!home.path().join("kept").exists());
}

#[test]
fn plain_http_beyond_loopback_is_refused() {
    let home = Home::new();
    let ran = home.run(&["serve", "--listen", "0.0.0.0:0", "--data", "kept"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert_eq!(
        ran.stderr,
        "error: plain HTTP on 0.0.0.0:0 would expose tokens on the network: expected a loopback \
         address\nhint: listen on 127.0.0.1, pass \
                    `--tls-cert` and `--tls-key`, or pass `--behind-proxy` if a proxy terminates TLS\n"
    );
    assert!(!home.path().join("kept").exists());
}

#[test]
fn behind_proxy_start_says_what_tokens_are_for() {
    let home = Home::new();
    let hint = "Tokens are for https:// and the host of each request (`--public-url`)";
    for (variable, is_told) in [("", true), ("https://portals.example", false)] {
        let mut command = home.command(&["serve", "--listen", "0.0.0.0:0", "--behind-proxy"]);
        if !variable.is_empty() {
            command.env("PORTAL_PUBLIC_URL", variable);
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let line = first_line(process.stdout.as_mut().unwrap());
        let url = line.trim().trim_start_matches("Listening on ").to_owned();
        // The note is one write, and the server serves after it.
        assert!(refused_token(&url).contains("invalid_client"));
        process.kill().unwrap();
        process.wait().unwrap();
        let note = std::io::read_to_string(process.stderr.take().unwrap()).unwrap();
        assert_eq!(note.contains(hint), is_told, "{note}");
    }
}

/// The response to a request for a token with a wrong secret.
fn refused_token(url: &str) -> String {
    let form = "grant_type=refresh_token&client_id=1000.GUESS&client_secret=a&refresh_token=b";
    send(url, "POST /oauth/v2/token", &[], form).body
}

#[test]
fn guessed_secrets_leave_one_line() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    for _ in 0..50 {
        refused_token(server.url());
    }
    let log = server.log();
    assert_eq!(log.matches("a request for a token was refused").count(), 1, "{log}");
}

#[test]
fn localhost_is_both_families() {
    let home = Home::new();
    let admin = ["--admin-listen", "localhost:0"];
    let server = Served::start(&home, &[&["--listen", "localhost:0"][..], &admin].concat());
    let has_both = std::net::TcpListener::bind("[::1]:0").is_ok();
    for url in [server.url(), server.listening["admin"].as_str().unwrap()] {
        for host in ["127.0.0.1", "[::1]"] {
            if host == "127.0.0.1" || has_both {
                let url = url.replace("127.0.0.1", host);
                let response = request(&url, "GET", "/nowhere", "localhost");
                assert!(response.starts_with("HTTP/1.1 404"), "{url}: {response}");
            }
        }
    }
}

#[test]
fn behind_proxy_shows_reachable_url() {
    let home = Home::new();
    let server = Served::start(&home, &["--listen", "0.0.0.0:0", "--behind-proxy"]);
    assert!(server.url().starts_with("http://127.0.0.1:"), "{}", server.url());
    let response = request(server.url(), "GET", "/nowhere", "portals.example");
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
}

#[test]
fn loopback_serves_allowed_hosts_only() {
    let home = Home::new();
    let server = Served::start(&home, &["--allow-host", "portals.example"]);
    for (host, status) in [("portals.example", 404), ("evil.example", 421), ("localhost", 404)] {
        let response = request(server.url(), "GET", "/nowhere", host);
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {response}");
    }
}

#[cfg(unix)]
#[test]
fn incomplete_heads_beyond_limit_are_displaced() {
    use std::io::Write as _;
    let home = Home::new();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 128 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_portal")]);
    let server = Served::start_by(limited, &home, &[]);
    let address = server.url().trim_start_matches("http://");
    let halves: Vec<_> = (0..160)
        .map(|_| {
            let mut half = std::net::TcpStream::connect(address).unwrap();
            half.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
            half
        })
        .collect();
    let response = request(server.url(), "GET", "/nowhere", address);
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
    drop(halves);
    // Without PORTAL_LOG.
    let log = server.log();
    for event in ["the limit on open files bounds the connections", "connection limit reached"] {
        let mut lines = log.lines().filter(|line| line.contains(event));
        let logged: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(logged["level"], "WARN", "{log}");
        crate::schema::check(&["serve", "--log", "json"].map(str::to_owned), &logged);
        assert_eq!(lines.next(), None, "{log}");
    }
}

/// The table of limits in the README of portal-http names flags that exist, with their defaults.
#[test]
fn documented_limits_have_their_flags() {
    let help = Home::new().run(&["serve", "--help"]).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows = include_str!("../../../portal-http/README.md")
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("| `--"));
    let mut flags = 0;
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (default, flag) = (cells[2].replace(' ', ""), cells[3].trim_matches('`'));
        assert!(help.contains(&format!("{flag} <")), "{flag}");
        assert!(help.contains(&format!("[default: {default}]")), "{flag}: {default}");
        flags += 1;
    }
    assert_eq!(flags, 2);
}

/// Writes a copy that is newer than its source: on Windows, `fs::copy` keeps the time.
fn copy(source: &str, to: &Path) {
    std::fs::write(to, std::fs::read(source).unwrap()).unwrap();
}

#[test]
fn server_speaks_tls_and_takes_renewed_certificate() {
    let home = Home::new();
    let fixture = |name: &str| {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../portal-http/tests/it/server/tls/");
        format!("{directory}{name}")
    };
    let install = |name: &str| {
        for end in ["pem", "key"] {
            let path = home.path().join(format!("tls.{end}"));
            copy(&fixture(&format!("{name}.{end}")), &path);
        }
    };
    install("first");
    let server = Served::start(&home, &["--tls-cert", "tls.pem", "--tls-key", "tls.key"]);
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.url());
    let list = |trusted: &str| server.run(&home, &["list", "--ca-file", &fixture(trusted)]);
    let listed = list("first.pem");
    assert_eq!(listed.status, 0, "{listed:?}");
    assert_ne!(list("second.pem").status, 0);
    install("second");
    wait_until(|| list("second.pem").status == 0);
}

#[test]
fn each_reason_to_keep_certificate_is_told_and_its_expiry() {
    let home = Home::new();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../portal-http/tests/it/server/tls/");
    let install = |end: &str, from: &str| {
        copy(&format!("{directory}{from}.{end}"), &home.path().join(format!("tls.{end}")));
    };
    install("pem", "expired");
    install("key", "expired");
    let server = Served::start(&home, &["--tls-cert", "tls.pem", "--tls-key", "tls.key"]);
    let expired = "warning: the certificate expired at 2025-06-01T00:00:00Z: renew it\n";
    wait_until(|| server.log().contains(expired));
    install("pem", "first");
    let keeps = "warning: the server keeps its certificate: ";
    wait_until(|| server.log().contains(&format!("{keeps}tls.key: expected the private key")));
    std::fs::write(home.path().join("tls.pem"), "nothing").unwrap();
    wait_until(|| server.log().contains(&format!("{keeps}tls.pem: expected certificates")));
    install("pem", "first");
    install("key", "first");
    wait_until(|| server.log().contains("the certificate was replaced\n"));
    assert_eq!(server.log().matches(keeps).count(), 2, "{}", server.log());
    assert_eq!(server.log().matches("renew it").count(), 1, "{}", server.log());
}

#[test]
fn certificate_without_its_key_is_one_sentence() {
    let home = Home::new();
    std::fs::write(home.path().join("tls.pem"), "nothing").unwrap();
    let ran = home.run(&["serve", "--tls-cert", "tls.pem", "--tls-key", "tls.pem"]);
    let expected = "error: tls.pem: expected certificates in PEM form, found none\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (2, expected));
}

/// What a server would tell its clients, and they would follow.
#[test]
fn public_url_that_leads_astray_is_refused() {
    let home = Home::new();
    for (flag, value, expected) in [
        ("--public-url", "http://portals.example", "would carry secrets in the clear"),
        ("--public-url", "https://", "not an absolute URL"),
        ("--public-url", "https://a b", "not an absolute URL"),
        ("--public-url", "https://u:p@portals.example", "unexpected user name"),
        ("--public-url", "https://portals.example/?x=1", "unexpected query"),
        ("--public-url", "https://portals.example:99999", "invalid port"),
        ("--public-url", "ftp://portals.example", "unsupported scheme"),
        ("--allow-host", "http://portals.example", "expected a host name"),
        ("--allow-host", "", "expected a host name"),
        ("--listen", "localhost", "expected a port, or localhost"),
    ] {
        let ran = home.run(&["serve", flag, value, "--data", "kept"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{value}");
        assert!(ran.stderr.contains(expected), "{value}: {ran:?}");
    }
    assert!(!home.path().join("kept").exists());
}
