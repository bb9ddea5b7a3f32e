//! Unit tests of a flow, one rule at a time; portal-proof shows that the rules hold together.

mod attempts;
mod corners;
mod limits;
mod outside;
mod rename;
mod verification;

use std::time::Duration;

use super::*;
use crate::endpoint::{ApiVersion, Response};
use crate::error::ErrorCode;
use crate::name::PortalName;
use crate::oauth::OAuthError;
use crate::operation::{CreateOperation, Operation, RenameOperation};
use crate::outcome::{AuthFailure, Doubt, Failure, NotDone, Origin, Outcome, Owner, Unverified};

/// A flow and its driver. By the defaults an attempt takes 20 s and a list 10 s at most, the
/// deadline is 300 s, the processing time 60 s and the list lag 10 s.
struct Script {
    flow: Flow,
    start: Duration,
    now: Duration,
    tokens: u64,
    /// What was recorded last.
    intent: Option<Intent>,
}

fn create() -> Script {
    create_with(Policy::default())
}

fn create_with(policy: Policy) -> Script {
    script(Flow::new(create_of(&["Acme2026"]), policy, ApiVersion::V7))
}

fn rename() -> Script {
    script(Flow::new(rename_of("AcmeOld", "AcmeNew"), Policy::default(), ApiVersion::V7))
}

fn script(flow: Flow) -> Script {
    let start = Duration::from_secs(1000);
    Script { flow, start, now: start, tokens: 0, intent: None }
}

fn create_of(names: &[&str]) -> Operation {
    let mut names = names.iter().map(|it| name(it));
    CreateOperation::new(names.next().unwrap()).with_fallbacks(names).into()
}

fn rename_of(old: &str, new: &str) -> Operation {
    RenameOperation::new(old, name(new)).into()
}

fn with_fallback(policy: Policy) -> Script {
    script(Flow::new(create_of(&["Acme2026", "SecondName"]), policy, ApiVersion::V7))
}

fn with_receipt(policy: Policy, receipt: Receipt) -> Script {
    script(create_with(policy).flow.with_receipts([receipt]))
}

/// Of a [`receipt`].
fn created_earlier() -> Origin {
    Origin::CreatedEarlier { entry: "e1".to_owned(), is_own: false }
}

/// Of a portal that the ledger created so many seconds ago; its id is not known yet.
fn receipt(name: &str, age: u64) -> Receipt {
    Receipt {
        entry: "e1".to_owned(),
        name: name.to_owned(),
        id: None,
        baseline: Some(Baseline::default()),
        has_same_key: false,
        evidence: Evidence::Made { age: Duration::from_secs(age) },
    }
}

fn name(name: &str) -> PortalName {
    PortalName::parse(name).unwrap()
}

fn allow_another() -> Policy {
    Policy { allow_another: true, ..Policy::default() }
}

impl Script {
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

    /// The rejected token that the step names.
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
        let Step::Record(intent) = step else { panic!("{step:?} instead of Record") };
        self.intent = Some(intent);
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

    /// The current step takes this long.
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

    /// Lists that show `names`, at the times of their steps, until a list may
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

    /// The list after an attempt, the backoff, and the list that clears the way for another one.
    #[track_caller]
    fn clears(self, backoff: u64) -> Self {
        self.shows(&[]).waits(backoff).shows(&[])
    }

    /// Lists of `portals` and waits, until something else is due.
    #[track_caller]
    fn lists_until_step(mut self, portals: &[(&str, &str, bool)]) -> Self {
        loop {
            self = match self.flow.step(self.now) {
                Step::WaitUntil(time) => Self { now: time, ..self },
                Step::List { .. } => self.shows_portals(portals),
                _ => return self,
            };
        }
    }

    #[track_caller]
    fn lists_until_end(self, portals: &[(&str, &str, bool)]) -> Outcome {
        self.lists_until_step(portals).ends()
    }

    #[track_caller]
    fn ends(mut self) -> Outcome {
        match self.flow.step(self.now) {
            Step::Done(outcome) => {
                assert_eq!(self.flow.is_in_doubt(), !outcome.is_certain());
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
        Outcome::NotCreated { why, .. } => why,
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
        Outcome::Present { origin, .. } => origin.clone(),
        other => panic!("{other:?}"),
    }
}

fn unverified(outcome: &Outcome) -> &Unverified {
    match outcome {
        Outcome::Unknown { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

fn scope_mismatch() -> Event {
    response(401, "OAUTH_SCOPE_MISMATCH")
}

fn invalid_token() -> Event {
    response(401, "INVALID_TOKEN")
}
