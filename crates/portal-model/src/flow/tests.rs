//! The rules one by one. That they hold together is `proof`'s to show.

use std::fmt::Debug;
use std::time::Duration;

use super::*;
use crate::endpoint::{ApiVersion, Response};
use crate::error::ErrorCode;
use crate::name::PortalName;
use crate::oauth::OAuthError;
use crate::outcome::{
    AuthFailure, Doubt, NotDone, Origin, Outcome, Owner, RenameOutcome, Unverified,
};

/// A flow and its driver. By the defaults an attempt takes 60 s and a list 10 s at most, the
/// deadline is 300 s, the processing time 60 s and the list lag 10 s.
struct Script<E: Effect> {
    flow: Flow<E>,
    start: Duration,
    now: Duration,
    tokens: u64,
}

fn create() -> Script<Create> {
    create_with(Policy::default())
}

fn create_with(policy: Policy) -> Script<Create> {
    script(CreateFlow::new(name("Acme2026"), policy, ApiVersion::V7))
}

fn rename() -> Script<Rename> {
    script(RenameFlow::new("AcmeOld", name("AcmeNew"), Policy::default(), ApiVersion::V7))
}

fn script<E: Effect>(flow: Flow<E>) -> Script<E> {
    let start = Duration::from_secs(1000);
    Script { flow, start, now: start, tokens: 0 }
}

fn name(name: &str) -> PortalName {
    PortalName::parse(name).unwrap()
}

fn allow_another() -> Policy {
    Policy { allow_another: true, ..Policy::default() }
}

impl<E: Effect> Script<E>
where
    E::Outcome: Debug,
{
    #[track_caller]
    fn handle(mut self, event: Event) -> Self {
        self.flow.handle(self.now, Jitter::FULL, event).unwrap();
        self
    }

    #[track_caller]
    fn token(mut self) -> Self {
        self.needs_token();
        self.tokens += 1;
        let id = TokenId(self.tokens);
        self.handle(Event::Token(id))
    }

    #[track_caller]
    fn no_token(mut self, error: TokenError) -> Self {
        self.needs_token();
        self.handle(Event::NoToken(error))
    }

    /// The token that the step wants replaced.
    #[track_caller]
    fn needs_token(&mut self) -> Option<TokenId> {
        match self.flow.step(self.now) {
            Step::Authenticate { rejected, .. } => rejected,
            step => panic!("{step:?} instead of Authenticate"),
        }
    }

    #[track_caller]
    fn list(mut self, event: Event) -> Self {
        let step = self.flow.step(self.now);
        assert!(matches!(step, Step::List { .. }), "{step:?} instead of List");
        self.handle(event)
    }

    /// A list that shows portals of these names, never renamed.
    #[track_caller]
    fn shows(self, names: &[&str]) -> Self {
        let portals: Vec<_> = names.iter().map(|name| (*name, *name, false)).collect();
        self.shows_portals(&portals)
    }

    /// A list of portals by id, name, and whether somebody changed them.
    #[track_caller]
    fn shows_portals(self, portals: &[(&str, &str, bool)]) -> Self {
        self.list(Event::Response(list_of(portals)))
    }

    #[track_caller]
    fn record(mut self) -> Self {
        let step = self.flow.step(self.now);
        assert!(matches!(step, Step::Record(_)), "{step:?} instead of Record");
        self.handle(Event::Recorded)
    }

    /// An attempt is handed out.
    #[track_caller]
    fn sends(mut self) -> Self {
        self = self.record();
        let step = self.flow.step(self.now);
        assert!(matches!(step, Step::Send { .. }), "{step:?} instead of Send");
        self
    }

    #[track_caller]
    fn attempt(self, event: Event) -> Self {
        self.sends().handle(event)
    }

    /// The step at hand takes this long.
    fn lasting(mut self, seconds: u64) -> Self {
        self.flow.step(self.now);
        self.now += Duration::from_secs(seconds);
        self
    }

    /// Waits for exactly this long.
    #[track_caller]
    fn waits(mut self, millis: u64) -> Self {
        let until = self.now + Duration::from_millis(millis);
        assert_eq!(self.flow.step(self.now), Step::WaitUntil(until), "at {:?}", self.now);
        self.now = until;
        self
    }

    /// Lists that show `names`, at the times at which the flow asks for them, until a list may
    /// prove absence, that one included.
    #[track_caller]
    fn shows_until_proved(mut self, names: &[&str]) -> Self {
        loop {
            match self.flow.step(self.now) {
                Step::WaitUntil(time) => self.now = time,
                Step::List { .. } => {
                    let proves = self.now >= self.flow.absent_from;
                    self = self.shows(names);
                    if proves {
                        return self;
                    }
                }
                step => panic!("{step:?} instead of List"),
            }
        }
    }

    #[track_caller]
    fn ends(mut self) -> E::Outcome {
        match self.flow.step(self.now) {
            Step::Done(outcome) => {
                assert_eq!(self.flow.intent(), self.flow.effect.unresolved(&outcome));
                *outcome
            }
            step => panic!("{step:?} instead of Done"),
        }
    }

    fn elapsed(&self) -> Duration {
        self.now.saturating_sub(self.start)
    }

    /// After the baseline, with nothing there.
    #[track_caller]
    fn ready(self) -> Self {
        self.token().shows(&[])
    }

    fn timeout(&mut self) -> u64 {
        match self.flow.step(self.now) {
            Step::Authenticate { timeout, .. }
            | Step::List { timeout, .. }
            | Step::Send { timeout, .. } => timeout.as_secs(),
            step => panic!("{step:?} has no timeout"),
        }
    }
}

