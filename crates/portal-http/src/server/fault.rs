//! Faults on purpose: what a server does wrong, so that people see how their own code takes it.

mod strike;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::Method;

pub(super) use self::strike::Faults;

/// One fault: `[METHOD ]POINT:ACTION[:N/M]`.
///
/// | part | values |
/// |---|---|
/// | METHOD | `GET`, `POST`, `PUT`: calls under `/crm` with that method; `TOKEN`: calls of the token endpoint; absent: both kinds |
/// | POINT | `request`: before anything is done; `committed`: after the call has done its work, for a create or a rename after it is durable, and before the answer. A refused call never gets there |
/// | ACTION | `drop`: close the connection without an answer; `delay=DURATION`: wait; `429` or `429=SECONDS`: throttle; `500`; `html`: a gateway's page; `cut`: promise more body than is sent, then close; `expire`: the access token stops being valid |
/// | N/M | of every M calls that match, N are hit, evenly spread and always the same ones; absent: all |
///
/// Where several faults hit one call, their delays add up and the first of the others decides.
/// `committed:429` is a lie that the service itself does not tell: a 429 says that nothing was done.
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
    calls: Calls,
    point: Point,
    action: Action,
    /// How many of how many.
    share: (u32, u32),
}

/// The calls that a fault matches.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Calls {
    All,
    Crm(Method),
    Token,
}

/// Where in a call a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Request,
    Committed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Delay(Duration),
    Expire,
    End(Ending),
}

/// What a fault puts in the place of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Drop,
    Throttle(Option<u64>),
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

/// Reads a whole specification; an error is the part that is wrong.
fn parse(text: &str) -> Result<FaultSpec, String> {
    let (calls, rest) = match text.split_once(' ') {
        None => (Calls::All, text),
        Some(("TOKEN", rest)) => (Calls::Token, rest),
        Some((method @ ("GET" | "POST" | "PUT"), rest)) => {
            (Calls::Crm(method.parse().map_err(|_| method.to_owned())?), rest)
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
    Ok(FaultSpec { calls, point, action: parse_action(action).ok_or(action)?, share })
}

fn parse_action(text: &str) -> Option<Action> {
    let (word, argument) = match text.split_once('=') {
        None => (text, None),
        Some((word, argument)) => (word, Some(argument)),
    };
    Some(match (word, argument) {
        ("delay", Some(duration)) => Action::Delay(parse_duration(duration)?),
        ("expire", None) => Action::Expire,
        ("drop", None) => Action::End(Ending::Drop),
        ("429", None) => Action::End(Ending::Throttle(None)),
        ("429", Some(seconds)) => Action::End(Ending::Throttle(Some(seconds.parse().ok()?))),
        ("500", None) => Action::End(Ending::Fail),
        ("html", None) => Action::End(Ending::Html),
        ("cut", None) => Action::End(Ending::Cut),
        _ => return None,
    })
}

/// A whole number of `ms`, `s` or `m`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u32 = number.parse().ok()?;
    Some(match unit {
        "ms" => Duration::from_millis(number.into()),
        "s" => Duration::from_secs(number.into()),
        "m" => Duration::from_secs(u64::from(number) * 60),
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
        match &self.calls {
            Calls::All => {}
            Calls::Crm(method) => write!(f, "{method} ")?,
            Calls::Token => f.write_str("TOKEN ")?,
        }
        f.write_str(match self.point {
            Point::Request => "request:",
            Point::Committed => "committed:",
        })?;
        match self.action {
            Action::Delay(duration) if duration.subsec_millis() == 0 => {
                write!(f, "delay={}s", duration.as_secs())
            }
            Action::Delay(duration) => write!(f, "delay={}ms", duration.as_millis()),
            Action::Expire => f.write_str("expire"),
            Action::End(Ending::Drop) => f.write_str("drop"),
            Action::End(Ending::Throttle(None)) => f.write_str("429"),
            Action::End(Ending::Throttle(Some(seconds))) => write!(f, "429={seconds}"),
            Action::End(Ending::Fail) => f.write_str("500"),
            Action::End(Ending::Html) => f.write_str("html"),
            Action::End(Ending::Cut) => f.write_str("cut"),
        }?;
        match self.share {
            (1, 1) => Ok(()),
            (hit, of) => write!(f, ":{hit}/{of}"),
        }
    }
}

/// A text that is no [`FaultSpec`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no fault, since {wrong:?} is not understood: write [METHOD ]POINT:ACTION[:N/M] \
     with METHOD one of GET, POST, PUT, TOKEN; POINT one of request, committed; ACTION one of \
     drop, delay=300ms (or s, m), 429, 429=SECONDS, 500, html, cut, expire; and N of every M \
     calls, such as 1/2"
)]
pub struct InvalidFaultSpec {
    text: String,
    wrong: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_specification_survives_its_text() {
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
        ] {
            assert_eq!(text.parse::<FaultSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bad_specification_gets_one_sentence_with_the_grammar() {
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
            ("request:delay=1h", "delay=1h"),
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
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = text.parse::<FaultSpec>();
        }
    }
}
