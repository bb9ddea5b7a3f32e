use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use portal_model::endpoint::UnreadableReason;
use portal_model::flow::{NoResponse, NotSent, Policy};
use portal_model::oauth::OAuthError;
use portal_model::outcome::{self, AuthFailure, Conflict, Doubt, NotDone, Unverified};
use portal_model::server::rejections;
use portal_model::{
    ApiError, CreateOperation, ErrorCode, Portal, RenameOperation, Response, ResponseError,
    Unreadable,
};

use super::*;
use crate::report::place::Place;

fn name() -> PortalName {
    PortalName::parse("AcmeClients").unwrap()
}

fn present(origin: Origin) -> Outcome {
    let portal = Portal::new("AcmeClients");
    Outcome::Present { portal, origin, taken: Vec::new() }
}

fn unreachable(why: &str) -> NotDone {
    NotDone::Unreachable(outcome::Failure::NotSent(NotSent::Connect(why.to_owned())))
}

fn limited(retry_after: Option<Duration>) -> NotDone {
    let error = ApiError::new(429, ErrorCode::TooManyRequests, "");
    let cause = outcome::Failure::Response(ResponseError::Api(error));
    NotDone::RateLimited { retry_after, cause }
}

fn conflict(conflict: Conflict) -> NotDone {
    NotDone::Conflict { conflict, name: "AcmeOther".to_owned() }
}

/// Every reason, as far as each has words of its own.
fn every_reason() -> Vec<NotDone> {
    vec![
        unreachable("connection refused"),
        limited(Some(Duration::from_secs(7))),
        limited(None),
        limited(Some(Duration::from_secs(u64::MAX))),
        NotDone::Auth(AuthFailure::Rejected(OAuthError::new("invalid_client"))),
        NotDone::Auth(AuthFailure::Rejected(OAuthError::new("invalid_code"))),
        NotDone::Auth(AuthFailure::TokenRejected(ResponseError::Api(rejections::invalid_token()))),
        NotDone::Auth(AuthFailure::Unavailable("the token cache is full".to_owned())),
        NotDone::Exhausted { last: None },
        NotDone::Deadline { last: None },
        NotDone::Absent,
        NotDone::NotRecorded("the disk is full".to_owned()),
        NotDone::Stopped,
        NotDone::Origin("https://www.zohoapis.in".to_owned()),
        conflict(Conflict::NameDropped),
        conflict(Conflict::LabelMoved),
    ]
}

fn every_rejection() -> Vec<ApiError> {
    vec![
        rejections::no_permission(["Crm_Implied_Manage_ClientPortal_Users"]),
        rejections::no_permission([""; 0]),
        rejections::scope_mismatch(),
        rejections::limit_reached(1),
        rejections::not_in_sandbox(),
        ApiError::new(400, ErrorCode::from("SOMETHING_NEW"), "who knows"),
    ]
}

fn every_doubt() -> Vec<(Doubt, Unverified)> {
    let page = Response::new(502, "<html>Bad Gateway");
    vec![
        (Doubt::InProgress, Unverified::Stopped),
        (Doubt::NoResponse(NoResponse::TimedOut), Unverified::Deadline),
        (
            Doubt::ServerError(rejections::internal_error()),
            Unverified::ListRejected(rejections::scope_mismatch()),
        ),
        (
            ResponseError::Unreadable(Unreadable::new(&page, UnreadableReason::NotJson)).into(),
            Unverified::Auth(AuthFailure::TokenRejected(ResponseError::Api(
                rejections::invalid_token(),
            ))),
        ),
        (Doubt::Earlier, Unverified::MayBeRenamed("AcmeOther".to_owned())),
        (Doubt::OtherName("AcmeOther".to_owned()), Unverified::Gone),
        (Doubt::Earlier, Unverified::RenamedElsewhere("AcmeOther".to_owned())),
        (Doubt::Earlier, Unverified::Elsewhere),
        (Doubt::Earlier, Unverified::Ledger("the ledger is damaged".to_owned())),
        (Doubt::Earlier, Unverified::Conflict(Conflict::NameDropped)),
    ]
}

