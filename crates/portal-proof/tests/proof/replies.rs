//! Everything that can come of a step, sorted by what it shows of the service.
//!
//! The bodies are literal bytes, not made by this crate's encoders: what the service sends is one
//! thing, what this crate reads another.

use portal_model::endpoint::{Response, Unreadable, UnreadableReason};
use portal_model::flow::{Event, TokenError, TokenId};
use portal_model::oauth::OAuthError;
use portal_model::transport::{NoResponse, NotSent};

use super::service::View;
use super::world::Alphabet;

/// What an event means for the step that it ends, whatever the flow makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Meaning {
    /// No event: a wait is over.
    Woken,
    Token,
    /// There is no token yet.
    NoTokenYet,
    /// There will be none.
    NoToken,
    Recorded,
    NotRecorded,
    NotSent,
    /// As before, and it stays so.
    NeverSent,
    /// Nothing about what was done; an attempt may be processed yet.
    Nothing,
    /// A code that is not documented: nothing about what was done.
    Unknown(Code),
    /// A redirect or a page of a gateway, that would come again: nothing about what was done.
    Refused,
    /// A 401 that is not the service's: the same.
    Unauthorized,
    /// Success for another name.
    OtherName,
    /// The token leads to another API.
    Moved,
    /// Too many requests, with the time to wait.
    RateLimited {
        retry_after: Option<u8>,
    },
    /// Nothing about what was done, with the time to wait.
    Busy(u8),
    TokenRejected,
    ScopeMissing,
    /// The service did nothing.
    Rejected(Code),
    /// A copy of the request found the name in use, the org full, or no portal of the old name.
    Used,
    Full,
    Missing,
    Success,
    List {
        view: View,
        is_complete: bool,
    },
}

/// Codes of rejections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Code {
    AlreadyUsed,
    LimitReached,
    NoPermission,
    PatternNotMatched,
    InvalidData,
    ScopeMismatch,
    New,
    Other,
}

impl Code {
    /// The code in an error of the flow.
    pub(super) fn of(text: &str) -> Self {
        match text {
            "ALREADY_USED" => Self::AlreadyUsed,
            "LIMIT_REACHED" => Self::LimitReached,
            "NO_PERMISSION" => Self::NoPermission,
            "PATTERN_NOT_MATCHED" => Self::PatternNotMatched,
            "INVALID_DATA" => Self::InvalidData,
            "OAUTH_SCOPE_MISMATCH" => Self::ScopeMismatch,
            "NEW_CODE" => Self::New,
            _ => Self::Other,
        }
    }
}

/// The token of every process. A new one is named as the rejected one was: up to symmetry there are no more.
pub(super) const IN_USE: TokenId = TokenId(1);

