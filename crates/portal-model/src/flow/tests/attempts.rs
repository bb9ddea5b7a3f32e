//! When an attempt is made: rules 1, 2 and 8.

use super::*;

// Rule 1: baseline.

#[test]
fn absent_name_is_created_by_one_attempt() {
    let outcome = create().ready().attempt(success("Acme2026")).ends();
    assert!(matches!(outcome, Outcome::Created { taken, .. } if taken.is_empty()));
}

#[test]
fn listed_name_is_preexisting_whatever_its_case() {
    let outcome = create().token().shows(&["ACME2026"]).ends();
    assert_eq!(origin(&outcome), Origin::Preexisting);
    assert_eq!(outcome.name(), "ACME2026");
    assert!(outcome.taken().is_empty());
}

#[test]
fn listed_fallback_is_preexisting_and_none_taken() {
    let outcome = with_fallback(Policy::default()).token().shows(&["SecondName"]).ends();
    assert_eq!(origin(&outcome), Origin::Preexisting);
    assert_eq!((outcome.name(), outcome.taken()), ("SecondName", &[][..]));
}

#[test]
fn another_portal_ends_create_unless_allowed() {
    let outcome = create().token().shows(&["AcmeOther"]).ends();
    assert!(matches!(outcome, Outcome::OrgHasPortal { portal, .. } if portal.name == "AcmeOther"));
    let outcome = create_with(allow_another()).token().shows(&["AcmeOther"]);
    assert!(matches!(outcome.attempt(success("Acme2026")).ends(), Outcome::Created { .. }));
}