/// Every outcome of a create, with every cause that has words of its own.
fn every_outcome() -> Vec<Outcome> {
    let taken = vec![PortalName::parse("AcmePortal").unwrap()];
    let portal = Portal::new("AcmeOld");
    let mut outcomes = vec![
        Outcome::Created { name: name(), taken: Vec::new() },
        Outcome::Created { name: name(), taken },
        present(Origin::Preexisting),
        present(Origin::Appeared),
        present(Origin::CreatedEarlier { entry: "1".to_owned(), is_own: true }),
        present(Origin::CreatedEarlier { entry: "1".to_owned(), is_own: false }),
        present(Origin::Undetermined),
        Outcome::OrgHasPortal { name: name(), portal },
    ];
    let owners = [
        Owner::AnotherOrg,
        Owner::Undetermined(Unverified::ListRejected(rejections::scope_mismatch())),
        Owner::Undetermined(Unverified::ListRejected(rejections::no_permission([""; 0]))),
        Owner::Undetermined(Unverified::Deadline),
        Owner::Undetermined(Unverified::AtOnce),
        Owner::Undetermined(Unverified::Changed),
        Owner::Undetermined(Unverified::Stopped),
    ];
    outcomes.extend(owners.map(|owner| Outcome::NameTaken { name: name(), owner }));
    let rejected = |error| Outcome::Rejected { name: name(), error };
    outcomes.extend(every_rejection().into_iter().map(rejected));
    let not_created = |reason| Outcome::NotCreated { name: name(), why: reason };
    outcomes.extend(every_reason().into_iter().map(not_created));
    let unknown = |(doubt, why)| Outcome::Unknown { name: name().into(), doubt, why };
    outcomes.extend(every_doubt().into_iter().map(unknown));
    outcomes
}

/// Those of a rename that differ.
fn rename_outcomes() -> Vec<Outcome> {
    let (old, new) = ("AcmeOld".to_owned(), name());
    let (doubt, why) = (Doubt::NoResponse(NoResponse::TimedOut), Unverified::Gone);
    vec![
        Outcome::Renamed { old: old.clone(), new: new.clone() },
        Outcome::Unchanged { portal: Portal::new("AcmeClients") },
        Outcome::NotFound { old },
        Outcome::NameTaken { name: new.clone(), owner: Owner::ThisOrg },
        Outcome::NameTaken { name: new.clone(), owner: Owner::AnotherOrg },
        Outcome::Rejected { name: new.clone(), error: rejections::no_permission([""; 0]) },
        Outcome::NotRenamed {
            new,
            old: "AcmeOld".to_owned(),
            why: NotDone::Exhausted { last: None },
        },
        Outcome::Unknown { name: name().into(), doubt, why },
    ]
}

fn create() -> Operation {
    CreateOperation::new(name()).into()
}

fn rename() -> Operation {
    RenameOperation::new("AcmeOld", name()).into()
}

/// Of a create without particulars.
fn report(outcome: &Outcome) -> Report {
    Report::new(outcome, &create(), &ReportContext::default())
}

