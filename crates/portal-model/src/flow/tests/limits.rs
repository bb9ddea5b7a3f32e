//! When it waits and when it ends: rules 12 and 13, tokens, and what drivers see.

use super::*;

// Rule 12: rate limits.

#[test]
fn retry_after_is_obeyed_but_not_below_backoff() {
    let script = create().token().list(retry_after(429, "7"));
    // Jitter on top: as much as the first backoff.
    let script = script.waits(8000).list(retry_after(429, "0")).waits(2000);
    script.list(retry_after(503, "5")).waits(6000).shows(&[]).sends();
}

#[test]
fn retry_after_zero_on_lists_backs_off() {
    let mut script = create().token();
    for wait in [1000, 2000, 4000, 8000, 10_000, 10_000] {
        script = script.list(retry_after(429, "0")).waits(wait);
    }
}

#[test]
fn rate_limited_attempt_is_in_doubt_until_listed() {
    let script = create().ready().attempt(retry_after(429, "1"));
    assert!(script.flow.is_in_doubt() && script.flow.is_last_in_doubt());
    let script = create().ready().attempt(retry_after(429, "1")).waits(2000);
    let script = script.shows(&[]).attempt(response(400, "ALREADY_USED")).shows(&["Acme2026"]);
    assert_eq!(origin(&script.ends()), Origin::Appeared);
}

#[test]
fn list_after_rate_limited_attempt_waits() {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let script = create_with(policy.clone()).ready().attempt(retry_after(429, "7"));
    assert_eq!(origin(&script.waits(8000).shows(&["Acme2026"]).ends()), Origin::Appeared);
    // No attempt fits after it, either.
    let script = create().ready().lasting(195).sends().handle(retry_after(429, "7"));
    assert_eq!(origin(&script.waits(8000).shows(&["Acme2026"]).ends()), Origin::Appeared);
    // It does not count.
    let script = create_with(policy).ready().attempt(retry_after(429, "1")).waits(2000);
    let Some(intent) = script.shows(&[]).sends().intent else { panic!() };
    assert_eq!(intent.attempts, 1);
}

#[test]
fn retry_after_beyond_deadline_is_still_verified() {
    let script = create().token().list(retry_after(429, "3600"));
    assert!(matches!(reason(script.ends()), NotDone::RateLimited { .. }));
    let script = create().ready().attempt(retry_after(429, "3600")).shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(70));
    assert!(matches!(reason(script.ends()), NotDone::RateLimited { .. }));
}

// Rule 13: it ends.

#[test]
fn failing_requests_end_within_20_seconds() {
    for failure in [html(502), not_sent(), retry_after(503, "0")] {
        let mut script = create().token();
        for wait in [1000, 2000, 4000, 8000] {
            script = script.list(failure.clone()).waits(wait);
        }
        let outcome = script.list(failure).ends();
        assert!(matches!(reason(outcome), NotDone::Unreachable(_)));
    }
    let mut script = create().token();
    assert_eq!(script.timeout(), 10);
    script = script.lasting(10).list(lost()).waits(1000);
    assert_eq!(script.timeout(), 9);
    script = script.lasting(9).list(lost());
    assert_eq!(script.elapsed(), Duration::from_secs(20));
    assert!(matches!(reason(script.ends()), NotDone::Unreachable(_)));
    let outcome = create().token().list(retry_after(503, "30")).ends();
    assert!(matches!(reason(outcome), NotDone::Unreachable(_)));
}

#[test]
fn permanent_failure_to_connect_ends_at_once() {
    let permanent = || NotSent::Permanent("unknown host".to_owned());
    for script in [
        create().no_token(TokenError::NotSent(permanent())),
        create().token().list(Event::NotSent(permanent())),
        create().ready().attempt(Event::NotSent(permanent())),
    ] {
        assert_eq!(reason(script.ends()), NotDone::Unreachable(Failure::NotSent(permanent())));
    }
    let mut script = create().ready().attempt(lost()).list(Event::NotSent(permanent()));
    assert!(matches!(script.flow.step(script.now), Step::WaitUntil(_)), "in doubt it continues");
}

#[test]
fn attempt_that_was_not_sent_leaves_no_doubt() {
    let mut script = create().ready();
    for wait in [1000, 2000, 4000, 8000] {
        script = script.attempt(not_sent()).waits(wait);
    }
    let outcome = script.attempt(not_sent()).ends();
    assert!(matches!(reason(outcome), NotDone::Unreachable(_)));
}

#[test]
fn transient_502_is_created_within_two_seconds() {
    let script = create().token().list(html(502)).waits(1000).shows(&[]);
    assert!(matches!(script.attempt(success("Acme2026")).ends(), Outcome::Created { .. }));
    let script = create().ready().attempt(html(502)).clears(1000);
    assert!(matches!(script.attempt(success("Acme2026")).ends(), Outcome::Created { .. }));
}

// Tokens.

#[test]
fn rejected_token_is_replaced_once_per_request() {
    let mut script = create().token().list(invalid_token());
    assert_eq!(script.needs_token(), Some(TokenId(1)));
    let script = script.token().shows(&[]).attempt(invalid_token());
    assert!(!script.flow.is_in_doubt(), "it did nothing");
    let script = script.token().attempt(invalid_token());
    let outcome = script.ends();
    let error = outcome.response().unwrap();
    assert_eq!(error.api().unwrap().code, ErrorCode::InvalidToken);
    assert!(matches!(reason(outcome), NotDone::Auth(AuthFailure::TokenRejected(_))));
}

