//! Deliberate faults of a server, to test how a client copes with them: [`FaultSpec`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::Method;

/// One fault: `[METHOD ]POINT:ACTION[:N/M]`.
///
/// | part | values |
/// |---|---|
/// | METHOD | `GET`, `POST`, `PUT`: requests under `/crm` with that method; `TOKEN`: requests to the token endpoint; absent: both kinds |
/// | POINT | `request`: before the request has any effect; `committed`: after it took effect, for a create or a rename after it is durable, and before the response. A refused request never gets there |
/// | ACTION | `drop`: close the connection without a response; `delay=DURATION`: wait, such as `300ms`, `10s` or `1m30s`; `429` or `429=SECONDS`: rate limit, with `Retry-After`; `500`; `html`: the error page of a gateway; `cut`: announce more body than is sent, then close; `expire`: invalidate the access token |
/// | N/M | inject into N of every M matching requests, evenly spread and always the same ones; absent: all |
///
/// If several faults match one request, their delays add up and the first other action decides.
/// The service itself never sends `committed:429`: a 429 means that the request had no effect.
///
/// ```
/// use portal_http::server::FaultSpec;
///
/// let fault: FaultSpec = "POST committed:drop:1/2".parse()?;
/// assert_eq!(fault.to_string(), "POST committed:drop:1/2");
/// # Ok::<(), portal_http::server::InvalidFaultSpec>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpec {
    pub(super) matches: Matches,
    pub(super) point: Point,
    pub(super) action: Action,
    /// N of every M.
    pub(super) share: (u32, u32),
}

/// The requests that a fault matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matches {
    All,
    Crm(Method),
    Token,
}

/// When in a request a fault is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Request,
    Committed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Delay(Duration),
    Expire,
    Respond(FaultResponse),
}

/// What a fault sends in place of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultResponse {
    Drop,
    RateLimit(Option<u64>),
    Fail,
    Html,
    Cut,
}

impl FromStr for FaultSpec {
    type Err = InvalidFaultSpec;

    fn from_str(text: &str) -> Result<Self, InvalidFaultSpec> {
        parse(text).map_err(|wrong| InvalidFaultSpec { text: text.to_owned(), wrong })
    }
}

/// Parses a specification; the error is the invalid part.
fn parse(text: &str) -> Result<FaultSpec, String> {
    let (matches, rest) = match text.split_once(' ') {
        None => (Matches::All, text),
        Some(("TOKEN", rest)) => (Matches::Token, rest),
        Some((method @ ("GET" | "POST" | "PUT"), rest)) => {
            (Matches::Crm(method.parse().map_err(|_| method.to_owned())?), rest)
        }
        Some((unknown, _)) => return Err(unknown.to_owned()),
    };
    let mut parts = rest.splitn(3, ':');
    let point = match parts.next().unwrap_or_default() {
        "request" => Point::Request,
        "committed" => Point::Committed,
        unknown => return Err(unknown.to_owned()),
    };
    let action = parts.next().unwrap_or_default();
    let share = match parts.next() {
        None => (1, 1),
        Some(share) => parse_share(share).ok_or(share)?,
    };
    Ok(FaultSpec { matches, point, action: parse_action(action).ok_or(action)?, share })
}

fn parse_action(text: &str) -> Option<Action> {
    let (word, argument) = match text.split_once('=') {
        None => (text, None),
        Some((word, argument)) => (word, Some(argument)),
    };
    Some(match (word, argument) {
        ("delay", Some(duration)) => Action::Delay(humantime::parse_duration(duration).ok()?),
        ("expire", None) => Action::Expire,
        ("drop", None) => Action::Respond(FaultResponse::Drop),
        ("429", None) => Action::Respond(FaultResponse::RateLimit(None)),
        ("429", Some(seconds)) => {
            Action::Respond(FaultResponse::RateLimit(Some(seconds.parse().ok()?)))
        }
        ("500", None) => Action::Respond(FaultResponse::Fail),
        ("html", None) => Action::Respond(FaultResponse::Html),
        ("cut", None) => Action::Respond(FaultResponse::Cut),
        _ => return None,
    })
}

