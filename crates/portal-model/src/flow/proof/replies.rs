//! Everything that can come of a request, sorted by what it says about it.

use std::time::Duration;

use crate::create::CreatePortal;
use crate::endpoint::{ApiVersion, Response, Unreadable, UnreadableReason};
use crate::envelope::Refusal;
use crate::error::ApiError;
use crate::flow::{NoAnswer, NotSent, Report, TokenError};
use crate::oauth::OAuthError;

use super::server::SPELLED;

/// What a report says about the request that it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// No report: a wait is over.
    Woken,
    /// There is a token.
    Token,
    /// There is none yet, or none at all.
    NoToken,
    NotSent,
    /// Nothing about what was done.
    Nothing,
    TokenRefused,
    Throttled(Option<Duration>),
    ScopeMismatch,
    /// Any other refusal, which depends on nothing that the model knows.
    Refused,
    AlreadyUsed,
    LimitReached,
    Success,
    /// These portals are there.
    List(u8),
}

type Reply = (Said, &'static str, Report);

pub(super) fn without_a_token() -> Vec<Reply> {
    let page = Unreadable::new(&Response::new(502, "<html>"), UnreadableReason::NotJson);
    [
        ("unreachable", TokenError::Unreachable("no route".to_owned())),
        ("HTML", TokenError::Unreadable(page)),
        ("invalid_code", TokenError::Refused(OAuthError::new(OAuthError::INVALID_CODE))),
        ("not renewable", TokenError::NotRenewable),
        ("no cache", TokenError::Local("the token cache is full".to_owned())),
    ]
    .map(|(label, error)| (Said::NoToken, label, Report::NoToken(error)))
    .into()
}

pub(super) fn to_any_request() -> Vec<Reply> {
    let mut replies = that_say_nothing();
    let not_sent = Report::NotSent(NotSent::ConnectTimedOut);
    replies.push((Said::NotSent, "not sent", not_sent));
    let call = |said, label, error| (said, label, answer(&Refusal::Call(error)));
    let busy = ApiError::too_many_requests;
    replies.extend([
        call(Said::TokenRefused, "INVALID_TOKEN", ApiError::invalid_token()),
        call(Said::TokenRefused, "AUTHENTICATION_FAILURE", ApiError::authentication_failure()),
        call(Said::ScopeMismatch, "OAUTH_SCOPE_MISMATCH", ApiError::scope_mismatch()),
        call(Said::Refused, "NO_PERMISSION", ApiError::no_permission(["Manage Portal"])),
        call(Said::Refused, "API_NOT_SUPPORTED", ApiError::not_in_sandbox()),
        call(Said::Throttled(None), "429", busy()),
        call(Said::Throttled(None), "400 throttled", ApiError { http_status: 400, ..busy() }),
        (Said::Throttled(None), "429 HTML", Report::Answer(Response::new(429, "<html>"))),
    ]);
    // Sooner than settled, later, and later than any deadline.
    for seconds in ["1", "3", "99"] {
        let response = Response::new(429, "").with_retry_after(Some(seconds), None);
        let said = Said::Throttled(response.retry_after);
        replies.push((said, "429 with Retry-After", Report::Answer(response)));
    }
    replies
}

fn that_say_nothing() -> Vec<Reply> {
    let fault = ApiError::internal_error;
    let success = CreatePortal::answer(ApiVersion::V7, SPELLED[0]).body;
    let response = |status, body: &[u8]| Report::Answer(Response::new(status, body));
    [
        ("no answer in time", Report::NoAnswer(NoAnswer::TimedOut)),
        ("broken connection", Report::NoAnswer(NoAnswer::Broken("reset".to_owned()))),
        ("500 bare", answer(&Refusal::Call(fault()))),
        ("503 wrapped", answer(&Refusal::Item(ApiError { http_status: 503, ..fault() }))),
        ("400 fault", answer(&Refusal::Call(ApiError { http_status: 400, ..fault() }))),
        ("502 HTML", response(502, b"<html>")),
        ("200 HTML", response(200, b"<html>")),
        ("200 empty", response(200, b"")),
        ("200 cut", response(200, &success[..success.len() / 2])),
        ("500 SUCCESS", response(500, &success)),
        ("200 of another call", response(200, br#"{"users":[]}"#)),
    ]
    .map(|(label, report)| (Said::Nothing, label, report))
    .into()
}

pub(super) fn to_a_post(name: usize) -> [Reply; 4] {
    let success = Report::Answer(CreatePortal::answer(ApiVersion::V7, SPELLED[name]));
    let used = answer(&Refusal::Item(ApiError::already_used()));
    let limit = answer(&Refusal::Call(ApiError::limit_reached(1)));
    let pattern = answer(&Refusal::Item(ApiError::pattern_not_matched()));
    [
        (Said::Success, "SUCCESS", success),
        (Said::AlreadyUsed, "ALREADY_USED", used),
        (Said::LimitReached, "LIMIT_REACHED", limit),
        (Said::Refused, "PATTERN_NOT_MATCHED", pattern),
    ]
}

fn answer(refusal: &Refusal) -> Report {
    Report::Answer(refusal.response())
}
