//! The admin listener of `portal serve`: what it shows, to whom, and what can be changed there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::raw::{Response, authorization, send};
use crate::support::{Home, Served, wait_until};

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
fn requests_are_found_by_words_and_archived() {
    let (_home, server) = served();
    let found = |query: &str| {
        let found = get(&server, &format!("/api/requests?q={query}")).json();
        found["requests"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect::<Vec<_>>()
    };
    let all = found("");
    let creates = found("post%20SETTINGS");
    assert!(!creates.is_empty() && creates.len() < all.len(), "{creates:?} of {all:?}");
    assert_eq!(found("400+PATTERN_NOT_MATCHED").len(), 1);
    assert_eq!(found("no-such-word"), [Value::Null; 0]);

    let archive = get(&server, "/api/requests.har?q=400+PATTERN_NOT_MATCHED").json();
    let entries = archive["log"]["entries"].as_array().unwrap();
    assert_eq!((&archive["log"]["version"], entries.len()), (&json!("1.2"), 1));
    let (request, response) = (&entries[0]["request"], &entries[0]["response"]);
    let target = format!("{}{PORTALS}?x=•••", server.url());
    assert_eq!((&request["method"], &request["url"]), (&json!("POST"), &json!(target)));
    assert!(request["postData"]["text"].as_str().unwrap().contains(HOSTILE), "{request}");
    assert_eq!(response["status"], 400);
    assert!(response["content"]["text"].as_str().unwrap().contains("PATTERN_NOT_MATCHED"));
    assert_eq!(post(&server, "/api/clear", "").status, 200);
    assert_eq!(found(""), [Value::Null; 0]);
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
fn secrets_under_unknown_names_are_never_shown() {
    let (_home, server) = served();
    let (url, authorization) = (server.url(), authorization(&server));
    let multipart = "--X\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\nhush\r\n--X--\r\n";
    let json = "Content-Type: application/json";
    for (target, header, body) in [
        ("POST /oauth/v2/token", "Content-Type: multipart/form-data; boundary=X", multipart),
        ("POST /oauth/v2/token", json, r#"{"code":"hush"}"#),
        ("POST /oauth/v2/token/revoke/hush", "", ""),
        ("GET /crm/v7/org?authtoken=hush&x=hush&hush", "", ""),
        ("GET /crm/v7/org", "X-Api-Key: hush", ""),
        ("GET /crm/v7/org", "Authorization: hush", ""),
        ("GET http://u:hush@127.0.0.1/crm/v7/org", "", ""),
        ("POST /crm/v7/settings/portals", json, r#"{"accessToken":"hush"}"#),
        ("POST /crm/v7/settings/portals", json, r#"{"x":"{\"token\":\"hush\"}"}"#),
    ] {
        let is_crm = header == json || header.is_empty();
        let headers = [header, if is_crm { &*authorization } else { "" }];
        let headers: Vec<_> = headers.into_iter().filter(|header| !header.is_empty()).collect();
        send(url, target, &headers, body);
    }
    assert!(!everything_shown(&server).contains("hush"));
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
        ("localhost.evil.example", 421),
        ("localhost", 200),
        ("LocalHost.:80", 200),
        ("portals.localhost", 200),
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
    // With the same credentials, by a user whose ledger has not seen the first create.
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
    let lines = metrics.body.lines();
    let requests: Vec<_> =
        lines.filter(|line| line.starts_with("portal_requests_total{")).collect();
    assert!(requests.len() < 20, "{}", metrics.body);
    let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let total: u64 = requests.into_iter().map(count).sum();
    assert!(total >= 600, "{total}");
    assert!(metrics.body.ends_with("# EOF\n"));
}

#[test]
fn requests_are_listed_and_followed() {
    let (home, server) = served();
    let listed = server.run(&home, &["requests"]);
    assert_eq!(listed.status, 0, "{listed:?}");
    assert!(listed.stdout.contains("200  "), "{}", listed.stdout);
    assert!(!listed.stdout.contains('\u{1b}'), "{:?}", listed.stdout);
    let all = server.run(&home, &["requests", "--output", "json"]).json();
    assert_eq!(json!(all), get(&server, "/api/requests").json()["requests"]);

    let mut follow = server.command(&home, &["requests", "--follow", "--output", "json"]);
    let mut follow = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    for expected in all {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line, expected);
    }
    send(server.url(), "GET /crm/v7/org", &[], "");
    let new: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&new["path"], &new["status"]), (&json!("/crm/v7/org"), &json!(401)));
    server.kill();
    let ended = follow.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "The server ended\n");
}

/// A listener that keeps fewer requests than it serves between two looks of its reader.
#[test]
fn follower_that_missed_requests_says_so() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let servers = home.path().join("state/servers");
    std::fs::create_dir_all(&servers).unwrap();
    let second = json!({ "secs": 1, "nanos": 0 });
    let running = json!({
        "port": 1, "url": "http://127.0.0.1:1", "admin": format!("http://{address}"), "orgs": [],
        "times": { "processing_time": second, "list_lag": second },
    });
    std::fs::write(servers.join("1.json"), running.to_string()).unwrap();
    // Unlocked, it would be that of a server that was killed.
    let lock = std::fs::File::create(servers.join("1.lock")).unwrap();
    lock.lock().unwrap();
    let mut follow = home.command(&["requests", "--follow"]);
    follow.env("PORTAL_STATE_DIR", home.path().join("state"));
    let follow = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let requests = |ids: &[u64]| {
        let request = |id: &u64| {
            json!({
                "id": id, "time": "2026-11-25T14:03:25.114Z", "method": "GET", "path": "/x",
                "org": null, "portal": null, "status": 200, "code": null, "us": 1000, "agent": null,
                "faults": [],
            })
        };
        let requests: Vec<_> = ids.iter().map(request).collect();
        json!({ "requests": requests, "not_recorded": 0 }).to_string()
    };
    for (after, sent) in [(0, requests(&[7, 9])), (9, requests(&[])), (9, requests(&[12]))] {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        assert_eq!(head.next().unwrap(), format!("GET /api/requests?after={after} HTTP/1.1"));
        while !head.next().unwrap().is_empty() {}
        write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{sent}").unwrap();
    }
    drop(listener);
    let ended = follow.wait_with_output().unwrap();
    let line = "14:03:25.114Z GET  /x  200  1.0 ms\n";
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), line.repeat(3));
    let missed =
        |count| format!("warning: {count} requests before this one came too fast to be shown\n");
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(stderr, format!("{}{}The server ended\n", missed(1), missed(2)));
    assert!(ended.status.success());
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
    wait_until(|| get(&server, "/api/faults").json()["once"] == json!([]));
    server.signal(portal_testkit::Signal::TERM);
    wait_until(|| get(&server, "/readyz").status == 503);
    assert_eq!(get(&server, "/healthz").status, 200);
}

