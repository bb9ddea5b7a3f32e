use std::time::Duration;

use super::*;
use crate::create::CreatePortal;
use crate::endpoint::Response;
use crate::envelope::Refusal;
use crate::error::ErrorCode;
use crate::list::ListPortals;
use crate::oauth::OAuthError;
use crate::outcome::{AuthFailure, ExitClass, Origin, Owner};
use crate::portal::Portal;

/// A flow and its driver, by the defaults: 30 s for an attempt, 120 s for all, 10 s to settle.
struct Script {
    flow: CreateFlow,
    now: Duration,
    tokens: u64,
}

fn create() -> Script {
    with(Policy::default())
}

fn with(policy: Policy) -> Script {
    script(CreateFlow::new(name("Acme2026"), policy, ApiVersion::V7))
}

fn script(flow: CreateFlow) -> Script {
    Script { flow, now: Duration::from_secs(1000), tokens: 0 }
}

fn name(name: &str) -> PortalName {
    PortalName::parse(name).unwrap()
}

impl Script {
    fn report(mut self, report: Report) -> Self {
        self.flow.report(self.now, Jitter::FULL, report).unwrap();
        self
    }

    fn token(mut self) -> Self {
        self.rejected();
        self.tokens += 1;
        let id = TokenId(self.tokens);
        self.report(Report::Token(id))
    }

    fn no_token(mut self, error: TokenError) -> Self {
        self.rejected();
        self.report(Report::NoToken(error))
    }

    /// The token that the step wants to be replaced.
    fn rejected(&mut self) -> Option<TokenId> {
        match self.flow.step(self.now) {
            Step::Authenticate { rejected } => rejected,
            step => panic!("{step:?} instead of Authenticate"),
        }
    }

    fn look(mut self, report: Report) -> Self {
        let step = self.flow.step(self.now);
        assert!(matches!(step, Step::LookUp(_)), "{step:?} instead of LookUp");
        self.report(report)
    }

    fn list(self, names: &[&str]) -> Self {
        let portals: Vec<_> = names.iter().map(|name| Portal::new(*name)).collect();
        self.look(Report::Answer(ListPortals::answer(&portals)))
    }

    fn send(mut self) -> Self {
        let step = self.flow.step(self.now);
        assert!(matches!(step, Step::Send(_)), "{step:?} instead of Send");
        self
    }

    fn post(self, report: Report) -> Self {
        self.send().report(report)
    }

    /// The step at hand takes so long.
    fn lasting(mut self, seconds: u64) -> Self {
        self.flow.step(self.now);
        self.now += Duration::from_secs(seconds);
        self
    }

    /// Waits for exactly so long.
    fn waits(mut self, millis: u64) -> Self {
        let time = Duration::from_millis(millis);
        assert_eq!(self.flow.step(self.now), Step::Wait(time));
        self.now += time;
        self
    }

    #[track_caller]
    fn ends(mut self, exit: ExitClass) -> Outcome {
        match self.flow.step(self.now) {
            Step::Done(outcome) => {
                assert_eq!(outcome.exit_class(false), exit, "{outcome:?}");
                assert_eq!(self.flow.intent().is_none(), outcome.is_certain());
                *outcome
            }
            step => panic!("{step:?} instead of Done"),
        }
    }

    /// After the baseline, with nothing there.
    fn ready(self) -> Self {
        self.token().list(&[])
    }
}

fn answer(error: ApiError) -> Report {
    Report::Answer(Refusal::Call(error).response())
}

fn success(name: &str) -> Report {
    Report::Answer(CreatePortal::answer(ApiVersion::V7, name))
}

fn lost() -> Report {
    Report::NoAnswer(NoAnswer::TimedOut)
}

fn unreachable() -> Report {
    Report::NotSent(NotSent::Connect("refused".to_owned()))
}

fn throttled(retry_after: Option<&str>) -> Report {
    Report::Answer(Response::new(429, "").with_retry_after(retry_after, None))
}

fn refusal(outcome: Outcome) -> ErrorCode {
    match outcome {
        Outcome::Rejected { error, .. } => error.code,
        other => panic!("{other:?}"),
    }
}