fn list_of(portals: &[(&str, &str, bool)]) -> Response {
    let portals: Vec<_> = portals
        .iter()
        .map(|(id, name, changed)| {
            let modified = if *changed { "17:00:00" } else { "16:00:00" };
            format!(
                r#"{{"zaid":"{id}","name":"{name}","created_time":"2026-01-01T16:00:00+00:00","modified_time":"2026-01-01T{modified}+00:00"}}"#
            )
        })
        .collect();
    Response::new(200, format!(r#"{{"portals":[{}]}}"#, portals.join(",")))
}

fn response(status: u16, code: &str) -> Event {
    let body = format!(r#"{{"code":"{code}","details":{{}},"message":"","status":"error"}}"#);
    Event::Response(Response::new(status, body))
}

fn success(name: &str) -> Event {
    let body = r#"{"portals":[{"code":"SUCCESS","details":{"name":"NAME"},"message":"","status":"success"}]}"#;
    Event::Response(Response::new(200, body.replace("NAME", name)))
}

fn lost() -> Event {
    Event::NoResponse(NoResponse::TimedOut)
}

fn html(status: u16) -> Event {
    Event::Response(Response::new(status, "<html>"))
}

fn not_sent() -> Event {
    Event::NotSent(NotSent::ConnectTimedOut)
}

fn retry_after(status: u16, seconds: &'static str) -> Event {
    let code = if status == 429 { "TOO_MANY_REQUESTS" } else { "INTERNAL_ERROR" };
    let body = format!(r#"{{"code":"{code}","details":{{}},"message":"","status":"error"}}"#);
    let header = move |name| (name == "retry-after").then_some(seconds);
    Event::Response(Response::new(status, body).with_headers(header))
}

fn rejection(outcome: Outcome) -> ErrorCode {
    match outcome {
        Outcome::Rejected { error, .. } => error.code,
        other => panic!("{other:?}"),
    }
}

fn reason(outcome: Outcome) -> NotDone {
    match outcome {
        Outcome::NotCreated { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

fn owner(outcome: Outcome) -> Owner {
    match outcome {
        Outcome::NameTaken { owner, .. } => owner,
        other => panic!("{other:?}"),
    }
}

fn origin(outcome: &Outcome) -> Origin {
    match outcome {
        Outcome::Present { origin, .. } => *origin,
        other => panic!("{other:?}"),
    }
}

fn unverified(outcome: &Outcome) -> &Unverified {
    match outcome {
        Outcome::Unknown { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

fn invalid_token() -> Event {
    response(401, "INVALID_TOKEN")
}

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
    let mut script = create();
    script.flow = script.flow.with_fallbacks([name("SecondName")]);
    let outcome = script.token().shows(&["SecondName"]).ends();
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
fn incomplete_baseline_still_shows_presence() {
    let page = r#"{"portals":[{"name":"Acme2026"}],"info":{"more_records":true}}"#;
    let outcome = create().token().list(Event::Response(Response::new(200, page))).ends();
    assert_eq!(origin(&outcome), Origin::Preexisting);
}

#[test]
fn create_only_token_reports_undetermined_owner() {
    let scope = || response(401, "OAUTH_SCOPE_MISMATCH");
    let outcome = create().token().list(scope()).attempt(success("Acme2026")).ends();
    assert!(matches!(outcome, Outcome::Created { .. }));
    let outcome = create().token().list(scope()).attempt(response(400, "ALREADY_USED")).ends();
    let Owner::Undetermined(Unverified::ListRejected(error)) = owner(outcome) else { panic!() };
    assert_eq!(error.code, ErrorCode::OauthScopeMismatch);
    let script = create().token().list(scope()).attempt(lost()).waits(1000);
    let script = script.attempt(lost()).waits(2000).attempt(lost());
    assert!(matches!(unverified(&script.ends()), Unverified::ListRejected(_)));
}

#[test]
fn rejected_baseline_is_outcome() {
    let outcome = create().token().list(response(403, "NO_PERMISSION")).ends();
    assert_eq!(rejection(outcome), ErrorCode::NoPermission);
}

#[test]
fn young_receipt_counts_as_portal_of_org() {
    let receipt =
        |name: &str, age| Receipt { name: name.to_owned(), age: Duration::from_secs(age) };
    let with = |receipt| {
        let mut script = create();
        script.flow = script.flow.with_receipts([receipt]);
        script.token().shows(&[])
    };
    assert!(matches!(with(receipt("AcmeOther", 69)).ends(), Outcome::OrgHasPortal { .. }));
    assert_eq!(origin(&with(receipt("ACME2026", 69)).ends()), Origin::Preexisting);
    with(receipt("AcmeOther", 70)).sends();
}

// Rule 2: intent before attempt.

#[test]
fn intent_is_kept_from_record_until_certain() {
    let mut script = create().token();
    assert_eq!(script.flow.intent(), None);
    script = script.shows_portals(&[]);
    let Step::Record(Intent::Create(intent)) = script.flow.step(script.now) else { panic!() };
    assert_eq!((intent.attempts, intent.baseline.clone()), (1, Some(Baseline::default())));
    assert_eq!(script.flow.intent(), Some(intent.clone().into()));
    script = script.handle(Event::Recorded);
    assert_eq!(script.flow.intent(), Some(intent.clone().into()));
    script.flow.step(script.now);
    script = script.handle(lost());
    assert_eq!(script.flow.intent(), Some(intent.into()));
    script = script.shows(&["Acme2026"]);
    assert_eq!(script.flow.intent(), None);
}

#[test]
fn attempt_too_late_after_write_is_not_made() {
    // 140 s: the attempt, the processing time, the list lag and a list.
    let script = create().ready().lasting(160).record();
    assert!(matches!(script.sends_without_record().timeout(), 60));
    let mut script = create().ready().lasting(161).record();
    assert_eq!(
        script.flow.intent().map(|intent| intent.name().to_string()),
        Some("Acme2026".into())
    );
    script.flow.step(script.now);
    assert_eq!(script.flow.intent(), None);
    assert_eq!(reason(script.ends()), NotDone::Deadline);
}

impl Script<Create> {
    fn sends_without_record(mut self) -> Self {
        assert!(matches!(self.flow.step(self.now), Step::Send { .. }));
        self
    }
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
    let mut script = create().ready().attempt(lost()).shows(&[]).waits(1000);
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
    let in_doubt = || create().ready().attempt(lost()).shows(&[]).waits(1000);
    let attempts = |outcome| match outcome {
        Outcome::Unknown { intent, .. } => intent.attempts,
        other => panic!("{other:?}"),
    };
    // Stopped before and after the intent of the second one is written.
    let mut script = in_doubt();
    script.flow.step(script.now);
    assert_eq!(attempts(script.flow.abandon()), 1);
    assert_eq!(attempts(in_doubt().record().flow.abandon()), 1);
    // The intent cannot be written.
    let mut script = in_doubt();
    script.flow.step(script.now);
    let script = script.handle(Event::NotRecorded("disk full".to_owned()));
    assert_eq!(attempts(script.flow.abandon()), 1);
    // The write takes too long.
    let mut script = in_doubt().lasting(170).record();
    assert!(matches!(script.flow.step(script.now), Step::List { .. }));
    assert_eq!(attempts(script.flow.abandon()), 1);
    // It was made.
    assert_eq!(attempts(in_doubt().sends().flow.abandon()), 2);
}

#[test]
fn unknown_outcome_leaves_its_intent() {
    let mut script = create().ready().attempt(lost()).list(response(403, "NO_PERMISSION"));
    let Step::Done(outcome) = script.flow.step(script.now) else { panic!() };
    let Outcome::Unknown { intent, .. } = *outcome else { panic!("{outcome:?}") };
    assert_eq!(script.flow.intent(), Some(intent.into()));
}

#[test]
fn ended_flow_is_abandoned_with_its_outcome() {
    let outcome = create().ready().attempt(success("Acme2026")).flow.abandon();
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
}

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
        assert!(script.flow.intent().is_some(), "{event:?}");
        assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared, "{event:?}");
    }
}

#[test]
fn undocumented_rejection_is_only_verified() {
    let script = create().ready().attempt(response(400, "NOT_ALLOWED"));
    assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared);
    let script = create().ready().attempt(response(400, "NOT_ALLOWED")).shows_until_proved(&[]);
    // The service has finished: one list lag is enough.
    assert_eq!(script.elapsed(), Duration::from_secs(10));
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
fn taken_name_in_doubt_is_never_another_orgs() {
    let mut script = create();
    script.flow = script.flow.with_fallbacks([name("SecondName")]);
    let script = script.ready().attempt(lost()).shows(&[]).waits(1000);
    let script = script.attempt(response(400, "ALREADY_USED")).shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(70));
    assert_eq!(owner(script.ends()), Owner::Undetermined(Unverified::EarlierAttempt));
}

#[test]
fn taken_name_precedes_other_portal_of_org() {
    let script = create().ready().attempt(response(400, "ALREADY_USED"));
    let outcome = script.shows_until_proved(&["AcmeOther"]).ends();
    assert_eq!(owner(outcome), Owner::AnotherOrg);
}

#[test]
fn name_taken_at_once_ends_after_first_list() {
    let policy = || Policy { name_taken: NameTaken::AtOnce, ..Policy::default() };
    let taken = || response(400, "ALREADY_USED");
    let script = create_with(policy()).ready().attempt(taken()).shows(&[]);
    assert_eq!(script.elapsed(), Duration::ZERO);
    assert_eq!(owner(script.ends()), Owner::Undetermined(Unverified::AtOnce));
    let mut script = create_with(policy());
    script.flow = script.flow.with_fallbacks([name("SecondName")]);
    // A fallback needs the proof.
    script.ready().attempt(taken()).shows_until_proved(&[]).sends();
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
    assert_eq!(owner(script.ends()), Owner::Undetermined(Unverified::Deadline));
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
    let script = create().ready().attempt(lost()).shows(&[]).waits(1000);
    let script = script.attempt(response(400, "ALREADY_USED"));
    let Outcome::Unknown { doubt, .. } = script.flow.abandon() else { panic!() };
    assert_eq!(doubt, Doubt::NoResponse(NoResponse::TimedOut));
}

#[test]
fn reached_limit_in_doubt_is_rejected_if_absent() {
    let script = create().ready().attempt(lost()).shows(&[]).waits(1000);
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
    assert_eq!(reason(script.ends()), NotDone::Exhausted);
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
    assert!(script.flow.intent().is_some());
    assert!(matches!(script.flow.step(script.now), Step::WaitUntil(_)));
}

#[test]
fn early_list_leaves_time_for_one_that_counts() {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let mut script = create_with(policy).ready().lasting(160).sends().lasting(60).handle(lost());
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
    let intent = CreateIntent { attempts: 1, ..CreateIntent::new(name("Acme2026")) };
    let recover = |intent| {
        let flow = CreateFlow::recover(intent, Duration::ZERO, Policy::default(), ApiVersion::V7);
        script(flow).token().shows(&["Acme2026"]).ends()
    };
    assert_eq!(origin(&recover(intent.clone())), Origin::Undetermined);
    let intent = CreateIntent { baseline: Some(Baseline::default()), ..intent };
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
fn renamed_portal_with_receipt_is_another() {
    let mut script = create_with(allow_another());
    let age = Duration::from_secs(3600);
    script.flow = script.flow.with_receipts([Receipt { name: "AcmeOther".to_owned(), age }]);
    let script = script.ready().attempt(lost()).shows_portals(&[("2", "AcmeOther", true)]);
    script.waits(1000).sends();
}

#[test]
fn new_portal_never_renamed_is_another() {
    let script = create().ready().attempt(lost()).shows_until_proved(&["AcmeOther"]);
    assert!(matches!(script.ends(), Outcome::OrgHasPortal { .. }));
}

// Rule 8: repeat only where harmless.

#[test]
fn create_is_repeated_in_doubt_at_most_twice() {
    let script = create().ready().attempt(lost()).shows(&[]).waits(1000);
    let script = script.attempt(html(502)).shows(&[]).waits(2000);
    let script = script.attempt(lost()).shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(3 + 70));
    assert_eq!(reason(script.ends()), NotDone::Exhausted);
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
    let mut script = create();
    script.flow = script.flow.with_fallbacks([name("SecondName")]);
    let script = script.ready().attempt(response(400, "ALREADY_USED")).shows_until_proved(&[]);
    let Outcome::Created { name, taken } = script.attempt(success("SecondName")).ends() else {
        panic!()
    };
    assert_eq!((name.as_str(), taken[0].as_str()), ("SecondName", "Acme2026"));
}

#[test]
fn rejection_in_doubt_is_outcome_once_absent() {
    let script = create().ready().attempt(lost()).shows(&[]).waits(1000);
    let script = script.attempt(response(403, "NO_PERMISSION"));
    let outcome = script.shows_until_proved(&["AcmeOther"]).ends();
    assert_eq!(rejection(outcome), ErrorCode::NoPermission);
}

#[test]
fn taken_over_create_counts_earlier_attempts() {
    let intent = CreateIntent {
        attempts: 3,
        baseline: Some(Baseline::default()),
        ..CreateIntent::new(name("Acme2026"))
    };
    let flow = CreateFlow::take_over(intent, Duration::ZERO, Policy::default(), ApiVersion::V7);
    let script = script(flow).token().shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(70));
    assert!(matches!(
        script.waits(1000).attempt(success("Acme2026")).ends(),
        Outcome::Created { .. }
    ));
}

// Rule 9: recovery.

#[test]
fn recovery_polls_until_absence_and_never_sends() {
    let intent = CreateIntent { attempts: 1, ..CreateIntent::new(name("Acme2026")) };
    let recover = |since_end| {
        let since_end = Duration::from_secs(since_end);
        let flow =
            CreateFlow::recover(intent.clone(), since_end, Policy::default(), ApiVersion::V7);
        let script = script(flow).token().shows_until_proved(&["AcmeOther"]);
        let elapsed = script.elapsed().as_secs();
        assert_eq!(reason(script.ends()), NotDone::Absent);
        elapsed
    };
    assert_eq!((recover(0), recover(50), recover(1_000_000)), (70, 20, 0));
}

#[test]
fn abandoned_attempt_is_unknown() {
    let script = create().ready().sends();
    let Outcome::Unknown { doubt, why, intent } = script.flow.abandon() else { panic!() };
    assert_eq!((doubt, why, intent.attempts), (Doubt::InProgress, Unverified::Stopped, 1));
    assert_eq!(reason(create().ready().flow.abandon()), NotDone::Stopped);
}

// Rule 11: one create at a time.

#[test]
fn create_is_exclusive_unless_it_may_add() {
    let intent = || CreateIntent { attempts: 1, ..CreateIntent::new(name("Acme2026")) };
    let (policy, version) = (Policy::default, ApiVersion::V7);
    let zero = Duration::ZERO;
    assert!(create().flow.is_exclusive());
    assert!(CreateFlow::take_over(intent(), zero, policy(), version).is_exclusive());
    assert!(!create_with(allow_another()).flow.is_exclusive());
    assert!(!CreateFlow::recover(intent(), zero, policy(), version).is_exclusive());
    assert!(!rename().flow.is_exclusive());
}

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
    let policy = || Policy { max_attempts: 1, ..Policy::default() };
    let script = create_with(policy()).ready().attempt(retry_after(429, "1"));
    assert!(script.flow.intent().is_some());
    let script = script.shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(10));
    assert!(matches!(reason(script.ends()), NotDone::RateLimited { .. }));
    let script = create_with(policy()).ready().attempt(html(429)).shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(70));
    let script = create().ready().attempt(retry_after(429, "1")).waits(2000);
    let script = script.attempt(response(400, "ALREADY_USED")).shows(&["Acme2026"]);
    assert_eq!(origin(&script.ends()), Origin::Appeared);
}

#[test]
fn list_after_rate_limited_attempt_waits() {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let script = create_with(policy).ready().attempt(retry_after(429, "7"));
    assert_eq!(origin(&script.waits(8000).shows(&["Acme2026"]).ends()), Origin::Appeared);
}

#[test]
fn retry_after_beyond_deadline_is_still_verified() {
    let script = create().token().list(retry_after(429, "3600"));
    assert!(matches!(reason(script.ends()), NotDone::RateLimited { .. }));
    let script = create().ready().attempt(retry_after(429, "3600")).shows_until_proved(&[]);
    assert_eq!(script.elapsed(), Duration::from_secs(10));
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
        assert_eq!(
            reason(script.ends()),
            NotDone::Unreachable("no connection: unknown host".to_owned())
        );
    }
    let mut script = create().ready().attempt(lost()).list(Event::NotSent(permanent()));
    assert!(matches!(script.flow.step(script.now), Step::WaitUntil(_)), "in doubt it goes on");
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
    let script = create().ready().attempt(html(502)).shows(&[]).waits(1000);
    assert!(matches!(script.attempt(success("Acme2026")).ends(), Outcome::Created { .. }));
}

// Tokens.

#[test]
fn rejected_token_is_replaced_once_per_request() {
    let mut script = create().token().list(invalid_token());
    assert_eq!(script.needs_token(), Some(TokenId(1)));
    let script = script.token().shows(&[]).attempt(invalid_token());
    assert_eq!(script.flow.intent(), None, "it did nothing");
    let script = script.token().attempt(invalid_token());
    let NotDone::Auth(AuthFailure::TokenRejected(error)) = reason(script.ends()) else { panic!() };
    assert_eq!(error.code, ErrorCode::InvalidToken);
}

#[test]
fn attempt_with_rejected_token_does_not_count() {
    let script = create().ready().attempt(invalid_token()).token().attempt(lost());
    let script = script.shows(&[]).waits(1000).attempt(lost()).shows(&[]).waits(2000);
    let Some(Intent::Create(intent)) = script.sends().flow.intent() else { panic!() };
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
    let script = create().ready().attempt(lost()).shows(&[]).waits(1000);
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
    let script = create().token().list(invalid_token()).no_token(TokenError::NotRenewable);
    assert!(matches!(reason(script.ends()), NotDone::Auth(AuthFailure::TokenRejected(_))));
}

// Rename.

fn renamed(code: &str) -> Event {
    if code == "SUCCESS" { success("AcmeNew") } else { response(400, code) }
}

#[test]
fn rename_lists_before_and_sends_once() {
    let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]);
    let outcome = script.attempt(renamed("SUCCESS")).ends();
    assert!(matches!(outcome, RenameOutcome::Renamed { old, .. } if old == "AcmeOld"));
}