/// Opens connections that send `text` and wait.
fn open(server: &Served, count: usize, text: &str) -> Vec<TcpStream> {
    let address = admin(server).trim_start_matches("http://");
    let open = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    (0..count).map(open).collect()
}

#[test]
fn open_connections_keep_no_health_check_out() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let begun = Instant::now();
    let mut held = Vec::new();
    for text in [
        "",
        "GET / HTTP/1.1\r\nHost: localhost\r\n",
        "POST /api/faults HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
        "GET /api/requests/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        held.extend(open(&server, 80, text));
        assert_eq!(get(&server, "/healthz").status, 200, "{text}");
    }
    // Before any of them has timed out.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn followers_have_limit() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let request = "GET /api/requests/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let followers = open(&server, 16, request);
    for follower in &followers {
        let line = BufReader::new(follower).lines().next().unwrap().unwrap();
        assert_eq!(line, "HTTP/1.1 200 OK");
    }
    let refused = get(&server, "/api/requests/events");
    assert_eq!(refused.status, 503, "{}", refused.body);
    drop(followers);
    let address = admin(&server).trim_start_matches("http://");
    wait_until(|| {
        let mut follower = TcpStream::connect(address).unwrap();
        follower.write_all(request.as_bytes()).unwrap();
        let line = BufReader::new(follower).lines().next().unwrap().unwrap();
        line == "HTTP/1.1 200 OK"
    });
}