fn reason(outcome: Outcome) -> NotCreated {
    match outcome {
        Outcome::NotCreated { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

fn origin(outcome: &Outcome) -> Origin {
    match outcome {
        Outcome::Present { origin, .. } => *origin,
        other => panic!("{other:?}"),
    }
}

// Rule 1: the baseline.

#[test]
fn a_name_that_is_absent_is_created_with_one_post() {
    let outcome = create().ready().post(success("Acme2026")).ends(ExitClass::Success);
    assert_eq!(outcome, Outcome::Created { name: name("Acme2026") });
}

#[test]
fn a_name_that_the_org_has_in_other_letters_is_present_without_a_post() {
    let outcome = create().token().list(&["Other2026", "aCME2026"]).ends(ExitClass::Exists);
    assert_eq!(origin(&outcome), Origin::Preexisting);
    assert_eq!(outcome.exit_class(true), ExitClass::Success);
    assert_eq!(outcome.name(), "aCME2026");
}

#[test]
fn another_portal_of_the_org_ends_it_unless_that_is_allowed() {
    let outcome = create().token().list(&["Other2026"]).ends(ExitClass::Exists);
    assert!(matches!(outcome, Outcome::OrgHasPortal { portal, .. } if portal.name == "Other2026"));
    let allowing = Policy { allow_another: true, ..Policy::default() };
    let outcome = with(allowing).token().list(&["Other2026"]).post(success("Acme2026"));
    outcome.ends(ExitClass::Success);
}

#[test]
fn a_token_that_may_create_only_creates_but_can_not_tell_whose_a_taken_name_is() {
    let unverified = || create().token().look(answer(ApiError::scope_mismatch()));
    unverified().post(success("Acme2026")).ends(ExitClass::Success);
    let outcome = unverified().post(answer(ApiError::already_used())).ends(ExitClass::Exists);
    assert!(matches!(outcome, Outcome::NameTaken { owner: Owner::Undetermined, .. }));
}

#[test]
fn any_other_refusal_of_the_first_list_is_a_refusal() {
    let outcome = create().token().look(answer(ApiError::no_permission(["Manage Portal"])));
    assert_eq!(refusal(outcome.ends(ExitClass::Forbidden)), ErrorCode::NoPermission);
}

#[test]
fn a_list_that_fails_is_asked_for_again_and_leaves_no_doubt() {
    let script = create().token().look(lost()).waits(200).look(answer(ApiError::internal_error()));
    assert_eq!(script.flow.intent(), None);
    script.waits(400).list(&[]).post(success("Acme2026")).ends(ExitClass::Success);
}

// Rule 3: doubt.

#[test]
fn a_portal_that_appears_after_a_lost_answer_is_ours() {
    let outcome = create().ready().post(lost()).list(&["ACME2026"]).ends(ExitClass::Success);
    assert_eq!(origin(&outcome), Origin::Appeared);
}

#[test]
fn a_refusal_in_doubt_is_believed_once_a_settled_look_agrees() {
    let doubtful = || {
        let refused = answer(ApiError::no_permission(["Manage Portal"]));
        create().ready().post(lost()).list(&[]).waits(200).post(refused).list(&[]).waits(10_000)
    };
    assert_eq!(refusal(doubtful().list(&[]).ends(ExitClass::Forbidden)), ErrorCode::NoPermission);
    assert_eq!(origin(&doubtful().list(&["Acme2026"]).ends(ExitClass::Success)), Origin::Appeared);
}

#[test]
fn a_taken_name_in_doubt_is_another_orgs_once_a_settled_look_agrees() {
    let taken = answer(ApiError::already_used());
    let script = create().ready().post(lost()).list(&[]).waits(200).post(taken).list(&[]);
    let outcome = script.waits(10_000).list(&[]).ends(ExitClass::Exists);
    assert!(matches!(outcome, Outcome::NameTaken { owner: Owner::AnotherOrg, .. }));
}

#[test]
fn everything_that_is_no_plain_refusal_puts_it_in_doubt() {
    let fault = ApiError::internal_error();
    for doubtful in [
        lost(),
        Report::Answer(Response::new(502, "<html>")),
        Report::Answer(Response::new(200, "")),
        Report::Answer(Response::new(200, r#"{"portals":[{"code":"SUCC"#)),
        success("Another2026"),
        answer(fault.clone()),
        answer(ApiError { http_status: 400, ..fault }),
    ] {
        let script = create().ready().post(doubtful.clone());
        assert!(script.flow.intent().is_some(), "{doubtful:?}");
        let outcome = script.flow.abandon();
        assert_eq!(outcome.exit_class(false), ExitClass::Unknown, "{doubtful:?}");
    }
}

#[test]
fn what_never_left_was_throttled_or_had_a_dead_token_leaves_no_doubt() {
    for certain in [
        unreachable(),
        throttled(None),
        answer(ApiError { http_status: 400, ..ApiError::too_many_requests() }),
        answer(ApiError::invalid_token()),
        answer(ApiError::authentication_failure()),
    ] {
        let script = create().ready().post(certain.clone());
        assert_eq!(script.flow.intent(), None, "{certain:?}");
        assert_eq!(reason(script.flow.abandon()), NotCreated::Stopped, "{certain:?}");
    }
}

#[test]
fn a_settled_absence_ends_the_doubt() {
    let policy = Policy { max_posts: 1, ..Policy::default() };
    let outcome = with(policy).ready().post(lost()).list(&[]).waits(10_000).list(&[]);
    assert_eq!(reason(outcome.ends(ExitClass::Unavailable)), NotCreated::Exhausted);
}

// Rule 4: sending again, and the time for it.

#[test]
fn the_same_name_is_sent_again_in_doubt() {
    let script = create().ready().post(lost()).list(&[]).waits(200).post(lost()).list(&[]);
    script.waits(400).post(success("Acme2026")).ends(ExitClass::Success);
}

#[test]
fn a_post_that_could_not_be_settled_in_time_is_not_sent() {
    // 70 s are needed: an attempt, 10 s, a look-up.
    create().token().lasting(50).list(&[]).send();
    let outcome = create().token().lasting(51).list(&[]).ends(ExitClass::Unavailable);
    assert_eq!(reason(outcome), NotCreated::Exhausted);
}

#[test]
fn an_early_look_up_leaves_the_time_for_the_one_that_counts() {
    let limit = |script: &Script| script.flow.time_limit(script.now).as_secs();
    let mut script = create().token().lasting(50).list(&[]).send();
    assert_eq!(limit(&script), 30);
    script = script.lasting(30).report(lost());
    assert!(matches!(script.flow.step(script.now), Step::LookUp(_)));
    assert_eq!(limit(&script), 10);
    script = script.lasting(10).list(&[]);
    assert!(matches!(script.flow.step(script.now), Step::LookUp(_)));
    assert_eq!(limit(&script), 30);
}

#[test]
fn a_deadline_in_doubt_is_unknown_and_says_what_settles_it() {
    let policy = Policy { max_posts: 1, ..Policy::default() };
    let script = with(policy).ready().post(lost()).lasting(120).look(lost());
    match script.ends(ExitClass::Unknown) {
        Outcome::Unknown { intent, doubt, unsettled } => {
            assert_eq!(intent.name, name("Acme2026"));
            assert_eq!(doubt, Doubt::NoAnswer(NoAnswer::TimedOut));
            assert_eq!(unsettled, Unsettled::Deadline);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_service_that_is_never_reached_has_created_nothing() {
    let mut script = create().ready();
    for wait in [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000] {
        script = script.post(unreachable()).waits(wait);
    }
    let outcome = script.post(unreachable()).ends(ExitClass::Unavailable);
    assert!(matches!(reason(outcome), NotCreated::Unreachable(_)));
}

// Rule 5: tokens and throttling.

#[test]
fn a_refused_token_is_named_and_replaced_once_per_request() {
    let mut script = create().ready().post(answer(ApiError::invalid_token()));
    assert_eq!(script.rejected(), Some(TokenId(1)));
    script = script.token().post(answer(ApiError::authentication_failure()));
    let outcome = script.ends(ExitClass::Forbidden);
    let NotCreated::Auth(AuthFailure::TokenRejected(error)) = reason(outcome) else { panic!() };
    assert_eq!(error.code, ErrorCode::AuthenticationFailure);
}

#[test]
fn an_accounts_server_that_fails_does_not_buy_a_second_replacement() {
    let away = TokenError::Unreachable("no route".to_owned());
    let script = create().ready().post(answer(ApiError::invalid_token())).no_token(away).waits(200);
    let outcome = script.token().post(answer(ApiError::invalid_token()));
    assert!(matches!(reason(outcome.ends(ExitClass::Forbidden)), NotCreated::Auth(_)));
}

#[test]
fn a_token_refused_twice_in_doubt_ends_it_after_a_settled_look() {
    let refused = || answer(ApiError::invalid_token());
    let script = create().ready().post(lost()).list(&[]).waits(200).post(refused()).token();
    let script = script.post(refused()).list(&[]).waits(10_000);
    let outcome = script.list(&[]).ends(ExitClass::Forbidden);
    assert!(matches!(reason(outcome), NotCreated::Auth(AuthFailure::TokenRejected(_))));
}

#[test]
fn a_credential_that_is_refused_ends_it_at_once() {
    let wrong = || TokenError::Refused(OAuthError::new(OAuthError::INVALID_CLIENT));
    let outcome = create().no_token(wrong()).ends(ExitClass::Forbidden);
    assert!(matches!(reason(outcome), NotCreated::Auth(AuthFailure::Refused(_))));
    let script = create().ready().post(lost()).look(answer(ApiError::invalid_token()));
    let outcome = script.no_token(wrong()).ends(ExitClass::Unknown);
    assert!(matches!(outcome, Outcome::Unknown { unsettled: Unsettled::Auth(_), .. }));
}

#[test]
fn after_a_429_it_waits_as_long_as_it_is_asked_to() {
    let script = create().ready().post(throttled(Some("7"))).waits(7000).post(throttled(None));
    script.waits(400).post(success("Acme2026")).ends(ExitClass::Success);
    let outcome = create().ready().post(throttled(Some("600"))).ends(ExitClass::Unavailable);
    let retry_after = Some(Duration::from_secs(600));
    assert_eq!(reason(outcome), NotCreated::Throttled { retry_after });
}

#[test]
fn a_look_up_in_doubt_comes_no_sooner_than_a_429_asks_for() {
    let policy = Policy { max_posts: 2, ..Policy::default() };
    let script = with(policy).ready().post(lost()).list(&[]).waits(200);
    let outcome = script.post(throttled(Some("20"))).waits(20_000).list(&["Acme2026"]);
    assert_eq!(origin(&outcome.ends(ExitClass::Success)), Origin::Appeared);
}

// Refusals.

#[test]
fn a_plain_refusal_without_doubt_is_the_outcome() {
    let refused = |error, exit| refusal(create().ready().post(answer(error)).ends(exit));
    assert_eq!(
        refused(ApiError::no_permission(["Manage Portal"]), ExitClass::Forbidden),
        ErrorCode::NoPermission
    );
    assert_eq!(
        refused(ApiError::scope_mismatch(), ExitClass::Forbidden),
        ErrorCode::OauthScopeMismatch
    );
    assert_eq!(
        refused(ApiError::not_in_sandbox(), ExitClass::Rejected),
        ErrorCode::ApiNotSupported
    );
}

#[test]
fn a_taken_name_is_ours_or_another_orgs_by_one_look() {
    let taken = || create().ready().post(answer(ApiError::already_used()));
    assert_eq!(origin(&taken().list(&["acme2026"]).ends(ExitClass::Exists)), Origin::Preexisting);
    let outcome = taken().list(&[]).ends(ExitClass::Exists);
    assert!(matches!(outcome, Outcome::NameTaken { owner: Owner::AnotherOrg, .. }));
}

#[test]
fn a_limit_that_is_reached_is_explained_by_the_portal_that_reached_it() {
    for allow_another in [false, true] {
        let policy = Policy { allow_another, ..Policy::default() };
        let limited = || with(policy.clone()).ready().post(answer(ApiError::limit_reached(1)));
        let outcome = limited().list(&["Other2026"]).ends(ExitClass::Exists);
        assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{outcome:?}");
        let outcome = limited().list(&[]).ends(ExitClass::Rejected);
        assert_eq!(refusal(outcome), ErrorCode::LimitReached);
    }
}

#[test]
fn the_next_name_is_tried_once_the_one_before_is_proved_taken() {
    let flow = CreateFlow::new(name("Acme2026"), Policy::default(), ApiVersion::V7);
    let script = script(flow.or([name("Acme2027")])).ready();
    let script = script.post(answer(ApiError::already_used())).list(&[]);
    let script = script.waits(10_000).list(&[]).send();
    let intent = script.flow.intent().unwrap();
    assert_eq!(intent.name, name("Acme2027"));
    assert_eq!(intent.requested, Some(name("Acme2026")));
    let taken = script.report(answer(ApiError::already_used())).list(&[]);
    assert_eq!(taken.ends(ExitClass::Exists).name(), "Acme2027");
}

#[test]
fn the_next_name_is_not_tried_where_a_colleague_has_just_created_the_one_before() {
    let flow = CreateFlow::new(name("Acme2026"), Policy::default(), ApiVersion::V7);
    let script = script(flow.or([name("Acme2027")])).ready();
    let script = script.post(answer(ApiError::already_used())).list(&[]).waits(10_000);
    assert_eq!(origin(&script.list(&["Acme2026"]).ends(ExitClass::Exists)), Origin::Preexisting);
}

// Rule 6: intent, resume, abandon.

#[test]
fn the_intent_is_there_from_before_the_post_until_it_is_certain_what_came_of_it() {
    let script = create().ready();
    assert_eq!(script.flow.intent(), None);
    let script = script.send();
    let json = serde_json::to_string(&script.flow.intent()).unwrap();
    assert_eq!(json, r#"{"name":"Acme2026","posts":1}"#);
    assert!(script.flow.clone().abandon().exit_class(false) == ExitClass::Unknown);
    assert_eq!(script.report(success("Acme2026")).flow.intent(), None);
}

#[test]
fn what_is_abandoned_before_a_post_is_certainly_not_created() {
    let outcome = create().ready().flow.abandon();
    assert_eq!(outcome.exit_class(false), ExitClass::Stopped);
}

#[test]
fn a_resumed_flow_looks_at_once_and_when_it_has_settled_and_never_sends() {
    let resumed = || {
        let intent = create().ready().send().flow.intent().unwrap();
        script(CreateFlow::resume(intent, Policy::default(), ApiVersion::V7)).token()
    };
    let outcome = resumed().list(&["Acme2026"]).ends(ExitClass::Success);
    assert_eq!(origin(&outcome), Origin::Appeared);
    let outcome = resumed().list(&[]).waits(10_000).list(&[]).ends(ExitClass::Unavailable);
    assert_eq!(reason(outcome), NotCreated::Exhausted);
    let outcome = resumed().look(answer(ApiError::scope_mismatch())).ends(ExitClass::Unknown);
    assert!(matches!(outcome, Outcome::Unknown { unsettled: Unsettled::LookUpRefused(_), .. }));
}

#[test]
fn people_are_told_what_it_waits_for() {
    let refused = answer(ApiError::already_used());
    let mut script = create().ready().post(lost()).list(&[]).waits(200).post(refused).list(&[]);
    script.flow.step(script.now);
    let cause = "the answer was lost: no answer within the time-out".to_owned();
    assert_eq!(script.flow.activity(), Activity::Settling { cause });
    let mut script = create().ready().post(throttled(Some("7")));
    script.flow.step(script.now);
    let cause = "the service is throttling; it asks to come back in 7 s".to_owned();
    assert_eq!(script.flow.activity(), Activity::BackingOff { cause });
}

#[test]
fn a_report_that_does_not_fit_is_refused_and_says_what_would() {
    let mut flow = create().flow;
    let mut report = |report| flow.report(Duration::ZERO, Jitter::FULL, report);
    assert_eq!(
        report(lost()).unwrap_err().to_string(),
        "the report NoAnswer does not fit the step: expected none, since nothing is under way"
    );
}
