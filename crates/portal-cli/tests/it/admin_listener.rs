//! The admin listener of `portal serve`: what it shows, to whom, and what can be changed there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::raw::{Response, authorization, send};
use crate::support::{Home, Served, until};

const PORTALS: &str = "/crm/v7/settings/portals";
const HOSTILE: &str = "<script>alert(1)</script>";

fn admin(server: &Served) -> &str {
    server.listening["admin"].as_str().expect("an admin listener")
}

fn get(server: &Served, path: &str) -> Response {
    send(admin(server), &format!("GET {path}"), &[], "")
}

fn post(server: &Served, path: &str, body: &str) -> Response {
    send(admin(server), &format!("POST {path}"), &[], body)
}

/// Creates a portal by the command, and a request with markup wherever it can be.
fn served() -> (Home, Served) {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST committed:cut:1/9"]);
    let created = server.run(&home, &["create", "--yes", "AcmePortal"]);
    assert_eq!(created.status, 0, "{created:?}");
    // Only those who have a token get their body read.
    let authorization = authorization(&server);
    let odd = format!("X-Odd: {HOSTILE}");
    let body = json!({ "portals": [{ "name": HOSTILE }] }).to_string();
    let target = format!("POST {PORTALS}?x=%3Cscript%3E");
    let refused = send(server.url(), &target, &[&authorization, &odd], &body);
    assert_eq!(refused.status, 400, "{}", refused.body);
    (home, server)
}

/// All that is shown of requests.
fn everything_shown(server: &Served) -> String {
    let all = get(server, "/api/requests");
    let mut shown = get(server, "/").body + &all.body;
    for request in all.json()["requests"].as_array().unwrap() {
        let id = &request["id"];
        shown += &get(server, &format!("/requests/{id}")).body;
        shown += &get(server, &format!("/api/requests/{id}")).body;
    }
    shown
}

#[test]
fn markup_of_request_is_shown_as_text() {
    let (home, server) = served();
    let last = get(&server, "/api/requests").json()["requests"].as_array().unwrap().len();
    let page = get(&server, &format!("/requests/{last}"));
    assert_eq!(page.status, 200);
    assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{}", page.body);
    for page in [&page, &get(&server, "/")] {
        assert!(!page.body.contains(HOSTILE), "{}", page.body);
        assert!(
            page.head.contains("content-security-policy: default-src 'none'; script-src 'self'")
        );
    }
    let recorded = get(&server, &format!("/api/requests/{last}"));
    assert!(recorded.head.contains("content-type: application/json"), "{}", recorded.head);
    let body = recorded.json()["request"]["body"].as_str().unwrap().to_owned();
    assert!(body.contains(HOSTILE), "{body}");
    assert!(server.run(&home, &["requests"]).stdout.contains(PORTALS));
}

#[test]
fn secrets_are_never_shown_with_requests() {
    let (_home, server) = served();
    let shown = everything_shown(&server);
    let token = get(&server, "/api/requests/1").json();
    assert_eq!(token["path"], "/oauth/v2/token");
    assert!(token["request"]["body"].as_str().unwrap().contains("client_secret=•••"), "{token}");
    assert!(token["response"]["body"].as_str().unwrap().contains("\"access_token\":\"•••\""));
    for secret in ["client_secret", "refresh_token"] {
        let secret = server.listening[secret].as_str().unwrap();
        assert!(!shown.contains(secret), "{secret} is shown");
    }
    // Every token of the server begins like this one, and so does the client's id.
    let client_id = server.listening["client_id"].as_str().unwrap();
    assert!(!shown.replace(client_id, "").contains("1000."), "a token is shown");
}

#[test]
fn secrets_of_org_are_shown_if_asked() {
    let (_home, server) = served();
    let secret = server.listening["client_secret"].as_str().unwrap();
    assert!(get(&server, "/orgs").body.contains("AcmePortal"));
    assert!(!get(&server, "/orgs").body.contains(secret));
    assert!(get(&server, "/orgs?secrets=shown").body.contains(secret));
}

#[test]
fn secrets_of_kept_data_are_not_shown() {
    let home = Home::new();
    let server = Served::start(&home, &["--data", "data"]);
    let secret = server.listening["client_secret"].as_str().unwrap();
    assert!(get(&server, "/orgs").body.contains("Default org"));
    assert!(!get(&server, "/orgs?secrets=shown").body.contains(secret));
}

#[test]
fn other_hosts_and_origins_are_refused() {
    let home = Home::new();
    let server = Served::start(&home, &["--allow-host", "portal.test"]);
    let admin = admin(&server);
    for (host, status) in [
        ("evil.example", 421),
        ("127.0.0.1.evil.example:80", 421),
        ("10.0.0.1", 421),
        ("localhost", 200),
        ("[::1]:8781", 200),
        ("portal.test:8781", 200),
    ] {
        let response = send(admin, "GET /", &[&format!("Host: {host}")], "");
        assert_eq!(response.status, status, "{host}");
    }
    let fault = json!({ "faults": ["request:drop"] }).to_string();
    for header in ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
        let response = send(admin, "POST /api/faults", &[header], &fault);
        assert_eq!(response.status, 403, "{header}");
    }
    assert_eq!(get(&server, "/api/faults").json(), json!({ "faults": [], "once": [] }));
    let own = format!("Origin: {admin}");
    assert_eq!(send(admin, "POST /api/faults", &[&own], &fault).status, 200);
}