/// A meaning, words for it, and the event.
pub(super) type Reply = (Meaning, &'static str, Event);

const SUCCESS: &str = r#"{"portals":[{"code":"SUCCESS","details":{"name":"FIRST1"},"message":"Portal created successfully with given name.","status":"success"}]}"#;
const SUCCESS_SECOND: &str = r#"{"portals":[{"code":"SUCCESS","details":{"name":"SECOND2"},"message":"Portal created successfully with given name.","status":"success"}]}"#;
const INTERNAL_ERROR: &str =
    r#"{"code":"INTERNAL_ERROR","details":{},"message":"Internal Server Error","status":"error"}"#;
const INTERNAL_ERROR_OF_ITEM: &str = r#"{"portals":[{"code":"INTERNAL_ERROR","details":{},"message":"Internal Server Error","status":"error"}]}"#;
const INVALID_TOKEN: &str =
    r#"{"code":"INVALID_TOKEN","details":{},"message":"invalid oauth token","status":"error"}"#;
const AUTHENTICATION_FAILURE: &str = r#"{"code":"AUTHENTICATION_FAILURE","details":{},"message":"Authentication failed","status":"error"}"#;
const SCOPE_MISMATCH: &str = r#"{"code":"OAUTH_SCOPE_MISMATCH","details":{},"message":"invalid oauth scope to access this URL","status":"error"}"#;
const NO_PERMISSION: &str = r#"{"code":"NO_PERMISSION","details":{"permissions":["Crm_Implied_Manage_Portal"]},"message":"Permission is invalid.","status":"error"}"#;
const PATTERN_NOT_MATCHED: &str = r#"{"portals":[{"code":"PATTERN_NOT_MATCHED","details":{"api_name":"name"},"message":"Please check whether the input values are correct","status":"error"}]}"#;
const TOO_MANY_REQUESTS: &str =
    r#"{"code":"TOO_MANY_REQUESTS","details":{},"message":"Too many requests","status":"error"}"#;
const ALREADY_USED: &str = r#"{"portals":[{"code":"ALREADY_USED","details":{"api_name":"name"},"message":"The entered portal name is already in use","status":"error"}]}"#;
const LIMIT_REACHED: &str = r#"{"code":"LIMIT_REACHED","details":{"limit":1},"message":"portal limit reached","status":"error"}"#;
const NO_SUCH_PORTAL: &str = r#"{"code":"INVALID_DATA","details":{},"message":"No portal exists with the given portal name.","status":"error"}"#;
const NEW_CODE: &str = r#"{"code":"NEW_CODE","details":{},"message":"","status":"error"}"#;
const LOCKED: &str = r#"{"code":"LOCKED","details":{},"message":"","status":"error"}"#;
const HTML: &str = "<html><body>Bad Gateway</body></html>";

fn response(status: u16, body: &str) -> Event {
    Event::Response(Response::new(status, body))
}

fn with_header(status: u16, body: &str, header: &'static str, value: &str) -> Event {
    let response = Response::new(status, body);
    Event::Response(response.with_headers(|name| (name == header).then_some(value)))
}

pub(super) fn to_authenticate() -> Vec<Reply> {
    let page = Unreadable::new(&Response::new(502, HTML), UnreadableReason::NotJson);
    let no_token = |meaning, label, error| (meaning, label, Event::NoToken(error));
    let connect = NotSent::Connect("no route".to_owned());
    let unknown_host = NotSent::Permanent("unknown host".to_owned());
    let refused = OAuthError::new(OAuthError::INVALID_CODE);
    let throttle = TokenError::Rejected(OAuthError::new(OAuthError::ACCESS_DENIED));
    let lost = TokenError::NoResponse(NoResponse::TimedOut);
    vec![
        (Meaning::Token, "a token", Event::Token(IN_USE)),
        no_token(Meaning::NoTokenYet, "unreachable", TokenError::NotSent(connect)),
        no_token(Meaning::NoTokenYet, "no response", lost),
        no_token(Meaning::NoTokenYet, "HTML", TokenError::Unreadable(page)),
        no_token(Meaning::NeverSent, "unknown host", TokenError::NotSent(unknown_host)),
        no_token(Meaning::NoToken, "invalid_code", TokenError::Rejected(refused)),
        no_token(Meaning::NoToken, "not renewable", TokenError::NotRenewable),
        no_token(Meaning::RateLimited { retry_after: Some(99) }, "Access Denied", throttle),
        no_token(Meaning::Moved, "another API", TokenError::OtherOrigin("https://x".to_owned())),
        no_token(Meaning::NoToken, "no cache", TokenError::Local("cache is full".to_owned())),
    ]
}

pub(super) fn to_record() -> Vec<Reply> {
    let full = Event::NotRecorded("disk is full".to_owned());
    vec![
        (Meaning::Recorded, "recorded", Event::Recorded),
        (Meaning::NotRecorded, "disk is full", full),
    ]
}

/// Replies to a list or an attempt that show nothing of the service's state.
fn to_any_request() -> Vec<Reply> {
    use Meaning::{NeverSent, Nothing, Rejected, TokenRejected};
    let limited = |retry_after| Meaning::RateLimited { retry_after };
    let cut = &SUCCESS[..SUCCESS.len() / 2];
    let slow = |seconds| with_header(429, HTML, "retry-after", seconds);
    let busy = |seconds| with_header(429, TOO_MANY_REQUESTS, "retry-after", seconds);
    vec![
        (Nothing, "no response", Event::NoResponse(NoResponse::TimedOut)),
        (Nothing, "connection lost", Event::NoResponse(NoResponse::Broken("reset".to_owned()))),
        (Nothing, "too large", Event::NoResponse(NoResponse::TooLarge { limit: 9 })),
        (Nothing, "500", response(500, INTERNAL_ERROR)),
        (Nothing, "500 of the item", response(500, INTERNAL_ERROR_OF_ITEM)),
        (Nothing, "502 HTML", response(502, HTML)),
        (Meaning::Busy(0), "503 at once", with_header(503, INTERNAL_ERROR, "retry-after", "0")),
        (Meaning::Busy(2), "503 soon", with_header(503, INTERNAL_ERROR, "retry-after", "2")),
        (Meaning::Busy(99), "503 HTML late", with_header(503, HTML, "retry-after", "99")),
        (Nothing, "504 HTML", response(504, HTML)),
        (Nothing, "200 HTML", response(200, HTML)),
        (Nothing, "200 empty", response(200, "")),
        (Nothing, "200 cut", response(200, cut)),
        (Nothing, "200 of another call", response(200, r#"{"users":[]}"#)),
        (Nothing, "202 error", response(202, NEW_CODE)),
        (Nothing, "500 SUCCESS", response(500, SUCCESS)),
        (Meaning::Refused, "407 HTML", response(407, HTML)),
        (Meaning::NotSent, "not sent", Event::NotSent(NotSent::ConnectTimedOut)),
        (Meaning::NotSent, "not started", Event::NotSent(NotSent::NotStarted("busy".to_owned()))),
        (NeverSent, "unknown host", Event::NotSent(NotSent::Permanent("host".to_owned()))),
        (TokenRejected, "INVALID_TOKEN", response(401, INVALID_TOKEN)),
        (TokenRejected, "AUTHENTICATION_FAILURE", response(401, AUTHENTICATION_FAILURE)),
        (Meaning::ScopeMissing, "OAUTH_SCOPE_MISMATCH", response(401, SCOPE_MISMATCH)),
        (Rejected(Code::NoPermission), "NO_PERMISSION", response(403, NO_PERMISSION)),
        (limited(None), "429", response(429, TOO_MANY_REQUESTS)),
        (limited(None), "400 too many", response(400, TOO_MANY_REQUESTS)),
        (limited(Some(0)), "429 at once", busy("0")),
        (limited(Some(2)), "429 soon", busy("2")),
        (limited(Some(99)), "429 late", busy("99")),
        (limited(None), "429 HTML", response(429, HTML)),
        (limited(Some(0)), "429 HTML at once", slow("0")),
        (limited(Some(2)), "429 HTML soon", slow("2")),
        (limited(Some(99)), "429 HTML late", slow("99")),
    ]
}

pub(super) fn to_list() -> Vec<Reply> {
    let mut replies = to_any_request();
    replies.push((Meaning::Rejected(Code::New), "400 NEW_CODE", response(400, NEW_CODE)));
    replies.push((Meaning::TokenRejected, "401 HTML", response(401, HTML)));
    replies.push((Meaning::Nothing, "301 HTML", response(301, HTML)));
    replies
}

pub(super) fn to_attempt(name: usize) -> Vec<Reply> {
    use Meaning::{Nothing, Refused, Unknown};
    let success = [SUCCESS, SUCCESS_SECOND][name];
    let other = [SUCCESS_SECOND, SUCCESS][name];
    let mut replies = to_any_request();
    replies.extend([
        (Meaning::Success, "SUCCESS", response(200, success)),
        (Meaning::Success, "201 SUCCESS", response(201, success)),
        (Meaning::OtherName, "SUCCESS of another name", response(200, other)),
        (Refused, "301 HTML", response(301, HTML)),
        (Meaning::Unauthorized, "401 HTML", response(401, HTML)),
        (Meaning::Unauthorized, "401 NEW_CODE", response(401, NEW_CODE)),
        (Meaning::Used, "ALREADY_USED", response(400, ALREADY_USED)),
        (Meaning::Full, "LIMIT_REACHED", response(400, LIMIT_REACHED)),
        (Meaning::Missing, "INVALID_DATA", response(400, NO_SUCH_PORTAL)),
        (
            Meaning::Rejected(Code::PatternNotMatched),
            "PATTERN_NOT_MATCHED",
            response(400, PATTERN_NOT_MATCHED),
        ),
        (Unknown(Code::New), "400 NEW_CODE", response(400, NEW_CODE)),
        (Unknown(Code::New), "410 NEW_CODE", response(410, NEW_CODE)),
        (Unknown(Code::New), "302 NEW_CODE", response(302, NEW_CODE)),
        (Unknown(Code::AlreadyUsed), "403 ALREADY_USED", response(403, ALREADY_USED)),
        (Nothing, "200 ALREADY_USED", response(200, ALREADY_USED)),
        (Nothing, "408 NEW_CODE", response(408, NEW_CODE)),
        (Nothing, "408 ALREADY_USED", response(408, ALREADY_USED)),
        (Nothing, "409 LOCKED", response(409, LOCKED)),
        (Nothing, "425 LOCKED", response(425, LOCKED)),
        (Nothing, "499 LOCKED", response(499, LOCKED)),
        (Nothing, "409 ALREADY_USED", response(409, ALREADY_USED)),
        (Nothing, "503 LIMIT_REACHED", response(503, LIMIT_REACHED)),
        (Nothing, "400 INTERNAL_ERROR", response(400, INTERNAL_ERROR)),
        (Refused, "404 HTML", response(404, HTML)),
        (Refused, "408 HTML", response(408, HTML)),
        (Refused, "400 empty", response(400, "")),
        (Nothing, "204", response(204, "")),
    ]);
    replies
}

pub(super) fn certain_rejection() -> Event {
    response(400, PATTERN_NOT_MATCHED)
}

/// The response to a list. `bare` records have a name and nothing else. One that is not complete is a
/// cache's, or has more pages, or counts more than it has.
pub(super) fn list(view: View, is_complete: bool, bare: bool) -> Event {
    let records: Vec<String> = view.records().map(|record| record.body(bare)).collect();
    let records = records.join(",");
    if is_complete {
        let body = format!(r#"{{"portals":[{records}]}}"#);
        return if records.is_empty() { response(204, "") } else { response(200, &body) };
    }
    match view.names().map(|name| name + 1).sum::<u8>() % 3 {
        0 => with_header(200, &format!(r#"{{"portals":[{records}]}}"#), "age", "3600"),
        1 => {
            let info = r#""info":{"more_records":"true"}"#;
            response(200, &format!(r#"{{"portals":[{records}],{info}}}"#))
        }
        _ => response(200, &format!(r#"{{"portals":[{records}],"info":{{"count":9}}}}"#)),
    }
}

impl Alphabet {
    pub(super) fn of(self, replies: Vec<Reply>) -> Vec<Reply> {
        let mut kept: Vec<Reply> = Vec::new();
        for reply in replies {
            let is_new = kept.iter().all(|(meaning, ..)| *meaning != reply.0);
            let is_calm = !matches!(
                reply.0,
                Meaning::NoToken
                    | Meaning::NoTokenYet
                    | Meaning::NotSent
                    | Meaning::NeverSent
                    | Meaning::TokenRejected
                    | Meaning::Busy(_)
                    | Meaning::RateLimited { retry_after: None | Some(0), .. }
            );
            let keeps = match self {
                Self::Whole => true,
                Self::Brief => is_new,
                Self::Calm => is_new && is_calm,
            };
            if keeps {
                kept.push(reply);
            }
        }
        kept
    }
}
