//! Deliberate faults of a server, to test how a client copes with them: [`FaultSpec`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::Method;

/// One fault: `[METHOD ]POINT:ACTION[:WHICH]`.
///
/// | part | values |
/// |---|---|
/// | METHOD | `GET`, `POST`, `PUT`: requests under `/crm` with that method; `TOKEN`: requests to the token endpoint; absent: both kinds |
/// | POINT | `request`: before the request has any effect; `committed`: after it took effect, for a create or a rename after it is durable, and before the response. A refused request never gets there |
/// | ACTION | `drop`: close the connection without a response; `delay=DURATION`: wait, such as `300ms`, `10s` or `1m30s`; `429` or `429=SECONDS`: rate limit, with `Retry-After`; `500`; `html`: the error page of a gateway; `cut`: announce more body than is sent, then close; `expire`: invalidate the access token; `stale=DURATION`: show the list of portals as it was that long ago |
/// | WHICH | `N/M`: inject into N of every M matching requests, evenly spread and always the same ones; `@N`: into the Nth only, from 1; `@N+`: into the Nth and all after it; absent: all |
///
/// If several faults match one request, their delays add up and the first other action decides.
/// The service itself never sends `committed:429`: a 429 means that the request had no effect.
///
/// `stale` matches lists only: its METHOD is `GET` or absent and its POINT `request`. The list shows
/// the portals and names of exactly one moment, by the server's clock. A registry keeps no past, so
/// the server records it while the fault is in force: what it records of an org first counts for all
/// the time before. It records at each stale list, and at each change made through this service; any
/// other change counts from then on. Of several stale lists, the oldest is shown.
///
/// ```
/// use portal_http::server::FaultSpec;
///
/// let fault: FaultSpec = "POST committed:drop:1/2".parse()?;
/// assert_eq!(fault.to_string(), "POST committed:drop:1/2");
///
/// // The first attempt fails, the next ones succeed.
/// let first: FaultSpec = "POST request:500:@1".parse()?;
/// # Ok::<(), portal_http::server::InvalidFaultSpec>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpec {
    text: String,
    pub(super) matches: Matches,
    pub(super) point: Point,
    pub(super) action: Action,
    pub(super) which: Which,
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
    /// Show a list as it was this long ago.
    Stale(Duration),
    Respond(FaultResponse),
}

/// Which of the requests that a fault matches get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// `hit` of every `of`, evenly spread.
    Share {
        hit: u32,
        of: u32,
    },
    /// This one only, from 1.
    Nth(u32),
    /// This one and all after it.
    From(u32),
    /// The next one, after which the fault is gone. Not part of a specification.
    Once,
}

impl Which {
    /// Whether the `count`th request, from 1, gets the fault. Of a share, the last of every M does,
    /// and the others are as far apart as possible.
    pub(super) fn includes(self, count: u64) -> bool {
        match self {
            Self::All => true,
            Self::Share { hit, of } => {
                let (hit, of) = (u64::from(hit), u64::from(of));
                (count % of) * hit % of < hit
            }
            Self::Nth(number) => count == u64::from(number),
            Self::From(number) => count >= u64::from(number),
            Self::Once => count == 1,
        }
    }
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

impl FaultSpec {
    /// What a specification looks like, in one line for people.
    pub const GRAMMAR: &str = "[METHOD ]POINT:ACTION[:WHICH] with METHOD one of GET, POST, PUT, TOKEN; \
        POINT one of request (before anything is done), committed (done, but no response sent yet); ACTION \
        one of drop, delay=300ms (or s, m, h), 429, 429=SECONDS, 500, html, cut, expire and, for [GET ]request, \
        stale=5s (the list of portals as it was that long ago); WHICH one of 1/2 (or N/M: N of every M \
        requests), @1 (the first only), @2+ (from the second on)";

    /// The same fault for the next request that it matches only, whatever its WHICH: then it is gone.
    #[must_use]
    pub fn once(self) -> Self {
        Self { which: Which::Once, ..self }
    }

    /// Whether it is for one request only.
    pub fn is_once(&self) -> bool {
        self.which == Which::Once
    }

    /// How much later a request that it matches takes effect: a proof of absence has to wait longer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portal_http::server::FaultSpec;
    ///
    /// let fault: FaultSpec = "POST request:delay=5s".parse()?;
    /// assert_eq!(fault.delay_of_effect(), Duration::from_secs(5));
    /// # Ok::<(), portal_http::server::InvalidFaultSpec>(())
    /// ```
    pub fn delay_of_effect(&self) -> Duration {
        match (self.point, self.action) {
            (Point::Request, Action::Delay(delay)) => delay,
            _ => Duration::ZERO,
        }
    }

    /// How old a list is that it makes stale.
    pub fn staleness(&self) -> Duration {
        match self.action {
            Action::Stale(age) => age,
            Action::Delay(_) | Action::Expire | Action::Respond(_) => Duration::ZERO,
        }
    }
}

impl FromStr for FaultSpec {
    type Err = InvalidFaultSpec;