#[test]
fn faults_change_while_server_runs() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "GET request:500"]);
    let list = || send(server.url(), "GET /crm/v7/org", &[], "").status;
    assert_eq!(list(), 500);
    let changed = post(&server, "/api/faults", r#"{"faults":[],"once":["GET request:429"]}"#);
    assert_eq!(changed.json(), json!({ "faults": [], "once": ["GET request:429"] }));
    assert_eq!([list(), list()], [429, 401]);
    let form = "spec=GET+request%3A500";
    let switched = post(&server, "/faults", &format!("{form}&action=add"));
    assert_eq!(switched.status, 303);
    post(&server, "/faults", "spec=POST+request%3Acut&action=once");
    assert!(get(&server, "/faults").body.contains("next request only"));
    assert_eq!(list(), 500);
    post(&server, "/faults", &format!("{form}&action=remove"));
    assert_eq!(list(), 401);
    assert_eq!(get(&server, "/api/faults").json()["once"], json!(["POST request:cut"]));
}

#[test]
fn invalid_fault_changes_nothing() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let changed = post(&server, "/api/faults", r#"{"faults":["GET request:500"],"once":["x"]}"#);
    assert_eq!(changed.status, 400);
    assert!(changed.json()["error"].as_str().unwrap().contains("expected [METHOD ]POINT:ACTION"));
    let page = post(&server, "/faults", &format!("spec={HOSTILE}"));
    assert_eq!(page.status, 400);
    assert!(page.body.contains("expected [METHOD ]POINT:ACTION") && !page.body.contains(HOSTILE));
    assert_eq!(get(&server, "/api/faults").json(), json!({ "faults": [], "once": [] }));
    for body in ["", "[]", r#"{"fault":[]}"#] {
        assert_eq!(post(&server, "/api/faults", body).status, 400, "{body}");
    }
    assert_eq!(post(&server, "/api/faults", &"x".repeat(65 * 1024)).status, 400);
}

#[test]
fn reset_begins_anew_with_same_orgs() {
    let (_home, server) = served();
    assert_eq!(post(&server, "/api/reset", "").json(), json!({ "reset": true }));
    assert!(!get(&server, "/orgs").body.contains("AcmePortal"));
    assert_eq!(get(&server, "/api/requests").json()["requests"], json!([]));
    // With the same credentials, by a user whose intent log has not seen the first create.
    let again = server.run(&Home::new(), &["create", "--yes", "AcmePortal"]);
    assert_eq!(again.status, 0, "{again:?}");
}

#[test]
fn kept_data_cannot_be_reset() {
    let home = Home::new();
    let server = Served::start(&home, &["--data", "data"]);
    assert!(!get(&server, "/orgs").body.contains("Reset"));
    let response = post(&server, "/api/reset", "");
    assert_eq!(response.status, 409);
    assert!(response.json()["error"].as_str().unwrap().contains("keeps its data"));
}

#[test]
fn labels_of_metrics_stay_bounded() {
    let (_home, server) = served();
    for number in 0..300 {
        let (path, method) = (format!("/crm/v{number}/odd/{number}"), format!("ODD{number}"));
        send(server.url(), &format!("GET {path}"), &[], "");
        send(server.url(), &format!("{method} {PORTALS}/{number}"), &[], "");
    }
    let metrics = get(&server, "/metrics");
    let lines = metrics.body.lines().map(|line| Ok(line.to_owned()));
    let scrape = prometheus_parse::Scrape::parse(lines).unwrap();
    let requests = || {
        let samples = scrape.samples.iter();
        samples.filter(|sample| sample.metric == "portal_requests_total")
    };
    assert!(requests().count() < 20, "{}", metrics.body);
    let total: f64 = requests()
        .map(|sample| match sample.value {
            prometheus_parse::Value::Untyped(value) | prometheus_parse::Value::Counter(value) => {
                value
            }
            ref other => panic!("{other:?}"),
        })
        .sum();
    assert!(total >= 600.0, "{total}");
    assert!(metrics.body.ends_with("# EOF\n"));
}

#[test]
fn requests_are_listed_and_followed() {
    let (home, server) = served();
    let listed = server.run(&home, &["requests"]);
    assert_eq!(listed.status, 0, "{listed:?}");
    assert!(listed.stdout.contains("200  "), "{}", listed.stdout);
    assert!(!listed.stdout.contains('\u{1b}'), "{:?}", listed.stdout);
    let all = &server.run(&home, &["requests", "--output", "json"]).json()[0];
    assert_eq!(all["requests"], get(&server, "/api/requests").json()["requests"]);

    let mut follow = server.command(&home, &["requests", "--follow", "--output", "json"]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    for expected in all["requests"].as_array().unwrap() {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line, *expected);
    }
    send(server.url(), "GET /crm/v7/org", &[], "");
    let new: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&new["path"], &new["status"]), (&json!("/crm/v7/org"), &json!(401)));
    server.kill();
    assert!(follow.wait().unwrap().success());
}

#[test]
fn requests_without_server_says_how_to_start_one() {
    let ran = Home::new().run(&["requests"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("portal serve"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn server_that_drains_is_not_ready() {
    let home = Home::new();
    let server = Served::start(&home, &["--shutdown-timeout", "30s"]);
    assert_eq!((get(&server, "/healthz").status, get(&server, "/readyz").status), (200, 200));
    post(&server, "/api/faults", r#"{"once":["GET request:delay=30s"]}"#);
    // Is cut off when the test ends.
    let mut slow = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    write!(slow, "GET /crm/v7/org HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    until(|| get(&server, "/api/faults").json()["once"] == json!([]));
    server.signal("TERM");
    until(|| get(&server, "/readyz").status == 503);
    assert_eq!(get(&server, "/healthz").status, 200);
}

#[test]
fn admin_listener_can_be_switched_off() {
    let home = Home::new();
    let server = Served::start(&home, &["--admin-listen", "none"]);
    assert_eq!(server.listening["admin"], Value::Null);
    let ran = server.run(&home, &["requests"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.contains("--admin-listen none"), "{}", ran.stderr);
}
