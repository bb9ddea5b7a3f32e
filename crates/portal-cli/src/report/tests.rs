use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use portal_model::endpoint::UnreadableReason;
use portal_model::flow::{Intent, NoAnswer};
use portal_model::oauth::OAuthError;
use portal_model::outcome::{AuthFailure, Doubt, NotCreated, Unsettled};
use portal_model::{ApiError, ErrorCode, Outcome, Portal, PortalName, Response, Unreadable};

use super::*;

fn name() -> PortalName {
    PortalName::parse("AcmeClients").unwrap()
}

/// A create in doubt, as its intent is written down.
fn intent() -> Intent {
    serde_json::from_str(r#"{"name":"AcmeClients","posts":1}"#).unwrap()
}

/// Every outcome that there is, with every cause that is said in its own way.
fn every_outcome() -> Vec<Outcome> {
    let mut outcomes = vec![
        Outcome::Created { name: name() },
        Outcome::Present { portal: Portal::new("acmeclients"), origin: Origin::Preexisting },
        Outcome::Present { portal: Portal::new("AcmeClients"), origin: Origin::Appeared },
        Outcome::OrgHasPortal { name: name(), portal: Portal::new("AcmeOld") },
        Outcome::NameTaken { name: name(), owner: Owner::AnotherOrg },
        Outcome::NameTaken { name: name(), owner: Owner::Undetermined },
    ];
    let refusals = [
        ApiError::no_permission(["Crm_Implied_Manage_ClientPortal_Users"]),
        ApiError::no_permission([""; 0]),
        ApiError::scope_mismatch(),
        ApiError::limit_reached(1),
        ApiError::not_in_sandbox(),
        ApiError::new(400, ErrorCode::from("SOMETHING_NEW"), "who knows"),
    ];
    outcomes.extend(refusals.map(|error| Outcome::Rejected { name: name(), error }));
    let reasons = [
        NotCreated::Unreachable("no connection: connection refused".to_owned()),
        NotCreated::Throttled { retry_after: Some(Duration::from_secs(7)) },
        NotCreated::Throttled { retry_after: None },
        NotCreated::Auth(AuthFailure::Refused(OAuthError::new("invalid_client"))),
        NotCreated::Auth(AuthFailure::Refused(OAuthError::new("invalid_client_secret"))),
        NotCreated::Auth(AuthFailure::Refused(OAuthError::new("invalid_code"))),
        NotCreated::Auth(AuthFailure::Refused(OAuthError::throttled())),
        NotCreated::Auth(AuthFailure::TokenRejected(ApiError::invalid_token())),
        NotCreated::Auth(AuthFailure::Unavailable("the token cache is full".to_owned())),
        NotCreated::Exhausted,
        NotCreated::NotStarted("the disk is full".to_owned()),
        NotCreated::Stopped,
    ];
    outcomes.extend(reasons.map(|reason| Outcome::NotCreated { name: name(), reason }));
    let page = Response::new(502, "<html>Bad Gateway");
    let doubts = [
        (Doubt::UnderWay, Unsettled::Stopped),
        (Doubt::NoAnswer(NoAnswer::TimedOut), Unsettled::Deadline),
        (
            Doubt::ServerError(ApiError::internal_error()),
            Unsettled::LookUpRefused(ApiError::scope_mismatch()),
        ),
        (
            Doubt::Unreadable(Unreadable::new(&page, UnreadableReason::NotJson)),
            Unsettled::Auth(AuthFailure::TokenRejected(ApiError::invalid_token())),
        ),
        (Doubt::Resumed, Unsettled::Deadline),
    ];
    outcomes.extend(doubts.map(|(doubt, unsettled)| Outcome::Unknown {
        intent: intent(),
        doubt,
        unsettled,
    }));
    outcomes
}

fn show(report: &Report) -> String {
    let mut shown = String::new();
    if let Some(error) = &report.error {
        writeln!(shown, "error: {}", error.message).unwrap();
        if let Some(hint) = &error.hint {
            writeln!(shown, "hint: {hint}").unwrap();
        }
    } else {
        writeln!(shown, "{}", report.text).unwrap();
    }
    let json = serde_json::to_string(report).unwrap();
    writeln!(shown, "{json}\nexit status {}\n", report.exit as u8).unwrap();
    shown
}

#[test]
fn the_text_the_json_and_the_exit_status_of_every_outcome_are_these() {
    let asked = Asked { profile: Some("acme".to_owned()), ..Asked::default() };
    let text: String =
        every_outcome().iter().map(|outcome| show(&Report::new(outcome, &asked))).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/outcomes.txt");
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n"));
}

#[test]
fn an_alternative_says_which_name_was_taken() {
    let asked = Asked { requested: Some("AcmePortal".to_owned()), ..Asked::default() };
    let report = Report::new(&Outcome::Created { name: name() }, &asked);
    assert!(report.text.ends_with("The name AcmePortal belongs to another organization."));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["requested"], "AcmePortal");
    assert_eq!(json["profile"], serde_json::Value::Null);
}

#[test]
fn a_settled_create_that_is_not_there_can_be_run_again() {
    let gone = Outcome::NotCreated { name: name(), reason: NotCreated::Exhausted };
    let asked = Asked { settled: true, ..Asked::default() };
    let error = Report::new(&gone, &asked).error.unwrap();
    assert_eq!(error.message, "AcmeClients was not created: it is not there");
    assert_eq!(error.hint.unwrap(), "`portal create AcmeClients` can be run again");
}

#[test]
fn with_ensure_a_portal_that_was_there_is_a_success() {
    let there =
        Outcome::Present { portal: Portal::new("AcmeClients"), origin: Origin::Preexisting };
    let ensure = Asked { ensure: true, ..Asked::default() };
    assert_eq!(Report::new(&there, &ensure).exit, ExitClass::Success);
    assert_eq!(Report::new(&there, &Asked::default()).exit, ExitClass::Exists);
}

#[test]
fn an_invalid_name_lists_its_broken_rules_for_machines() {
    let invalid = PortalName::parse("a b").unwrap_err();
    let report = Report::invalid("a b", &invalid, &Asked::default());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["outcome"], "invalid");
    assert_eq!(json["error"]["details"]["broken_rules"][1]["position"], 1);
    assert_eq!(report.exit, ExitClass::Invalid);
}
