//! What is said of a host that was not reached, or that sent something else: host, phase and cause in one
//! sentence, and what to do.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(target_os = "linux")]
use crate::live::Live;
use crate::orgs::Org;
use crate::support::{Home, Ran};

/// A server that sends the same response to everything, and counts the requests.
fn always(response: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::<AtomicUsize>::default();
    let counted = count.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut request = [0; 4096];
            let _ = client.read(&mut request);
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = client.write_all(response.as_bytes());
        }
    });
    (address, count)
}

fn with_credentials(home: &Home, arguments: &[&str], url: &str) -> Command {
    let mut command = home.command(arguments);
    command.envs(Org::new("acme").environment(url));
    command
}

/// The error without its label, and the hint.
fn said(ran: &Ran) -> (String, String) {
    let text = ran.stderr.replace("\n  ", " ");
    let line = |label: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(label));
        found.unwrap_or_default().to_owned()
    };
    (line("error: "), line("hint: "))
}

#[test]
fn nothing_on_port_of_this_machine_suggests_server() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let ran = Ran::of(&mut with_credentials(&home, &["list"], &format!("http://{address}")));
    assert_eq!(ran.status, 6, "{ran:?}");
    let (error, hint) = said(&ran);
    assert_eq!(
        error,
        format!("could not list the portals: cannot reach {address}: nothing listens there")
    );
    assert!(hint.contains("`portal serve`"), "{hint}");
}

#[test]
fn profile_of_host_that_is_not_reached_is_unreachable() {
    let orgs = crate::orgs::Orgs::start(vec![Org::new("acme")], &[]);
    let crate::orgs::Orgs { home, served, .. } = orgs;
    served.kill();
    let ran = home.run(&["doctor", "--profile", "acme"]);
    assert_eq!(ran.status, 6, "{ran:?}");
    assert!(ran.stdout.starts_with("acme: unreachable\n"), "{ran:?}");
    assert!(ran.stdout.contains("run `portal serve`"), "{ran:?}");
}

