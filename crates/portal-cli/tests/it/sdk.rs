//! The official SDKs for Python and Node, and generic OAuth clients, as published, against `portal serve`: what they
//! read and send is the judge of what the server writes and accepts.

mod install;

use std::process::Command;

use serde_json::{Value, json};

use crate::orgs::{self, Org};
use crate::support::{Home, Served};

/// How to sign in; each way leads to an org of its own.
#[derive(Clone, Copy, PartialEq)]
enum Grant {
    Code,
    RefreshToken,
}

impl Grant {
    fn org(self) -> Org {
        Org {
            portal_limit: false,
            scopes: &[
                "ZohoCRM.settings.clientportal.ALL",
                "ZohoCRM.users.READ",
                "ZohoCRM.org.READ",
            ],
            ..Org::new(match self {
                Self::Code => "code",
                Self::RefreshToken => "refresh",
            })
        }
    }

    /// What a driver reads from its environment.
    fn environment(self, server: &Served) -> [(&'static str, String); 5] {
        let org = self.org();
        [
            ("PORTAL_API_DOMAIN", server.url().to_owned()),
            ("PORTAL_CLIENT_ID", org.client_id()),
            ("PORTAL_CLIENT_SECRET", org.client_secret()),
            match self {
                Self::Code => ("PORTAL_GRANT_CODE", org.code()),
                Self::RefreshToken => ("PORTAL_REFRESH_TOKEN", org.refresh_token()),
            },
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ]
    }
}

/// A server of its own for each test: its data is on disk.
fn start() -> (Home, Served) {
    let home = Home::new();
    let orgs = [Grant::Code, Grant::RefreshToken].map(Grant::org);
    let server = orgs::serve(&home, &orgs, &["--data", "data"]);
    (home, server)
}

#[test]
#[ignore = "needs PyPI; run by .ci/run: cargo test --locked --workspace --all-features --test it sdk -- --ignored"]
fn python_sdk_7_gets_typed_responses() {
    judge("Python7", "v7", install::python_sdk(7));
}

#[test]
#[ignore = "needs PyPI; run by .ci/run: cargo test --locked --workspace --all-features --test it sdk -- --ignored"]
fn python_sdk_8_gets_typed_responses() {
    judge("Python8", "v8", install::python_sdk(8));
}

#[test]
#[ignore = "needs npm; run by .ci/run: cargo test --locked --workspace --all-features --test it sdk -- --ignored"]
fn node_sdk_7_gets_typed_responses() {
    judge("Node7", "v7", install::node_sdk(7));
}

#[test]
#[ignore = "needs npm; run by .ci/run: cargo test --locked --workspace --all-features --test it sdk -- --ignored"]
fn node_sdk_8_gets_typed_responses() {
    judge("Node8", "v8", install::node_sdk(8));
}

#[test]
#[ignore = "needs PyPI; run by .ci/run: cargo test --locked --workspace --all-features --test it sdk -- --ignored"]
fn authlib_lists_portals_with_its_own_header() {
    list_with(install::python("authlib", "authlib_client.py"));
}

#[test]
#[ignore = "needs npm; run by .ci/run: cargo test --locked --workspace --all-features --test it sdk -- --ignored"]
fn simple_oauth2_lists_portals_with_own_header() {
    list_with(install::node("simple_oauth2.mjs"));
}

/// Runs a generic OAuth client once per grant: it gets a token and lists the portals, of which there are none.
fn list_with(client: impl Fn() -> Command) {
    let (_home, server) = start();
    for grant in [Grant::Code, Grant::RefreshToken] {
        let output = client().envs(grant.environment(&server)).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}\n{errors}", output.status);
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed, json!({"token_type": "Bearer", "list": 204}));
    }
}