#[test]
fn needless_or_impossible_rename_sends_nothing() {
    let listed = |portals: &[(&str, &str, bool)]| rename().token().shows_portals(portals).ends();
    assert!(matches!(listed(&[("1", "AcmeNew", false)]), RenameOutcome::NotFound { .. }));
    assert!(matches!(listed(&[]), RenameOutcome::NotFound { .. }));
    assert!(matches!(
        listed(&[("1", "AcmeOld", false), ("2", "ACMENEW", false)]),
        RenameOutcome::NameTaken { owner: Owner::ThisOrg, .. }
    ));
    let same = RenameFlow::new("acmenew", name("AcmeNew"), Policy::default(), ApiVersion::V7);
    let outcome = script(same).token().shows_portals(&[("1", "AcmeNew", false)]).ends();
    assert!(matches!(outcome, RenameOutcome::Unchanged { .. }));
}

#[test]
fn lost_rename_is_verified_by_id() {
    let attempted = || {
        rename()
            .token()
            .shows_portals(&[("1", "AcmeOld", false), ("2", "AcmeOther", false)])
            .attempt(lost())
    };
    let outcome = attempted().shows_portals(&[("1", "AcmeNew", true)]).ends();
    assert!(matches!(outcome, RenameOutcome::Renamed { .. }));
    // Somebody renamed the other portal to the new name: this one still has the old name.
    let script = attempted().shows_portals(&[("1", "AcmeOld", false), ("2", "AcmeNew", true)]);
    assert!(script.flow.intent().is_some());
}