#[test]
fn incomplete_baseline_is_repeated_then_ends() {
    let more = Response::new(200, r#"{"portals":[],"info":{"more_records":true}}"#);
    let aged = Response::new(204, "").with_headers(|name| (name == "age").then_some("30"));
    for page in [more, aged] {
        let page = Event::Response(page);
        let mut script = create().token();
        for wait in [1000, 2000, 4000, 8000] {
            script = script.list(page.clone()).waits(wait);
        }
        let reason = reason(script.list(page).ends());
        assert!(reason.to_string().contains("incomplete list"), "{reason}");
    }
}

#[test]
fn create_only_token_reports_undetermined_owner() {
    let beside = || create_with(allow_another());
    let scope = || response(401, "OAUTH_SCOPE_MISMATCH");
    let outcome = beside().token().list(scope()).attempt(success("Acme2026")).ends();
    assert!(matches!(outcome, Outcome::Created { .. }));
    let outcome = beside().token().list(scope()).attempt(response(400, "ALREADY_USED")).ends();
    let Owner::Undetermined(Unverified::ListRejected(error)) = owner(outcome) else { panic!() };
    assert_eq!(error.code, ErrorCode::OauthScopeMismatch);
    let script = beside().token().list(scope()).attempt(lost()).waits(1000);
    let script = script.attempt(lost()).waits(2000).attempt(lost());
    assert!(matches!(unverified(&script.ends()), Unverified::ListRejected(_)));
}

#[test]
fn rejected_baseline_is_outcome() {
    let outcome = create().token().list(response(403, "NO_PERMISSION")).ends();
    assert_eq!(rejection(outcome), ErrorCode::NoPermission);
}

#[test]
fn receipt_counts_under_name_that_list_shows() {
    let listed = Receipt { id: Some("1".to_owned()), ..receipt("Acme2026", 1) };
    let script = with_receipt(Policy::default(), listed);
    let outcome = script.token().shows_portals(&[("1", "AcmeHelpdesk", true)]).ends();
    let Outcome::OrgHasPortal { portal, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(portal.name, "AcmeHelpdesk");
}

#[test]
fn receipt_counts_where_token_may_not_list() {
    let ends = |policy, receipt| with_receipt(policy, receipt).token().list(scope_mismatch());
    let outcome = ends(Policy::default(), receipt("Acme2026", 1)).ends();
    assert_eq!(origin(&outcome), created_earlier());
    let outcome = ends(Policy::default(), receipt("AcmeOther", 1)).ends();
    assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{outcome:?}");
    for age in [1, 7200] {
        ends(allow_another(), receipt("AcmeOther", age)).sends();
    }
}

#[test]
fn receipt_of_other_portal_ends_resumed_create() {
    let intent = Intent {
        attempts: 1,
        baseline: Some(Baseline::default()),
        ..Intent::create(name("Acme2026"))
    };
    let flow = Flow::resume(
        create_of(&["Acme2026"]),
        intent,
        Duration::ZERO,
        Policy::default(),
        ApiVersion::V7,
    );
    let script =
        script(flow.with_receipts([receipt("AcmeOther", 0)])).token().shows_until_proved(&[]);
    assert!(matches!(script.ends(), Outcome::OrgHasPortal { .. }));
}

#[test]
fn young_receipt_counts_as_portal_of_org() {
    let with = |receipt| with_receipt(Policy::default(), receipt).token().shows(&[]);
    assert!(matches!(with(receipt("AcmeOther", 9)).ends(), Outcome::OrgHasPortal { .. }));
    assert_eq!(origin(&with(receipt("ACME2026", 9)).ends()), created_earlier());
    with(receipt("AcmeOther", 10)).sends();
}

// Rule 2: intent before attempt.

#[test]
fn flow_is_in_doubt_from_attempt_until_certain() {
    let mut script = create().ready();
    let Step::Record(intent) = script.flow.step(script.now) else { panic!() };
    assert_eq!((intent.attempts, intent.baseline), (1, Some(Baseline::default())));
    assert!(!script.flow.is_in_doubt());
    script = script.sends();
    assert!(script.flow.is_in_doubt());
    script = script.handle(lost());
    assert!(script.flow.is_in_doubt() && script.flow.is_last_in_doubt());
    script = script.shows(&["Acme2026"]);
    assert!(!script.flow.is_in_doubt());
}

#[test]
fn rejection_settles_its_own_attempt_only() {
    let script = create().ready().attempt(lost()).clears(1000);
    let script = script.attempt(response(403, "NO_PERMISSION"));
    assert!(script.flow.is_in_doubt() && !script.flow.is_last_in_doubt());
}

#[test]
fn attempt_too_late_after_write_is_not_made() {
    // 100 s: the attempt, the processing time, the list lag and a list.
    let mut script = create().ready().lasting(200).record();
    assert_eq!(script.timeout(), 20);
    let script = create().ready().lasting(201).record();
    assert_eq!(reason(script.ends()), NotDone::Deadline { last: None });
}

#[test]
fn unwritable_intent_ends_with_nothing_sent() {
    let mut script = create().ready();
    assert!(matches!(script.flow.step(script.now), Step::Record(_)));
    let outcome = script.handle(Event::NotRecorded("disk full".to_owned())).ends();
    assert_eq!(reason(outcome), NotDone::NotRecorded("disk full".to_owned()));
}

#[test]
fn unwritable_second_intent_leaves_verification() {
    let mut script = create().ready().attempt(lost()).clears(1000);
    assert!(matches!(script.flow.step(script.now), Step::Record(_)));
    let script = script.handle(Event::NotRecorded("disk full".to_owned()));
    let outcome = script.shows(&["Acme2026"]).ends();
    assert_eq!(origin(&outcome), Origin::Appeared);
}

#[test]
fn stop_before_attempt_leaves_no_doubt() {
    let script = create().ready().record();
    assert_eq!(reason(script.flow.abandon()), NotDone::Stopped);
}

#[test]
fn attempt_that_was_not_made_does_not_count() {
    let in_doubt = || create().ready().attempt(lost()).clears(1000);
    // The intent cannot be written.
    let mut script = in_doubt();
    script.flow.step(script.now);
    let script = script.handle(Event::NotRecorded("disk full".to_owned()));
    assert_eq!(script.flow.attempts, 1);
    // The write takes too long.
    let mut script = in_doubt().lasting(210).record();
    assert!(matches!(script.flow.step(script.now), Step::List { .. }));
    assert_eq!(script.flow.attempts, 1);
    // It was made.
    assert_eq!(in_doubt().sends().flow.attempts, 2);
}

#[test]
fn ended_flow_is_abandoned_with_its_outcome() {
    let outcome = create().ready().attempt(success("Acme2026")).flow.abandon();
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
}

// Rule 8: repeat only where harmless.

#[test]
fn create_is_repeated_in_doubt_at_most_twice() {
    let script = create().ready().attempt(lost()).clears(1000);
    let script = script.attempt(html(502)).clears(2000);
    let script = script.attempt(lost()).shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(3 + 70));
    let last = Some(Doubt::NoResponse(NoResponse::TimedOut));
    assert_eq!(reason(script.ends()), NotDone::Exhausted { last });
}

#[test]
fn portal_renamed_during_backoff_ends_repeats() {
    let script = create().ready().attempt(html(429)).waits(1000);
    let script = script.shows_portals(&[("1", "AcmeHelpdesk", true)]);
    let outcome = script.lists_until_end(&[("1", "AcmeHelpdesk", true)]);
    assert_eq!(*unverified(&outcome), Unverified::MayBeRenamed("AcmeHelpdesk".to_owned()));
    // The same after a repeat that was not sent, and after a token that came late.
    for failure in [not_sent(), invalid_token()] {
        let mut script = create().ready().attempt(lost()).clears(1000).attempt(failure);
        if let Step::Authenticate { .. } = script.flow.step(script.now) {
            let unreachable = TokenError::NotSent(NotSent::ConnectTimedOut);
            script = script.no_token(unreachable).waits(2000).token();
        } else {
            script = script.waits(2000);
        }
        let outcome = script.lists_until_end(&[("1", "AcmeHelpdesk", true)]);
        assert_eq!(*unverified(&outcome), Unverified::MayBeRenamed("AcmeHelpdesk".to_owned()));
    }
}

#[test]
fn create_is_not_repeated_beside_another_portal() {
    let mut script = create().ready().attempt(lost()).shows(&["AcmeOther"]);
    assert!(matches!(script.flow.step(script.now), Step::WaitUntil(_)));
    script = script.shows_until_proved(&["AcmeOther"]);
    assert!(matches!(script.ends(), Outcome::OrgHasPortal { .. }));
}

#[test]
fn fallback_is_tried_after_name_is_proved_taken() {
    let script = with_fallback(Policy::default())
        .ready()
        .attempt(response(400, "ALREADY_USED"))
        .shows_until_proved(&[]);
    let Outcome::Created { name, taken } = script.attempt(success("SecondName")).ends() else {
        panic!()
    };
    assert_eq!((name.as_str(), taken[0].as_str()), ("SecondName", "Acme2026"));
}

#[test]
fn rejection_in_doubt_is_outcome_once_absent() {
    let script = create().ready().attempt(lost()).clears(1000);
    let script = script.attempt(response(403, "NO_PERMISSION"));
    let outcome = script.shows_until_proved(&["AcmeOther"]).ends();
    assert_eq!(rejection(outcome), ErrorCode::NoPermission);
}

#[test]
fn resumed_create_counts_earlier_attempts() {
    let intent = Intent {
        attempts: 3,
        baseline: Some(Baseline::default()),
        ..Intent::create(name("Acme2026"))
    };
    let flow = Flow::resume(
        create_of(&["Acme2026"]),
        intent,
        Duration::from_secs(60),
        Policy::default(),
        ApiVersion::V7,
    );
    let script = script(flow).token().shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(70));
    assert!(matches!(script.attempt(success("Acme2026")).ends(), Outcome::Created { .. }));
}