fn parse_share(text: &str) -> Option<(u32, u32)> {
    let (hit, of) = text.split_once('/')?;
    let share = (hit.parse().ok()?, of.parse().ok()?);
    (1..=share.1).contains(&share.0).then_some(share)
}

impl fmt::Display for FaultSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.matches {
            Matches::All => {}
            Matches::Crm(method) => write!(f, "{method} ")?,
            Matches::Token => f.write_str("TOKEN ")?,
        }
        f.write_str(match self.point {
            Point::Request => "request:",
            Point::Committed => "committed:",
        })?;
        match self.action {
            // Without spaces: the first one ends the method.
            Action::Delay(duration) => {
                let text = humantime::format_duration(duration).to_string();
                write!(f, "delay={}", text.replace(' ', ""))
            }
            Action::Expire => f.write_str("expire"),
            Action::Respond(FaultResponse::Drop) => f.write_str("drop"),
            Action::Respond(FaultResponse::RateLimit(None)) => f.write_str("429"),
            Action::Respond(FaultResponse::RateLimit(Some(seconds))) => write!(f, "429={seconds}"),
            Action::Respond(FaultResponse::Fail) => f.write_str("500"),
            Action::Respond(FaultResponse::Html) => f.write_str("html"),
            Action::Respond(FaultResponse::Cut) => f.write_str("cut"),
        }?;
        match self.share {
            (1, 1) => Ok(()),
            (hit, of) => write!(f, ":{hit}/{of}"),
        }
    }
}

/// The text is not a valid [`FaultSpec`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid fault {text:?}: unexpected {wrong:?}, expected [METHOD ]POINT:ACTION[:N/M] with \
     METHOD one of GET, POST, PUT, TOKEN; POINT one of request, committed; ACTION one of drop, \
     delay=300ms (or s, m, h), 429, 429=SECONDS, 500, html, cut, expire; and N of every M requests, \
     such as 1/2"
)]
pub struct InvalidFaultSpec {
    text: String,
    wrong: String,
}

impl InvalidFaultSpec {
    /// The part that is invalid.
    pub fn unexpected(&self) -> &str {
        &self.wrong
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn specification_round_trips() {
        for text in [
            "request:drop",
            "committed:delay=300ms",
            "POST committed:drop:1/2",
            "GET request:429:2/3",
            "TOKEN request:429=7",
            "PUT committed:cut:3/10",
            "request:500",
            "request:html",
            "TOKEN committed:expire",
            "request:delay=10s",
            "request:delay=1m30s:1/2",
        ] {
            assert_eq!(text.parse::<FaultSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn invalid_specification_shows_grammar() {
        for (text, wrong) in [
            ("", ""),
            ("drop", "drop"),
            ("request", ""),
            ("request:", ""),
            ("requests:drop", "requests"),
            ("PATCH request:drop", "PATCH"),
            ("post request:drop", "post"),
            ("request:delay", "delay"),
            ("request:delay=7", "delay=7"),
            ("request:delay=1x", "delay=1x"),
            ("request:429=soon", "429=soon"),
            ("request:drop:0/2", "0/2"),
            ("request:drop:3/2", "3/2"),
            ("request:drop:1", "1"),
            ("request:drop:1/2:", "1/2:"),
        ] {
            let error = text.parse::<FaultSpec>().unwrap_err();
            assert_eq!(error.wrong, wrong, "{text}");
            let sentence = error.to_string();
            assert!(sentence.contains("[METHOD ]POINT:ACTION[:N/M]"), "{sentence}");
            assert!(!sentence.contains('\n'), "{sentence}");
        }
    }

    proptest! {
        #[test]
        fn parse_never_panics(text in any::<String>()) {
            let _ = text.parse::<FaultSpec>();
        }
    }
}