#[test]
fn rename_is_repeated_only_after_proved_absence() {
    let mut script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    loop {
        match script.flow.step(script.now) {
            Step::WaitUntil(time) => script.now = time,
            Step::List { .. } => script = script.shows_portals(&[("1", "AcmeOld", false)]),
            Step::Record(_) => break,
            step => panic!("{step:?}"),
        }
    }
    assert!(script.elapsed() >= Duration::from_secs(70), "{:?}", script.elapsed());
}

#[test]
fn case_only_rename_compares_exact_bytes() {
    let flow = RenameFlow::new("Acmeold", name("AcmeOld"), Policy::default(), ApiVersion::V7);
    let script = script(flow).token().shows_portals(&[("1", "Acmeold", false)]).attempt(lost());
    let script = script.shows_portals(&[("1", "Acmeold", false)]);
    assert!(script.flow.intent().is_some());
    let outcome = script.waits(1000).shows_portals(&[("1", "AcmeOld", true)]).ends();
    assert!(matches!(outcome, RenameOutcome::Renamed { .. }));
}

#[test]
fn portal_under_third_name_leaves_rename_unknown() {
    let mut script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    let outcome = loop {
        match script.flow.step(script.now) {
            Step::WaitUntil(time) => script.now = time,
            Step::List { .. } => script = script.shows_portals(&[("1", "AcmeThird", true)]),
            Step::Done(outcome) => break *outcome,
            step => panic!("{step:?}"),
        }
    };
    let RenameOutcome::Unknown { why, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(why, Unverified::RenamedElsewhere("AcmeThird".to_owned()));
}

#[test]
fn rejection_by_copy_of_rename_is_verified() {
    for code in ["INVALID_DATA", "ALREADY_USED"] {
        let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]);
        let outcome = script.attempt(renamed(code)).shows_portals(&[("1", "AcmeNew", true)]).ends();
        assert!(matches!(outcome, RenameOutcome::Renamed { .. }), "{code}");
    }
}