#[test]
fn reader_of_other_server_gets_all_requests() {
    let (_home, server) = served();
    let all = get(&server, "/api/requests").json()["requests"].as_array().unwrap().len();
    let request = "GET /api/requests/events?after=900 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let follower = open(&server, 1, request).remove(0);
    let mut lines = BufReader::new(follower).lines().map(Result::unwrap);
    for id in 1..=all {
        let expected = format!("id: {id}");
        lines.find(|line| *line == expected).expect("it ended");
    }
    // Its own numbers go on from there.
    send(server.url(), "GET /crm/v7/org", &[], "");
    lines.find(|line| *line == format!("id: {}", all + 1)).expect("it ended");
}

#[test]
fn more_faults_than_limit_change_nothing() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let faults = |count: usize| vec!["GET request:500"; count];
    let body = json!({ "faults": faults(60), "once": faults(40) }).to_string();
    assert_eq!(post(&server, "/api/faults", &body).status, 200);
    for (path, body) in [
        ("/api/faults", r#"{"once":["request:drop"]}"#.to_owned()),
        ("/api/faults", json!({ "faults": faults(101) }).to_string()),
        ("/faults", "spec=request%3Adrop&action=once".to_owned()),
        ("/faults", "spec=request%3Adrop&action=add".to_owned()),
    ] {
        let refused = post(&server, path, &body);
        assert!(refused.status == 400 && refused.body.contains("at most 100"), "{}", refused.body);
    }
    let left = get(&server, "/api/faults").json();
    assert_eq!(left, json!({ "faults": faults(60), "once": faults(40) }));
}

#[test]
fn long_texts_of_requests_are_cut() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let long = "&".repeat(7_000);
    send(server.url(), &format!("{} /{long}", "M".repeat(7_000)), &[], "");
    let shown = &get(&server, "/api/requests").json()["requests"][0];
    for member in ["method", "path"] {
        let length = shown[member].as_str().unwrap().len();
        assert!((1024..1100).contains(&length), "{member} {length}");
    }
    let page = get(&server, "/").body;
    assert!(page.len() < 5_000, "{}", page.len());
}

#[test]
fn harmful_characters_are_neutral_everywhere() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let name = "a\u{202e}b\u{9b}31m";
    let body = json!({ "portals": [{ "name": name }] }).to_string();
    send(server.url(), &format!("POST {PORTALS}"), &[&authorization(&server)], &body);
    let shown = everything_shown(&server);
    assert!(!shown.contains(['\u{202e}', '\u{9b}']), "{shown}");
    assert!(shown.contains("a\\u202eb\\u009b31m") && shown.contains("a\u{fffd}b\u{fffd}31m"));
    let missing = send(admin(&server), "GET /nowhere", &["Accept: text/html"], "");
    assert!(missing.status == 404 && missing.body.contains("there is nothing here"));
    assert!(missing.body.contains("<nav") && get(&server, "/nowhere").body.lines().count() == 1);
}

#[test]
fn follower_hears_of_reset() {
    let (_home, server) = served();
    let request = "GET /requests/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut lines = BufReader::new(open(&server, 1, request).remove(0)).lines().map(Result::unwrap);
    lines.find(|line| line == "id: 1").expect("it ended");
    post(&server, "/api/reset", "");
    lines.find(|line| line == "event: reset").expect("it ended");
}

#[test]
fn admin_port_in_use_creates_no_file() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", "kept", "--admin-listen", &address];
    let ran = home.run(&serve);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(!home.path().join("kept").exists());
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
