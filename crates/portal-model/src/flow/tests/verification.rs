//! What an attempt came to: rules 3 to 7 and 9.

use super::*;

// Rule 3: certain rejections.

#[test]
fn documented_rejection_is_outcome() {
    for (status, code) in
        [(400, "PATTERN_NOT_MATCHED"), (403, "NO_PERMISSION"), (401, "OAUTH_SCOPE_MISMATCH")]
    {
        let outcome = create().ready().attempt(response(status, code)).ends();
        assert_eq!(rejection(outcome).as_str(), code);
    }
}

#[test]
fn ambiguous_response_leaves_attempt_in_doubt() {
    for event in [
        lost(),
        html(502),
        html(200),
        html(404),
        response(500, "INTERNAL_ERROR"),
        response(200, "SCHEDULED"),
        response(202, "NO_PERMISSION"),
        response(408, "REQUEST_TIMEOUT"),
        response(409, "LOCKED"),
        response(425, "TOO_EARLY"),
        response(499, "CLOSED"),
        success("AcmeOther"),
    ] {
        let script = create().ready().attempt(event.clone());
        assert!(script.flow.is_in_doubt(), "{event:?}");
        assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared, "{event:?}");
    }
}

#[test]
fn undocumented_rejection_is_only_verified() {
    let script = create().ready().attempt(response(400, "NOT_ALLOWED"));
    assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared);
    let script = create().ready().attempt(response(400, "NOT_ALLOWED")).shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(70));
    assert_eq!(rejection(script.ends()), ErrorCode::from("NOT_ALLOWED"));
}

// Rule 4: rejections that an earlier copy may have caused.

#[test]
fn taken_name_in_list_is_not_another_orgs() {
    let script = create().ready().attempt(response(400, "ALREADY_USED"));
    assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared);
    let script = create().ready().attempt(response(400, "ALREADY_USED")).shows(&[]).waits(1000);
    assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared);
}

#[test]
fn taken_name_is_another_orgs_one_list_lag_later() {
    let script = create().ready().attempt(response(400, "ALREADY_USED")).shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(10));
    assert_eq!(owner(script.ends()), Owner::AnotherOrg);
}

#[test]
fn taken_name_in_doubt_is_another_orgs_once_proved() {
    let script = with_fallback(Policy::default()).ready().attempt(lost()).clears(1000);
    let script = script.attempt(response(400, "ALREADY_USED")).shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(70));
    script.sends();
}

#[test]
fn stop_while_taken_name_is_verified_leaves_intent() {
    // The first copy of a repeated request took effect, and the list lags behind it.
    let script = create().ready().attempt(response(400, "ALREADY_USED")).shows(&[]);
    let outcome = script.flow.abandon();
    assert_eq!(*unverified(&outcome), Unverified::Stopped);
}

#[test]
fn taken_name_precedes_other_portal_of_org() {
    let script = create_with(allow_another()).token().shows(&["AcmeOther"]);
    let script = script.attempt(response(400, "ALREADY_USED"));
    assert_eq!(owner(script.shows_until_proved(&["AcmeOther"]).ends()), Owner::AnotherOrg);
    // It appeared since. A fallback would be beside it.
    let taken = |script: Script| script.ready().attempt(response(400, "ALREADY_USED"));
    let script = taken(create()).shows_until_proved(&["AcmeOther"]);
    assert_eq!(owner(script.ends()), Owner::Undetermined(Unverified::Changed));
    let outcome = taken(with_fallback(Policy::default())).shows_until_proved(&["AcmeOther"]).ends();
    assert!(matches!(outcome, Outcome::OrgHasPortal { portal, .. } if portal.name == "AcmeOther"));
    // What it was rejected for is not that.
    let script = with_fallback(Policy::default()).ready().attempt(response(400, "NOT_ALLOWED"));
    let outcome = script.shows_until_proved(&["AcmeOther"]).ends();
    assert_eq!(rejection(outcome), ErrorCode::from("NOT_ALLOWED"));
}

#[test]
fn name_taken_at_once_ends_after_first_list() {
    let policy = || Policy { name_taken: NameTaken::AtOnce, ..Policy::default() };
    let taken = || response(400, "ALREADY_USED");
    let script = create_with(policy()).ready().attempt(taken()).shows(&[]);
    assert_eq!(script.elapsed(), Duration::ZERO);
    assert_eq!(owner(script.ends()), Owner::Undetermined(Unverified::AtOnce));
    let script = with_fallback(policy()).ready().attempt(taken()).shows(&[]);
    assert_eq!(owner(script.ends()), Owner::Undetermined(Unverified::AtOnce));
}

#[test]
fn failing_verification_is_unknown() {
    let mut script = create().ready().attempt(response(400, "ALREADY_USED"));
    while let Step::List { .. } = script.flow.step(script.now) {
        script = script.handle(html(500));
        if let Step::WaitUntil(time) = script.flow.step(script.now) {
            script.now = time;
        }
    }
    assert!(script.elapsed() <= Duration::from_secs(300));
    assert_eq!(*unverified(&script.ends()), Unverified::Deadline);
}

#[test]
fn reached_limit_without_list_is_unknown() {
    let script = create().ready().attempt(response(400, "LIMIT_REACHED"));
    let outcome = script.list(response(403, "NO_PERMISSION")).ends();
    assert!(matches!(unverified(&outcome), Unverified::ListRejected(_)), "{outcome:?}");
}