/// Runs a driver twice against a server of its own: signed in with a grant code and the SDK's user look-up, and with
/// a refresh token and without it.
fn judge(sdk: &str, version: &str, driver: impl Fn() -> Command) {
    let (_home, server) = start();
    for (grant, look_up) in
        [(Grant::Code, "with-look-up"), (Grant::RefreshToken, "without-look-up")]
    {
        let name = format!("{sdk}{}", if grant == Grant::Code { "Looks" } else { "Blind" });
        let scratch = tempfile::tempdir().unwrap();
        let mut command = driver();
        command.arg(&name).arg(scratch.path()).arg(look_up);
        let output = command.envs(grant.environment(&server)).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{name}: {}\n{printed}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );

        let mut lines = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let user = lines.next().unwrap();
        match grant {
            Grant::Code => assert_user_and_org(&user["name"]),
            Grant::RefreshToken => assert_eq!(user["name"], Value::Null),
        }
        let mut last = Value::Null;
        for expected in expected(&name, version) {
            let line = lines.next().unwrap_or_else(|| panic!("{name}: nothing after {last}"));
            if expected["portal"].is_string() {
                assert_one_portal(&line, &expected);
            } else {
                assert_eq!(line, expected, "{name}");
            }
            last = line;
        }
        let refused = lines.next().unwrap();
        assert_eq!(refused["check"], "unknown refresh token");
        assert!(refused["error"].as_str().unwrap().contains("invalid_code"), "{refused}");
        assert_eq!(lines.next(), None);
    }
}

/// What the driver prints between the first and the last line.
fn expected(name: &str, version: &str) -> Vec<Value> {
    let (created, renamed) = match version {
        "v7" => (
            "Portal created successfully with given name.",
            "Portal renamed successfully with given name.",
        ),
        _ => ("Portal created successfully", "Portal updated successfully"),
    };
    let new = format!("{name}2");
    let path = "$.portals[0].name";
    let pattern = "Please check whether the input values are correct";
    let nothing =
        |check| json!({"check": check, "http_status": 204, "shape": "bare", "answers": []});
    vec![
        nothing("list of none"),
        success("create", name, created),
        error(
            "create again",
            "ALREADY_USED",
            "The entered portal name is already in use",
            &json!({"api_name": "name"}),
        ),
        error("no letter or digit", "PATTERN_NOT_MATCHED", pattern, &json!({"api_name": "name"})),
        error(
            "too short",
            "INVALID_DATA",
            "invalid data",
            &json!({"api_name": "name", "json_path": path, "minimum_length": 6}),
        ),
        error(
            "too long",
            "INVALID_DATA",
            "invalid data",
            &json!({"api_name": "name", "json_path": path, "maximum_length": 30}),
        ),
        error(
            "no name",
            "MANDATORY_NOT_FOUND",
            "required field not found",
            &json!({"api_name": "name", "json_path": path}),
        ),
        success("rename", &new, renamed),
        json!({"check": "rename unknown", "http_status": 400, "shape": "bare", "answers": [{
            "type": "APIException", "code": "INVALID_DATA", "status": "error", "details": {},
            "message": "No portal exists with the given portal name.",
        }]}),
        json!({"check": "list", "portal": new}),
        json!({"check": "get", "portal": new}),
        nothing("get unknown"),
    ]
}

fn success(check: &str, name: &str, message: &str) -> Value {
    json!({"check": check, "http_status": 200, "shape": "wrapped", "answers": [{
        "type": "SuccessResponse", "code": "SUCCESS", "status": "success", "message": message, "details": {"name": name},
    }]})
}

fn error(check: &str, code: &str, message: &str, details: &Value) -> Value {
    json!({"check": check, "http_status": 400, "shape": "wrapped", "answers": [{
        "type": "APIException", "code": code, "status": "error", "message": message, "details": details,
    }]})
}

fn assert_one_portal(line: &Value, expected: &Value) {
    assert_eq!(line["check"], expected["check"]);
    assert_eq!((&line["http_status"], &line["shape"]), (&json!(200), &json!("wrapped")), "{line}");
    let [portal] = line["answers"].as_array().unwrap().as_slice() else {
        panic!("not exactly one portal: {line}")
    };
    assert_eq!(portal["name"], expected["portal"]);
    assert_eq!(portal["active"], json!(true));
    assert!(!portal["zaid"].as_str().unwrap().is_empty(), "{line}");
    for who in ["created_by", "modified_by"] {
        assert!(portal[who][0].as_str().unwrap().bytes().all(|b| b.is_ascii_digit()), "{line}");
        assert_eq!(portal[who][1], "Admin");
    }
    for when in ["created_time", "modified_time"] {
        assert!(portal[when].as_str().unwrap().starts_with("20"), "{line}");
    }
}

/// An SDK names the user by e-mail and the `zgid` of the org, from one look-up each.
fn assert_user_and_org(name: &Value) {
    let (user, org) = name.as_str().unwrap().split_once(':').unwrap();
    assert_eq!(user, "admin@code.example");
    assert!(!org.is_empty() && org.bytes().all(|b| b.is_ascii_digit()), "{org}");
}
