//! Corners of the rules: each is a fault that the exhaustive test found while the flow was written, or
//! that no other test would show.

use super::*;

/// The response to a list: bodies of records.
fn records(records: &[&str]) -> Event {
    Event::Response(Response::new(200, format!(r#"{{"portals":[{}]}}"#, records.join(","))))
}

fn cached_list() -> Event {
    let aged = |name| (name == "age").then_some("1");
    Event::Response(Response::new(204, "").with_headers(aged))
}

impl Script {
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
fn lost_after(seconds: u64) -> Script {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    create_with(policy).ready().lasting(seconds - 20).sends().lasting(20).handle(lost())
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
fn list_ending_as_absence_counts_waits_for_poll() {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let script = create_with(policy).ready().attempt(lost()).polls_until(65);
    script.lasting(5).shows(&[]).waits(10_000);
    // The next poll is the last list.
    lost_after(209).polls_until(274).lasting(6).shows(&[]).waits(10_000);
}

#[test]
fn incomplete_list_does_not_permit_attempt() {
    let mut script = create().ready().attempt(lost()).list(cached_list()).waits(1000);
    assert!(matches!(script.flow.step(script.now), Step::List { .. }));
}

#[test]
fn slow_list_at_deadline_is_repeated_at_once() {
    // Absence counts from 281 s on, and this list began before.
    let script = lost_after(211).polls_until(276).lasting(10).shows(&[]);
    assert!(matches!(reason(script.shows(&[]).ends()), NotDone::Exhausted { .. }));
}

#[test]
fn scope_mismatch_under_undocumented_status_is_no_missing_scope() {
    let outcome = create().token().list(response(403, "OAUTH_SCOPE_MISMATCH")).ends();
    assert_eq!(rejection(outcome), ErrorCode::OauthScopeMismatch);
}

#[test]
fn resumed_create_tries_names_that_were_not_tried() {
    let mut intent = Intent::create(name("SecondName"));
    intent.taken = vec![name("Acme2026")];
    intent.baseline = Some(Baseline::default());
    // The names may come in another order now.
    let operation = create_of(&["SecondName", "Acme2026", "ThirdName"]);
    let (policy, version) = (Policy::default(), ApiVersion::V7);
    let flow = Flow::resume(operation, intent, Duration::ZERO, policy, version);
    let script = script(flow).token().clears(1000);
    let script = script.attempt(response(400, "ALREADY_USED")).shows_until_proved(&[]).sends();
    assert_eq!(script.intent.unwrap().name().as_str(), "ThirdName");
}

#[test]
fn stale_list_without_portal_does_not_end_rename() {
    let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    let script = script.shows_portals(&[]);
    let script = script.lists_until_step(&[("1", "AcmeOld", false)]);
    assert_eq!(script.elapsed(), Duration::from_secs(70));
    script.sends();
}

#[test]
fn new_name_freed_meanwhile_is_free() {
    let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    let script = script.shows_portals(&[("1", "AcmeOld", false), ("2", "AcmeNew", true)]);
    script.lists_until_step(&[("1", "AcmeOld", false)]).sends();
}

#[test]
fn portal_that_one_list_showed_stays() {
    let script = create().ready().attempt(lost()).shows(&["AcmeOther"]);
    let outcome = script.shows_until_proved(&[]).ends();
    assert!(matches!(outcome, Outcome::OrgHasPortal { portal, .. } if portal.name == "AcmeOther"));
}

#[test]
fn other_portal_of_new_name_is_not_renamed_one() {
    let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    let script = script.lists_until_step(&[("2", "AcmeNew", true)]);
    assert_eq!(*unverified(&script.ends()), Unverified::Gone);
}

#[test]
fn rename_without_ids_is_verified_by_names() {
    let attempted = |flow, old| script(flow).token().list(records(&[old])).attempt(lost());
    let (policy, version) = (Policy::default, ApiVersion::V7);
    let to_new = || Flow::new(rename_of("AcmeOld", "AcmeNew"), policy(), version);
    // Before without an id, afterwards with one.
    let script = attempted(to_new(), r#"{"name":"AcmeOld"}"#);
    let outcome = script.shows_portals(&[("1", "AcmeNew", true)]).ends();
    assert!(matches!(outcome, Outcome::Renamed { .. }), "{outcome:?}");
    // Before with an id, afterwards without one: such a list decides nothing.
    let script = attempted(to_new(), r#"{"name":"AcmeOld","zaid":"1"}"#);
    let script = script.list(records(&[r#"{"name":"AcmeNew"}"#]));
    assert!(script.flow.is_in_doubt());
    // Somebody renamed another portal.
    let script = attempted(to_new(), r#"{"name":"AcmeOld"}"#);
    let script = script.list(records(&[r#"{"name":"AcmeNew"}"#, r#"{"name":"AcmeOld"}"#]));
    assert!(script.flow.is_in_doubt());
    // In letters of another case only.
    let flow = Flow::new(rename_of("Acmeold", "AcmeOld"), policy(), version);
    let script = attempted(flow, r#"{"name":"Acmeold"}"#).list(records(&[r#"{"name":"AcmeOld"}"#]));
    assert!(matches!(script.ends(), Outcome::Renamed { .. }));
}

#[test]
fn wait_beyond_deadline_leaves_last_list() {
    let script = create().ready().attempt(retry_after(503, "3600")).waits(290_000);
    assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared);
}

#[test]
fn backoff_of_token_outlasts_last_attempt() {
    let unreachable = || TokenError::NotSent(NotSent::ConnectTimedOut);
    let mut script = create().ready().attempt(lost()).clears(1000);
    script = script.lasting(197).sends().handle(invalid_token());
    // At 200 s begins the last attempt that can be verified.
    script = script.no_token(unreachable()).waits(2000).no_token(unreachable()).waits(2000);
    assert_eq!(script.needs_token(), Some(TokenId(1)));
    assert_eq!(origin(&script.token().shows(&["Acme2026"]).ends()), Origin::Appeared);
    // A list that replaces an attempt waits for the token, too.
    let script = create().ready().attempt(lost()).clears(1000);
    let script = script.lasting(199).sends().handle(invalid_token());
    let script = script.no_token(unreachable()).waits(2000).token();
    assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared);
}

#[test]
fn backoff_of_attempt_ends_with_last_attempt() {
    let script = create().ready().lasting(177).sends().lasting(20).handle(lost()).clears(1000);
    let script = script.attempt(not_sent()).waits(2000).shows(&[]).attempt(not_sent());
    // Another attempt could not be verified, and a list needs no backoff.
    assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared);
}

#[test]
fn rename_is_not_repeated_before_list() {
    let attempted =
        |event| rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(event);
    let mut script = attempted(retry_after(429, "1")).waits(2000);
    assert!(matches!(script.flow.step(script.now), Step::List { .. }));
    // Without a token that may list, a create is repeated, and a rename is not.
    let unlisted = |script: Script| {
        script.token().list(scope_mismatch()).attempt(retry_after(429, "1")).waits(2000)
    };
    unlisted(create_with(allow_another())).sends();
    let mut script = unlisted(rename());
    assert!(matches!(script.flow.step(script.now), Step::List { .. }));
    let outcome = rename().token().list(scope_mismatch()).attempt(lost()).ends();
    let Outcome::Unknown { why, .. } = outcome else { panic!("{outcome:?}") };
    assert!(matches!(why, Unverified::ListRejected(_)), "{why:?}");
}

#[test]
fn taken_under_undocumented_status_is_rejected() {
    let script = create().ready().attempt(response(403, "ALREADY_USED")).shows_until_proved(&[]);
    assert_eq!(rejection(script.ends()), ErrorCode::AlreadyUsed);
}

#[test]
fn list_that_proves_absence_is_new_baseline() {
    let intent = Intent { attempts: 3, ..Intent::create(name("Acme2026")) };
    let flow = Flow::resume(
        create_of(&["Acme2026"]),
        intent,
        Duration::ZERO,
        allow_another(),
        ApiVersion::V7,
    );
    let script = script(flow).token().shows_until_proved(&["AcmeOther"]);
    let script = script.attempt(lost()).shows(&["AcmeOther", "Acme2026"]);
    assert_eq!(origin(&script.ends()), Origin::Appeared);
}

#[test]
fn rejected_rename_has_outcome_of_its_code() {
    let ends = |code, status, portals: &[(&str, &str, bool)]| {
        let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]);
        script.attempt(response(status, code)).lists_until_step(portals).ends()
    };
    let (old, new) = (("1", "AcmeOld", false), ("2", "AcmeNew", true));
    let outcome = ends("NO_PERMISSION", 403, &[]);
    assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
    let outcome = ends("INVALID_DATA", 400, &[old]);
    assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
    let outcome = ends("ALREADY_USED", 400, &[old]);
    let Outcome::NameTaken { owner, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(owner, Owner::AnotherOrg);
    let outcome = ends("ALREADY_USED", 400, &[old, new]);
    let Outcome::NameTaken { owner, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(owner, Owner::ThisOrg);
    let outcome = ends("INVALID_DATA", 400, &[old, new]);
    assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
}
