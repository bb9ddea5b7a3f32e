//! `check` and `explain`: nothing is sent.

use std::process::Stdio;

use serde_json::json;

use crate::support::{Home, Ran, golden};

#[test]
fn every_broken_rule_is_said_at_once_and_exits_with_2() {
    let ran =
        Home::new().run(&["check", "PortalsAPItest100", "my portal!", "aß", "portalsapitest100"]);
    assert_eq!(ran.status, 2);
    assert_eq!(ran.stdout, "PortalsAPItest100 is possible\n");
    golden("check-invalid", &ran.stderr);
}

#[test]
fn check_gives_machines_one_object_a_name() {
    let ran = Home::new().run(&["--output", "json", "check", "PortalsAPItest100", "a-b"]);
    assert_eq!(ran.status, 2);
    golden("check-json", &ran.stdout);
    assert_eq!(ran.json()[0], json!({"name": "PortalsAPItest100", "outcome": "valid"}));
}

#[test]
fn a_file_that_is_not_there_is_said_with_its_name() {
    let ran = Home::new().run(&["check", "--from", "absent.txt"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.starts_with("error: absent.txt can't be read: "), "{}", ran.stderr);
}

#[test]
fn explain_finds_a_code_however_it_is_typed() {
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
fn explain_alone_lists_every_code() {
    let home = Home::new();
    golden("explain", &home.run(&["explain"]).stdout);
    let listed = home.run(&["explain", "--output", "json"]).json();
    assert_eq!(
        listed.len(),
        portal_model::ErrorCode::KNOWN.len() + portal_model::oauth::OAuthError::KNOWN.len()
    );
}

#[test]
fn machines_get_an_object_for_a_command_line_that_is_not_understood() {
    let ran = Home::new().run(&["list", "--bogus", "--output", "json"]);
    assert_eq!(ran.status, 2);
    let message = "unexpected argument '--bogus' found";
    assert_eq!(ran.json(), [json!({"error": {"kind": "usage", "message": message}})]);
    assert!(ran.stderr.contains(message), "{ran:?}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = home.command(&["explain"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    let ran = Ran::from(output);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
}

#[cfg(target_os = "linux")]
#[test]
fn an_unwritable_result_is_said_on_stderr_and_is_no_success() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Home::new()
        .command(&["check", "PortalsAPItest100"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let ran = Ran::from(output);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("PortalsAPItest100 is possible"), "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: stdout can't be written"), "{}", ran.stderr);
}
