//! `check` and `explain`: nothing is sent.

use std::process::Stdio;

use serde_json::json;

use crate::support::{Home, Ran, golden};

#[test]
fn every_broken_rule_is_named_and_exits_2() {
    let ran =
        Home::new().run(&["check", "PortalsAPItest100", "my portal!", "aß", "portalsapitest100"]);
    assert_eq!(ran.status, 2);
    assert_eq!(ran.stdout, "PortalsAPItest100 is possible\n");
    golden("check-invalid", &ran.stderr);
}

#[test]
fn check_prints_one_json_object_per_name() {
    let ran = Home::new().run(&["--output", "json", "check", "PortalsAPItest100", "a-b"]);
    assert_eq!(ran.status, 2);
    golden("check-json", &ran.stdout);
    assert_eq!(ran.json()[0], json!({"name": "PortalsAPItest100", "outcome": "valid"}));
}

#[test]
fn explain_finds_code_in_any_spelling() {
    let home = Home::new();
    let ran = home.run(&["explain", "no-permission"]);
    assert_eq!(ran.status, 0);
    golden("explain-no_permission", &ran.stdout);
    let ran = home.run(&["explain", "access-denied"]);
    assert!(ran.stdout.starts_with("Access Denied\n"), "{ran:?}");
    let ran = home.run(&["explain", "ALREADY_USE", "--output", "json"]);
    assert_eq!(ran.status, 2);
    golden("explain-unknown", &format!("{}{}", ran.stdout, ran.stderr));
}

#[test]
fn explain_without_code_lists_all() {
    let home = Home::new();
    golden("explain", &home.run(&["explain"]).stdout);
    let listed = home.run(&["explain", "--output", "json"]).json();
    assert_eq!(
        listed.len(),
        portal_model::ErrorCode::KNOWN.len() + portal_model::oauth::OAuthError::KNOWN.len()
    );
}

#[test]
fn invalid_command_line_prints_json_object() {
    let ran = Home::new().run(&["list", "--bogus", "--output", "json"]);
    assert_eq!(ran.status, 2);
    let message = "unexpected argument '--bogus' found";
    assert_eq!(ran.json(), [json!({"error": {"kind": "usage", "message": message}})]);
    assert!(ran.stderr.contains(message), "{ran:?}");
}

#[test]
fn closed_pipe_exits_74_without_message() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = home.command(&["explain"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    let ran = Ran::from(output);
    assert_eq!((ran.status, ran.stderr.as_str()), (74, ""));
}

/// Nobody read the outcome: the ledger has it.
#[cfg(target_os = "linux")]
#[test]
fn unwritten_outcome_is_in_history() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    let closed = || std::io::pipe().unwrap().1.into();
    let streams: [fn() -> Stdio; 2] = [full, closed];
    for stream in streams {
        let home = Home::new();
        let create = ["--output", "json", "create", "--local", "AcmePortal"];
        let output = home.command(&create).stdout(stream()).stderr(Stdio::piped()).output();
        let ran = Ran::from(output.unwrap());
        assert_eq!(ran.status, 74, "{ran:?}");
        let listed = home.run(&["--output", "json", "history"]).json();
        assert_eq!(
            (&listed[0]["name"], &listed[0]["state"]),
            (&json!("AcmePortal"), &json!("created"))
        );
        let again = home.run(&create);
        assert_eq!(
            (again.status, &again.json()[0]["origin"]),
            (4, &json!("created_earlier")),
            "{again:?}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn unwritable_stdout_exits_74_result_on_stderr() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Home::new()
        .command(&["check", "PortalsAPItest100"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let ran = Ran::from(output);
    assert_eq!(ran.status, 74);
    assert!(ran.stderr.contains("PortalsAPItest100 is possible"), "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: cannot write to stdout"), "{}", ran.stderr);
}