#[test]
fn throttle_of_accounts_server_is_rate_limit() {
    for response in [
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 25\r\n\r\n{\"error\":\"Access Denied\"}",
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 25\r\n\r\n{\"error\":\"access_denied\"}",
        "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 6\r\n\r\n<html>",
        "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nretry-after: 120\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{\"error\":\"ACCESS-DENIED\"}",
    ] {
        let (home, (address, count)) = (Home::new(), always(response));
        let url = format!("http://{address}");
        let list = ["--output", "json", "list"];
        let ran = Ran::of(&mut with_credentials(&home, &list, &url));
        assert_eq!(ran.status, 6, "{ran:?}");
        assert_eq!(ran.json()[0]["error"]["kind"], "rate_limited");
        assert!(said(&ran).1.starts_with("wait ten minutes"), "{ran:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

/// Nobody's credentials are wrong if the accounts server fails.
#[test]
fn failure_of_accounts_server_is_not_of_credentials() {
    for response in [
        "HTTP/1.1 503 x\r\ncontent-length: 35\r\n\r\n{\"error\":\"temporarily_unavailable\"}",
        "HTTP/1.1 500 x\r\ncontent-length: 25\r\n\r\n{\"error\":\"general_error\"}",
        "HTTP/1.1 502 x\r\ncontent-length: 6\r\n\r\n<html>",
        "HTTP/1.1 302 Found\r\nlocation: http://login.example/\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (home, (address, _)) = (Home::new(), always(response));
        let list = ["--output", "json", "list"];
        let ran = Ran::of(&mut with_credentials(&home, &list, &format!("http://{address}")));
        assert_eq!(ran.status, 6, "{ran:?}");
        assert_eq!(ran.json()[0]["error"]["kind"], "unreachable", "{ran:?}");
        assert!(said(&ran).0.contains(&format!("(HTTP {})", &response[9..12])), "{ran:?}");
    }
}

/// Responds to creates with `response`; otherwise the org has no portal.
fn rejecting(response: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut request = [0; 4096];
            let length = client.read(&mut request).unwrap_or(0);
            let no_portal = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            let scope =
                r#"{"code":"OAUTH_SCOPE_MISMATCH","details":{},"message":"","status":"error"}"#;
            let no_org = format!(
                "HTTP/1.1 401 x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{scope}",
                scope.len()
            );
            let response = match &request[..length] {
                [b'P', ..] => response,
                request if request.starts_with(b"GET /crm/v7/org ") => &no_org,
                _ => no_portal,
            };
            let _ = client.write_all(response.as_bytes());
        }
    });
    address
}

#[test]
fn last_cause_of_failing_creates_is_told() {
    for (response, expected) in [
        (
            "409 Conflict\r\ncontent-length: 63\r\n\r\n\
             {\"code\":\"CONFLICT\",\"details\":{},\"message\":\"m\",\"status\":\"error\"}",
            "gave up: every attempt failed: the service failed: HTTP 409 CONFLICT: m",
        ),
        (
            "200 OK\r\ncontent-length: 13\r\n\r\n<html>captive",
            "gave up: every attempt failed: invalid response (HTTP 200): not JSON: <html>captive",
        ),
        (
            "500 x\r\ncontent-length: 0\r\n\r\n",
            "gave up: every attempt failed: invalid response (HTTP 500): empty body",
        ),
        (
            "403 Forbidden\r\ncontent-length: 13\r\n\r\n<html>rule 77",
            "invalid response (HTTP 403): not JSON: <html>rule 77",
        ),
        (
            "302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n",
            "invalid response (HTTP 302): empty body",
        ),
        (
            "418 x\r\ncontent-length: 18\r\n\r\n{\"error\":\"teapot\"}",
            "invalid response (HTTP 418): unexpected JSON: {\"error\":\"teapot\"}",
        ),
    ] {
        let home = Home::new();
        let address = rejecting(format!("HTTP/1.1 {response}").leak());
        let create =
            ["create", "AcmePortal", "--output", "json", "--deadline", "12s", "--timeout", "1s"];
        let mut command = home.command(&create);
        command.env("PORTAL_API_DOMAIN", format!("http://{address}"));
        let ran = Ran::of(command.env("PORTAL_ACCESS_TOKEN", "1000.aa.bb"));
        assert_eq!(ran.status, 6, "{ran:?}");
        let error = &ran.json()[0]["error"]["message"];
        assert_eq!(error.as_str().unwrap(), format!("AcmePortal was not created: {expected}"));
    }
}

#[test]
fn server_of_something_else_is_named() {
    for (response, expected) in [
        ("SSH-2.0-OpenSSH_9.6\r\n", "sent something other than HTTP"),
        ("", "closed the connection"),
        ("220 mail.example ESMTP\r\n", "sent something other than HTTP"),
        ("\u{15}\u{3}\u{1}\0\u{2}\u{2}F", "sent something other than HTTP"),
        ("HTTP/1.1 200 OK\r\ncontent-le", "closed the connection"),
    ] {
        let (home, (address, _)) = (Home::new(), always(response));
        let ran = Ran::of(&mut with_credentials(&home, &["list"], &format!("http://{address}")));
        let (error, _) = said(&ran);
        let expected = format!("no response from the accounts server: {address} {expected}");
        assert!(ran.status == 6 && error.contains(&expected), "{ran:?}");
    }
}

#[test]
fn text_of_accounts_server_forges_no_line() {
    let body = r#"{"error":"invalid_client","error_description":"no\nerror: forged\u001b[31m"}"#;
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (home, (address, _)) = (Home::new(), always(response.leak()));
    let ran = Ran::of(&mut with_credentials(&home, &["list"], &format!("http://{address}")));
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.stderr.contains("(no\u{fffd}error: forged\u{fffd}[31m)"), "{ran:?}");
}

#[test]
fn page_of_accounts_server_costs_one_request() {
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>";
    for command in [&["list"][..], &["create", "AcmePortal", "--yes"]] {
        let (home, (address, count)) = (Home::new(), always(response));
        let ran = Ran::of(&mut with_credentials(&home, command, &format!("http://{address}")));
        assert_eq!(ran.status, 6, "{ran:?}");
        let (error, _) = said(&ran);
        let expected = "the accounts server sent an invalid response (HTTP 200): not JSON";
        assert!(error.ends_with(expected), "{error}");
        assert!(error.matches(": ").count() <= 3, "{error}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn certificate_that_is_not_trusted_suggests_ca_file() {
    let org = Org { has_profile: false, ..Org::new("acme") };
    let live = Live::start(std::slice::from_ref(&org));
    let (home, proxy) = (&live.home, live.proxy());
    let command = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("HTTPS_PROXY", &proxy).env_remove("PORTAL_PROCESSING_TIME");
        command.env_remove("PORTAL_LIST_LAG");
        command
    };
    let mut list = command(&["list"]);
    list.envs(org.environment("https://www.zohoapis.eu"));
    list.env("PORTAL_ACCOUNTS_URL", "https://accounts.zoho.eu/oauth/v2/token");
    let ran = Ran::of(&mut list);
    assert_eq!(ran.status, 6, "{ran:?}");
    let (error, hint) = said(&ran);
    assert_eq!(
        error,
        "could not list the portals: cannot reach accounts.zoho.eu: its certificate is not trusted"
    );
    assert!(hint.contains("--ca-file") && hint.contains("PORTAL_CA_FILE"), "{hint}");
    let mut login = command(&["login", "--profile", "acme", "--data-center", "eu"]);
    login.args(["--client-id", &org.client_id(), "--refresh-token"]);
    let stdin = format!("{}\n{}\n", org.client_secret(), org.refresh_token());
    let ran = Ran::fed(&mut login, &stdin);
    assert!(ran.status == 6 && ran.stderr.contains("--ca-file"), "{ran:?}");
    let ca = crate::live::file("ca.pem");
    let ran = Ran::of(list.env("PORTAL_CA_FILE", &ca));
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("https://www.zohoapis.eu"), "{ran:?}");

    // What a login was given is kept: the command that it suggests works.
    std::fs::copy(&ca, home.path().join("ca.pem")).unwrap();
    let mut login = command(&["login", "--profile", "acme", "--data-center", "eu"]);
    login.args(["--client-id", &org.client_id(), "--refresh-token", "--ca-file", "ca.pem"]);
    let ran = Ran::fed(&mut login, &stdin);
    assert_eq!(ran.status, 0, "{ran:?}");
    for arguments in [
        &["create", "AcmePortal", "--profile", "acme", "--dry-run"][..],
        &["list", "--profile", "acme"],
        &["doctor", "--profile", "acme"],
        &["logout", "--profile", "acme"],
    ] {
        let ran = Ran::of(command(arguments).current_dir("/"));
        assert_eq!(ran.status, 0, "{ran:?}");
    }
}

#[test]
fn proxy_that_refuses_is_named() {
    for (response, expected) in [
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
            "refused to connect to accounts.zoho.eu (HTTP 403)",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "cannot reach accounts.zoho.eu (HTTP 502)"),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
            "does not accept its user name and password (HTTP 407)",
        ),
    ] {
        let (home, (address, _)) = (Home::new(), always(response));
        let mut list = with_credentials(&home, &["list"], "https://www.zohoapis.eu");
        list.env("PORTAL_ACCOUNTS_URL", "https://accounts.zoho.eu");
        let ran = Ran::of(list.env("HTTPS_PROXY", format!("http://me:hush@{address}")));
        assert_eq!(ran.status, 6, "{ran:?}");
        let (error, hint) = said(&ran);
        assert_eq!(error, format!("could not list the portals: the proxy {address} {expected}"));
        assert!(!hint.contains("API"), "{hint}");
    }
}