#[test]
fn attempt_with_rejected_token_does_not_count() {
    let script = create().ready().attempt(invalid_token()).token().attempt(lost());
    let script = script.clears(1000).attempt(lost()).clears(2000);
    let Some(intent) = script.sends().intent else { panic!() };
    assert_eq!(intent.attempts, 3);
}

#[test]
fn token_rejected_late_is_replaced_in_full_time() {
    let mut script = create().ready().lasting(25).sends().lasting(30).handle(invalid_token());
    assert_eq!(script.timeout(), 10);
    assert_eq!(script.needs_token(), Some(TokenId(1)));
}

#[test]
fn failing_accounts_server_gives_no_second_token() {
    let script = create().token().list(invalid_token());
    let script = script.no_token(TokenError::NoResponse(NoResponse::TimedOut)).waits(1000);
    let outcome = script.token().list(invalid_token()).ends();
    assert!(matches!(reason(outcome), NotDone::Auth(AuthFailure::TokenRejected(_))));
}

#[test]
fn token_rejected_twice_in_doubt_is_verified() {
    let script = create().ready().attempt(lost()).clears(1000);
    let script = script.attempt(invalid_token()).token().attempt(invalid_token());
    let outcome = script.shows_until_proved(&[]).ends();
    assert!(matches!(reason(outcome), NotDone::Auth(AuthFailure::TokenRejected(_))));
}

#[test]
fn rejected_credentials_end_it_at_once() {
    let rejected = || TokenError::Rejected(OAuthError::new(OAuthError::INVALID_CODE));
    assert!(matches!(
        reason(create().no_token(rejected()).ends()),
        NotDone::Auth(AuthFailure::Rejected(_))
    ));
    let script = create().ready().attempt(lost()).list(invalid_token()).no_token(rejected());
    assert!(matches!(unverified(&script.ends()), Unverified::Auth(AuthFailure::Rejected(_))));
    for unauthorized in [invalid_token(), html(401)] {
        let script = create().token().list(unauthorized).no_token(TokenError::NotRenewable);
        assert!(matches!(reason(script.ends()), NotDone::Auth(AuthFailure::TokenRejected(_))));
    }
    let script = create().ready().attempt(lost()).list(invalid_token());
    let outcome = script.no_token(TokenError::NotRenewable).ends();
    assert!(matches!(unverified(&outcome), Unverified::Auth(AuthFailure::TokenRejected(_))));
}

// What drivers see.

#[test]
fn activity_reports_reason_and_end_of_wait() {
    let script = create().ready().attempt(lost()).shows(&["AcmeOther"]);
    let mut flow = script.flow;
    flow.step(script.now);
    assert_eq!(
        flow.activity(),
        Activity::WaitingToVerify {
            doubt: Doubt::NoResponse(NoResponse::TimedOut),
            until: script.now + Duration::from_secs(70),
        }
    );
    let mut script = create().ready().attempt(lost()).shows(&[]);
    script.flow.step(script.now);
    let Activity::BackingOff { cause, .. } = script.flow.activity() else { panic!() };
    assert_eq!(cause, "response lost: no response within the timeout");
    // The list after a wait that the service requested clears no way, and the last attempt has no next one.
    let mut script = create().ready().attempt(retry_after(503, "5"));
    script.flow.step(script.now);
    assert!(matches!(script.flow.activity(), Activity::WaitingToVerify { .. }));
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let mut script = create_with(policy).ready().attempt(lost()).shows(&[]);
    script.flow.step(script.now);
    assert!(matches!(script.flow.activity(), Activity::WaitingToVerify { .. }));
    let mut script = create().token().list(retry_after(429, "7"));
    script.flow.step(script.now);
    let Activity::BackingOff { cause, until } = script.flow.activity() else { panic!() };
    assert_eq!(cause, "rate limited; retry after 7s: HTTP 429 TOO_MANY_REQUESTS");
    assert_eq!(until, script.now + Duration::from_secs(8));
}

#[test]
fn unexpected_event_changes_nothing() {
    let mut script = create();
    script.flow.step(script.now);
    let before = script.flow.clone();
    let error = script.flow.handle(script.now, Jitter::FULL, lost()).unwrap_err();
    assert_eq!(error.to_string(), "unexpected event NoResponse: expected Token or NoToken");
    assert_eq!(script.flow, before);
}

#[test]
fn intent_carries_what_was_taken() {
    let sent = with_fallback(Policy::default())
        .ready()
        .attempt(response(400, "ALREADY_USED"))
        .shows_until_proved(&[])
        .sends();
    let Some(intent) = sent.intent else { panic!() };
    assert_eq!((intent.name().as_str(), intent.taken[0].as_str()), ("SecondName", "Acme2026"));
    let flow = Flow::recover(
        create_of(&["Acme2026"]),
        intent,
        Duration::ZERO,
        Policy::default(),
        ApiVersion::V7,
    );
    let outcome = script(flow).token().shows(&["SecondName"]).ends();
    assert_eq!(outcome.taken()[0].as_str(), "Acme2026");
}