/// Where absence counts after 70 s.
fn context() -> ReportContext {
    ReportContext::new(&Place::Explicit(None), String::new(), &Policy::default())
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
fn every_outcome_has_its_text_json_and_exit_status() {
    let context = ReportContext { profile: Some("acme".to_owned()), ..context() };
    let show_all = |outcomes: Vec<Outcome>, operation| {
        outcomes.iter().map(|it| show(&Report::new(it, &operation, &context))).collect::<String>()
    };
    let text = show_all(every_outcome(), create()) + &show_all(rename_outcomes(), rename());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/outcomes.txt");
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n"));
}

#[test]
fn fallback_names_what_was_taken_and_only_that() {
    let first = PortalName::parse("AcmePortal").unwrap();
    let operation = CreateOperation::new(first.clone()).with_fallbacks([name()]).into();
    let report = |outcome| Report::new(&outcome, &operation, &ReportContext::default());
    // The org has the second name: the first one was never sent.
    let present = report(present(Origin::Preexisting));
    assert!(!present.text.contains("AcmePortal"), "{}", present.text);
    let created = report(Outcome::Created { name: name(), taken: vec![first] });
    assert!(created.text.ends_with("; AcmePortal was taken by another organization"));
    let json = serde_json::to_value(&created).unwrap();
    assert_eq!(json["taken"], serde_json::json!(["AcmePortal"]));
    assert_eq!(json["requested"], "AcmePortal");
}

#[test]
fn existing_portal_in_another_case_is_not_taken_by_others() {
    let portal = Portal::new("SecondName");
    let outcome = Outcome::Present { portal, origin: Origin::Preexisting, taken: Vec::new() };
    // The org has SecondName, and secondname was asked for first.
    let first = PortalName::parse("secondname").unwrap();
    let operation = CreateOperation::new(first).with_fallbacks([name()]).into();
    let report = Report::new(&outcome, &operation, &ReportContext::default());
    assert_eq!(report.text, "SecondName already exists in the org");
}

#[test]
fn undetermined_owner_says_why_truthfully() {
    let message = |why| {
        let outcome = Outcome::NameTaken { name: name(), owner: Owner::Undetermined(why) };
        report(&outcome).error.unwrap().message
    };
    let not_allowed = message(Unverified::ListRejected(rejections::scope_mismatch()));
    assert!(not_allowed.contains("cannot list the org"), "{not_allowed}");
    // A list that fails proves nothing about the token's scopes.
    for why in [Unverified::Deadline, Unverified::AtOnce, Unverified::Changed] {
        let (expected, message) = (why.to_string(), message(why));
        assert!(message.ends_with(&expected), "{message}");
        assert!(!message.contains("allowed") && !message.contains("token"), "{message}");
    }
}

#[test]
fn withheld_create_is_unknown_only_while_it_is_in_progress() {
    let outcome = |exit| {
        let failure = Failure::new(ErrorKind::Failed, "why").exit(exit);
        Report::withheld(&create(), failure, &ReportContext::default()).outcome
    };
    assert_eq!(outcome(ExitClass::Unknown), "unknown");
    assert_eq!(outcome(ExitClass::Unavailable), "not_created");
}

#[test]
fn recovered_absence_can_be_created_again() {
    let absent = Outcome::NotCreated { name: name(), why: NotDone::Absent };
    let context = ReportContext { recovered: true, ..context() };
    let report = Report::new(&absent, &create(), &context);
    assert_eq!(serde_json::to_value(&report).unwrap()["verified_after"], 70);
    let error = report.error.unwrap();
    assert_eq!(error.message, "AcmeClients was not created: the org's list does not show it");
    let nothing = Outcome::NotCreated { name: name(), why: NotDone::NotAttempted };
    let report = Report::new(&nothing, &create(), &context);
    assert_eq!(serde_json::to_value(&report).unwrap().get("verified_after"), None);
    assert_eq!(report.error.unwrap().message, "AcmeClients was not created: no attempt was made");
}

#[test]
fn existing_portal_is_success_with_ensure_only() {
    let ensure = ReportContext { ensure: true, ..ReportContext::default() };
    for origin in [Origin::Preexisting, Origin::Undetermined] {
        let outcome = present(origin);
        assert_eq!(Report::new(&outcome, &create(), &ensure).exit, ExitClass::Success);
        assert_eq!(report(&outcome).exit, ExitClass::Exists);
    }
}

#[test]
fn invalid_name_lists_its_broken_rules_in_json() {
    let invalid = PortalName::parse("a b").unwrap_err();
    let report = Report::invalid("a b", &invalid, &ReportContext::default());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["outcome"], "invalid");
    assert_eq!(json["error"]["details"]["broken_rules"][1]["position"], 2);
    assert_eq!(report.exit, ExitClass::Invalid);
}