#[test]
fn rename_limited_beyond_deadline_is_verified() {
    let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]);
    let script = script.attempt(retry_after(429, "3600"));
    let outcome = script.shows_portals(&[("1", "AcmeNew", true)]).ends();
    assert!(matches!(outcome, RenameOutcome::Renamed { .. }));
    let mut script = rename().token().shows_portals(&[("1", "AcmeOld", false)]);
    script = script.attempt(retry_after(429, "3600"));
    let outcome = loop {
        match script.flow.step(script.now) {
            Step::WaitUntil(time) => script.now = time,
            Step::List { .. } => script = script.shows_portals(&[("1", "AcmeOld", false)]),
            Step::Done(outcome) => break *outcome,
            step => panic!("{step:?}"),
        }
    };
    assert_eq!(script.elapsed(), Duration::from_secs(10));
    let RenameOutcome::NotRenamed { reason, .. } = outcome else { panic!("{outcome:?}") };
    assert!(matches!(reason, NotDone::RateLimited { .. }), "{reason:?}");
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
    let mut script = create().token().list(retry_after(429, "7"));
    script.flow.step(script.now);
    let Activity::BackingOff { cause, until } = script.flow.activity() else { panic!() };
    assert_eq!(cause, "rate limited by the service; retry after 7s");
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
    let mut sent = create();
    sent.flow = sent.flow.with_fallbacks([name("SecondName")]);
    let sent = sent.ready().attempt(response(400, "ALREADY_USED")).shows_until_proved(&[]).sends();
    let Some(Intent::Create(intent)) = sent.flow.intent() else { panic!() };
    assert_eq!((intent.name.as_str(), intent.taken[0].as_str()), ("SecondName", "Acme2026"));
    let flow = CreateFlow::recover(intent, Duration::ZERO, Policy::default(), ApiVersion::V7);
    let outcome = script(flow).token().shows(&["SecondName"]).ends();
    assert_eq!(outcome.taken()[0].as_str(), "Acme2026");
}