#[test]
fn reached_limit_names_portal_of_second_list() {
    let limit = || response(400, "LIMIT_REACHED");
    let outcome = create().ready().attempt(limit()).shows_until_proved(&["AcmeOther"]).ends();
    assert!(matches!(outcome, Outcome::OrgHasPortal { portal, .. } if portal.name == "AcmeOther"));
    let outcome = create().ready().attempt(limit()).shows_until_proved(&[]).ends();
    assert_eq!(rejection(outcome), ErrorCode::LimitReached);
    let outcome = create().ready().attempt(limit()).shows(&["Acme2026"]).ends();
    assert_eq!(origin(&outcome), Origin::Appeared);
}

#[test]
fn rejection_after_lost_response_is_in_doubt() {
    let script = create().ready().attempt(lost()).clears(1000);
    let script = script.attempt(response(400, "ALREADY_USED"));
    let Outcome::Unknown { doubt, .. } = script.flow.abandon() else { panic!() };
    assert_eq!(doubt, Doubt::NoResponse(NoResponse::TimedOut));
}

#[test]
fn reached_limit_in_doubt_is_rejected_if_absent() {
    let script = create().ready().attempt(lost()).clears(1000);
    let script = script.attempt(response(400, "LIMIT_REACHED")).shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(70));
    assert_eq!(rejection(script.ends()), ErrorCode::LimitReached);
}

// Rule 5: absence counts late.

#[test]
fn absence_counts_after_processing_time_and_lag() {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let script = create_with(policy).ready().sends().lasting(5).handle(html(504));
    let script = script.shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(5 + 60 + 10));
    assert!(matches!(reason(script.ends()), NotDone::Exhausted { .. }));
}

#[test]
fn flow_polls_ever_more_slowly() {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let mut script = create_with(policy).ready().attempt(lost());
    for wait in [1, 2, 4, 8, 10, 10, 10, 10, 10, 5] {
        script = script.shows(&[]).waits(wait * 1000);
    }
    assert_eq!(script.elapsed(), Duration::from_secs(70));
}

#[test]
fn list_from_cache_proves_no_absence() {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let script = create_with(policy).ready().attempt(lost());
    let mut script = script.lasting(70);
    let aged = Response::new(204, "").with_headers(|name| (name == "age").then_some("1"));
    script = script.list(Event::Response(aged));
    assert!(script.flow.is_in_doubt());
    assert!(matches!(script.flow.step(script.now), Step::WaitUntil(_)));
}

#[test]
fn early_list_leaves_time_for_one_that_counts() {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let mut script = create_with(policy).ready().lasting(200).sends().lasting(20).handle(lost());
    script = script.lasting(65);
    assert_eq!(script.timeout(), 5, "a list at 285 s must end at 290 s");
}

#[test]
fn failing_verification_lists_until_deadline() {
    let policy =
        Policy { max_attempts: 1, deadline: Duration::from_secs(150), ..Policy::default() };
    let mut script = create_with(policy).ready().attempt(lost());
    let mut last = Duration::ZERO;
    while let Step::List { .. } = script.flow.step(script.now) {
        last = script.elapsed();
        script = script.handle(html(500));
        if let Step::WaitUntil(time) = script.flow.step(script.now) {
            script.now = time;
        }
    }
    assert_eq!(last, Duration::from_secs(140));
    assert_eq!(*unverified(&script.ends()), Unverified::Deadline);
}

// Rule 6: origins.

#[test]
fn recovery_without_baseline_has_no_origin() {
    let intent = Intent { attempts: 1, ..Intent::create(name("Acme2026")) };
    let recover = |intent: Intent| {
        let flow = Flow::recover(
            create_of(&["Acme2026"]),
            intent,
            Duration::ZERO,
            Policy::default(),
            ApiVersion::V7,
        );
        script(flow).token().shows(&["Acme2026"]).ends()
    };
    assert_eq!(origin(&recover(intent.clone())), Origin::Undetermined);
    let intent = Intent { baseline: Some(Baseline::default()), ..intent };
    assert_eq!(origin(&recover(intent)), Origin::Appeared);
}

// Rule 7: portals can be renamed.

#[test]
fn new_renamed_portal_leaves_create_unknown() {
    let script = create_with(allow_another()).token().shows_portals(&[("1", "AcmeOld", true)]);
    let mut script = script.attempt(lost());
    script = script.shows_portals(&[("1", "AcmeOld", true), ("2", "AcmeRenamed", true)]);
    // No further attempt; the name may still appear.
    let outcome = script.shows_until_proved(&[]).ends();
    assert_eq!(*unverified(&outcome), Unverified::MayBeRenamed("AcmeRenamed".to_owned()));
}

#[test]
fn new_portal_never_renamed_is_another() {
    let script = create().ready().attempt(lost()).shows_until_proved(&["AcmeOther"]);
    assert!(matches!(script.ends(), Outcome::OrgHasPortal { .. }));
}

// Rule 9: recovery.

#[test]
fn recovery_polls_until_absence_and_never_sends() {
    let intent = Intent { attempts: 1, ..Intent::create(name("Acme2026")) };
    let recover = |horizon| {
        let horizon = Duration::from_secs(horizon);
        let flow = Flow::recover(
            create_of(&["Acme2026"]),
            intent.clone(),
            horizon,
            Policy::default(),
            ApiVersion::V7,
        );
        let script = script(flow).token().shows_until_proved(&["AcmeOther"]);
        let elapsed = script.elapsed().as_secs();
        assert_eq!(reason(script.ends()), NotDone::Absent);
        elapsed
    };
    assert_eq!((recover(60), recover(10), recover(0)), (70, 20, 10));
}

#[test]
fn abandoned_attempt_is_unknown() {
    let script = create().ready().sends();
    let Outcome::Unknown { doubt, why, name } = script.flow.abandon() else { panic!() };
    assert_eq!((doubt, why, name.as_str()), (Doubt::InProgress, Unverified::Stopped, "Acme2026"));
    assert_eq!(reason(create().ready().flow.abandon()), NotDone::Stopped);
}