    fn from_str(text: &str) -> Result<Self, InvalidFaultSpec> {
        parse(text).map_err(|wrong| InvalidFaultSpec { text: text.to_owned(), wrong })
    }
}

/// Parses a specification; the error is the invalid part.
fn parse(whole: &str) -> Result<FaultSpec, String> {
    let (matches, rest) = match whole.split_once(' ') {
        None => (Matches::All, whole),
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
    let text = parts.next().unwrap_or_default();
    let action = parse_action(text).filter(|action| match action {
        Action::Stale(_) => {
            point == Point::Request && [Matches::All, Matches::Crm(Method::GET)].contains(&matches)
        }
        Action::Delay(_) | Action::Expire | Action::Respond(_) => true,
    });
    let which = match parts.next() {
        None => Which::All,
        Some(which) => parse_which(which).ok_or(which)?,
    };
    let (text, action) = (whole.to_owned(), action.ok_or(text)?);
    Ok(FaultSpec { text, matches, point, action, which })
}

fn parse_action(text: &str) -> Option<Action> {
    let (word, argument) = match text.split_once('=') {
        None => (text, None),
        Some((word, argument)) => (word, Some(argument)),
    };
    Some(match (word, argument) {
        // A line break between `1m` and `30s` would be one in a log too.
        (_, Some(argument)) if argument.contains(char::is_control) => return None,
        ("expire", None) => Action::Expire,
        ("drop", None) => Action::Respond(FaultResponse::Drop),
        ("500", None) => Action::Respond(FaultResponse::Fail),
        ("html", None) => Action::Respond(FaultResponse::Html),
        ("cut", None) => Action::Respond(FaultResponse::Cut),
        ("delay", Some(duration)) => Action::Delay(humantime::parse_duration(duration).ok()?),
        ("stale", Some(duration)) => Action::Stale(humantime::parse_duration(duration).ok()?),
        ("429", seconds) => {
            let seconds = seconds.map(str::parse).transpose().ok()?;
            Action::Respond(FaultResponse::RateLimit(seconds))
        }
        _ => return None,
    })
}

fn parse_which(text: &str) -> Option<Which> {
    // `@+3` would be read as `@3`, and may be meant as `@3+`.
    let number = |text: &str| text.parse().ok().filter(|n| *n > 0 && !text.starts_with('+'));
    if let Some(text) = text.strip_prefix('@') {
        return match text.strip_suffix('+') {
            Some(text) => number(text).map(Which::From),
            None => number(text).map(Which::Nth),
        };
    }
    let (hit, of) = text.split_once('/')?;
    match (number(hit)?, number(of)?) {
        (1, 1) => Some(Which::All),
        (hit, of) => (hit <= of).then_some(Which::Share { hit, of }),
    }
}

/// As it was written.
impl fmt::Display for FaultSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// The text is not a valid [`FaultSpec`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid fault {text:?}: unexpected {wrong:?}, expected {}", FaultSpec::GRAMMAR)]
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
            "GET request:stale=5s",
            "request:stale=1m30s:@2+",
            "POST request:500:@1",
            "POST request:429=5:@12+",
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
            ("request:drop:@", "@"),
            ("request:drop:@0", "@0"),
            ("request:drop:@+1", "@+1"),
            ("request:drop:@1/2", "@1/2"),
            ("request:drop:1+", "1+"),
            ("request:stale", "stale"),
            ("committed:stale=5s", "stale=5s"),
            ("POST request:stale=5s", "stale=5s"),
            ("TOKEN request:stale=5s", "stale=5s"),
            ("GET request:delay=1m\n30s", "delay=1m\n30s"),
        ] {
            let error = text.parse::<FaultSpec>().unwrap_err();
            assert_eq!(error.wrong, wrong, "{text}");
            let sentence = error.to_string();
            assert!(sentence.contains("[METHOD ]POINT:ACTION[:WHICH]"), "{sentence}");
            assert!(!sentence.contains('\n'), "{sentence}");
        }
    }

    proptest! {
        #[test]
        fn parse_never_panics(text in any::<String>()) {
            let _ = text.parse::<FaultSpec>();
        }

        #[test]
        fn any_fault_round_trips(
            text in "((GET|POST|PUT|TOKEN) )?(request|committed):(drop|(delay|stale)=[0-9]{1,9}(ms|s|m)\
                     |429(=[0-9]{1,6})?|500|html|cut|expire)(:([0-9]{1,3}/[0-9]{1,3}|@[0-9]{1,3}\\+?))?"
        ) {
            if let Ok(fault) = text.parse::<FaultSpec>() {
                prop_assert_eq!(fault.to_string().parse(), Ok(fault));
            }
        }

        #[test]
        fn n_of_every_m_requests_are_hit(share in (1..50_u32).prop_flat_map(|of| (1..=of, Just(of)))) {
            let (hit, of) = share;
            for start in [0, 1, u64::from(of) * 7 + 3] {
                let window = start + 1..=start + u64::from(of);
                let hits = window.filter(|&count| Which::Share { hit, of }.includes(count)).count();
                prop_assert_eq!(hits, hit as usize);
            }
        }
    }

    #[test]
    fn which_says_the_requests_that_are_hit() {
        for (which, expected) in [
            ("1/2", &[2, 4, 6][..]),
            ("@1", &[1]),
            ("@3", &[3]),
            ("@4+", &[4, 5, 6]),
            ("@1+", &[1, 2, 3, 4, 5, 6]),
        ] {
            let which = parse_which(which).unwrap();
            let hits: Vec<_> = (1..=6).filter(|&count| which.includes(count)).collect();
            assert_eq!(hits, expected, "{which:?}");
        }
    }
}
