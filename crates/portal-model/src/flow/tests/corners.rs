//! Corners of the rules: each is a fault that the exhaustive test found while the flow was written, or
//! that no other test would show.

use super::*;

/// The response to a list: bodies of records.
fn records(records: &[&str]) -> Event {
    Event::Response(Response::new(200, format!(r#"{{"portals":[{}]}}"#, records.join(","))))
}

fn scope_mismatch() -> Event {
    response(401, "OAUTH_SCOPE_MISMATCH")
}

fn cached_list() -> Event {
    let aged = |name| (name == "age").then_some("1");
    Event::Response(Response::new(204, "").with_headers(aged))
}

impl<E: Effect> Script<E>
where
    E::Outcome: Debug,
{
    /// Lists that show `names`, until one is due `seconds` after the start.
    #[track_caller]
    fn polls_until(mut self, seconds: u64) -> Self {
        while self.elapsed() < Duration::from_secs(seconds) {
            self = match self.flow.step(self.now) {
                Step::WaitUntil(time) => Self { now: time, ..self },
                _ => self.shows(&[]),
            };
        }
        assert_eq!(self.elapsed(), Duration::from_secs(seconds));
        self
    }
}

/// One attempt that ends without a response after `seconds`.
fn lost_after(seconds: u64) -> Script<Create> {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    create_with(policy).ready().lasting(seconds - 60).sends().lasting(60).handle(lost())
}

#[test]
fn lost_scope_while_in_doubt_is_unknown() {
    let outcome = create().ready().attempt(lost()).list(scope_mismatch()).ends();
    let Unverified::ListRejected(error) = unverified(&outcome) else { panic!("{outcome:?}") };
    assert_eq!(error.code, ErrorCode::OauthScopeMismatch);
}

#[test]
fn list_that_counts_has_its_full_timeout() {
    // Absence counts from 290 s on, which leaves a list 10 s.
    assert_eq!(lost_after(220).lasting(65).timeout(), 5);
    assert_eq!(lost_after(220).lasting(70).timeout(), 10);
}

#[test]
fn incomplete_list_at_deadline_is_not_repeated_at_once() {
    // Absence counts from 285 s on.
    let script = lost_after(215).polls_until(285).list(cached_list());
    script.waits(5000).list(cached_list());
}

#[test]
fn slow_list_at_deadline_is_repeated_at_once() {
    // Absence counts from 281 s on, and this list began before.
    let script = lost_after(211).polls_until(276).lasting(10).shows(&[]);
    assert_eq!(reason(script.shows(&[]).ends()), NotDone::Exhausted);
}

#[test]
fn stale_list_without_portal_does_not_end_rename() {
    let mut script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    script = script.shows_portals(&[]);
    while !matches!(script.flow.step(script.now), Step::Record(_)) {
        script = match script.flow.step(script.now) {
            Step::WaitUntil(time) => Script { now: time, ..script },
            _ => script.shows_portals(&[("1", "AcmeOld", false)]),
        };
    }
    assert_eq!(script.elapsed(), Duration::from_secs(71));
}

#[test]
fn another_portal_of_new_name_is_not_the_renamed_one() {
    let mut script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    let outcome = loop {
        script = match script.flow.step(script.now) {
            Step::WaitUntil(time) => Script { now: time, ..script },
            Step::Done(outcome) => break *outcome,
            _ => script.shows_portals(&[("2", "AcmeNew", true)]),
        };
    };
    let RenameOutcome::Unknown { why, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(why, Unverified::Gone);
}

#[test]
fn rename_without_ids_is_verified_by_names() {
    let attempted = |flow, old| script(flow).token().list(records(&[old])).attempt(lost());
    let (policy, version) = (Policy::default, ApiVersion::V7);
    let to_new = || RenameFlow::new("AcmeOld", name("AcmeNew"), policy(), version);
    // Before without an id, afterwards with one.
    let script = attempted(to_new(), r#"{"name":"AcmeOld"}"#);
    let outcome = script.shows_portals(&[("1", "AcmeNew", true)]).ends();
    assert!(matches!(outcome, RenameOutcome::Renamed { .. }), "{outcome:?}");
    // Somebody renamed another portal.
    let script = attempted(to_new(), r#"{"name":"AcmeOld"}"#);
    let script = script.list(records(&[r#"{"name":"AcmeNew"}"#, r#"{"name":"AcmeOld"}"#]));
    assert!(script.flow.intent().is_some());
    // In letters of another case only.
    let flow = RenameFlow::new("Acmeold", name("AcmeOld"), policy(), version);
    let script = attempted(flow, r#"{"name":"Acmeold"}"#).list(records(&[r#"{"name":"AcmeOld"}"#]));
    assert!(matches!(script.ends(), RenameOutcome::Renamed { .. }));
}

#[test]
fn wait_beyond_deadline_leaves_last_list() {
    let script = create().ready().attempt(retry_after(503, "3600")).waits(290_000);
    assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared);
}

#[test]
fn backoff_of_token_outlasts_last_attempt() {
    let unreachable = || TokenError::NotSent(NotSent::ConnectTimedOut);
    let mut script = create().ready().attempt(lost()).shows(&[]).waits(1000);
    script = script.lasting(157).sends().handle(invalid_token());
    // At 160 s begins the last attempt that can be verified.
    script = script.no_token(unreachable()).waits(1000).no_token(unreachable()).waits(2000);
    assert_eq!(script.needs_token(), Some(TokenId(1)));
    assert_eq!(origin(&script.token().shows(&["Acme2026"]).ends()), Origin::Appeared);
}

#[test]
fn list_that_proves_absence_is_the_new_baseline() {
    let intent = CreateIntent { attempts: 3, ..CreateIntent::new(name("Acme2026")) };
    let flow = CreateFlow::take_over(intent, Duration::ZERO, allow_another(), ApiVersion::V7);
    let script = script(flow).token().shows_until_proved(&["AcmeOther"]).waits(1000);
    let script = script.attempt(lost()).shows(&["AcmeOther", "Acme2026"]);
    assert_eq!(origin(&script.ends()), Origin::Appeared);
}