fn reasons() -> Vec<(NotDone, u8)> {
    let token = AuthFailure::TokenRejected(ResponseError::Api(rejections::invalid_token()));
    vec![
        (NotDone::Deadline { last: None }, 6),
        (NotDone::Exhausted { last: None }, 6),
        (NotDone::Absent, 6),
        (NotDone::NotAttempted, 6),
        (unreachable("refused"), 6),
        (limited(Some(Duration::from_secs(9))), 6),
        (NotDone::NotRecorded("disk full".to_owned()), 6),
        (NotDone::Auth(token), 3),
        (NotDone::Auth(AuthFailure::Rejected(OAuthError::new("invalid_code"))), 3),
        (NotDone::Auth(AuthFailure::Unavailable("cache".to_owned())), 3),
        (NotDone::Stopped, 130),
        (conflict(Conflict::LabelMoved), 4),
    ]
}

fn rejections_and_exits() -> Vec<(ApiError, u8)> {
    vec![
        (rejections::no_permission(["Manage"]), 3),
        (rejections::scope_mismatch(), 3),
        (rejections::limit_reached(1), 1),
        (rejections::not_in_sandbox(), 1),
        (ApiError::new(400, "SOMETHING_NEW".into(), "?"), 1),
    ]
}

#[test]
fn create_has_status_of_table() {
    let taken = |owner| Outcome::NameTaken { name: name(), owner };
    let other = Outcome::OrgHasPortal { name: name(), portal: Portal::new("AcmeOld") };
    let unknown = |why| Outcome::Unknown { name: name().into(), doubt: Doubt::InProgress, why };
    // Without and with `ensure`.
    let mut table = vec![
        (Outcome::Created { name: name(), taken: Vec::new() }, 0, 0),
        (present(Origin::Appeared), 0, 0),
        (present(Origin::Preexisting), 4, 0),
        (present(Origin::CreatedEarlier { entry: "1".to_owned(), is_own: true }), 0, 0),
        (present(Origin::CreatedEarlier { entry: "1".to_owned(), is_own: false }), 4, 0),
        (present(Origin::Undetermined), 4, 0),
        (other, 4, 4),
        (taken(Owner::AnotherOrg), 4, 4),
        (taken(Owner::Undetermined(Unverified::AtOnce)), 4, 4),
        (unknown(Unverified::Deadline), 5, 5),
        (unknown(Unverified::Stopped), 5, 5),
    ];
    let rejected = |(error, exit)| (Outcome::Rejected { name: name(), error }, exit, exit);
    table.extend(rejections_and_exits().into_iter().map(rejected));
    let not_done = |(reason, exit)| (Outcome::NotCreated { name: name(), why: reason }, exit, exit);
    table.extend(reasons().into_iter().map(not_done));
    for (outcome, plain, ensured) in table {
        let exits = [false, true].map(|ensure| {
            let context = ReportContext { ensure, ..ReportContext::default() };
            Report::new(&outcome, &create(), &context).exit as u8
        });
        assert_eq!(exits, [plain, ensured], "{outcome:?}");
    }
}

#[test]
fn rename_has_status_of_table() {
    let unknown = Outcome::Unknown {
        name: name().into(),
        doubt: Doubt::InProgress,
        why: Unverified::Deadline,
    };
    let mut table = vec![
        (Outcome::Renamed { old: "AcmeOld".to_owned(), new: name() }, 0),
        (Outcome::Unchanged { portal: Portal::new("AcmePortal") }, 0),
        (Outcome::NotFound { old: "AcmeOld".to_owned() }, 1),
        (Outcome::NameTaken { name: name(), owner: Owner::ThisOrg }, 4),
        (unknown, 5),
    ];
    let rejected = |(error, exit)| (Outcome::Rejected { name: name(), error }, exit);
    table.extend(rejections_and_exits().into_iter().map(rejected));
    let not_done = |(reason, exit)| {
        (Outcome::NotRenamed { old: "AcmeOld".to_owned(), new: name(), why: reason }, exit)
    };
    table.extend(reasons().into_iter().map(not_done));
    for (outcome, exit) in table {
        let report = Report::new(&outcome, &rename(), &ReportContext::default());
        assert_eq!(report.exit as u8, exit, "{outcome:?}");
    }
}
