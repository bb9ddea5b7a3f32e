//! The conformance check of hosts: a blocking one over plain sockets passes until it has a flaw.

use std::future::{Future, ready};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use futures_timer::Delay;
use portal_http::client::conformance::{self, Violation};
use portal_http::ledger::{Clock, Host, Moment, Terms};
use portal_model::flow::{NoResponse, NotSent, TokenError, TokenId, TransportError};
use portal_model::{Request, Response, Secret};

/// A flaw of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    SendsLate,
    SendsLostRequestsAgain,
    ReportsLostResponseAsNotSent,
    AcceptsCutBody,
    IgnoresTimeout,
    RetriesOn503,
    DropsRetryAfter,
    DropsAge,
    KeepsRejectedToken,
    TakesStatusForFailure,
    FollowsRedirects,
}

struct Blocking {
    base_url: String,
    token: u64,
    clock: Clock,
    flaw: Option<Flaw>,
}

impl Host for Blocking {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        Delay::new(time)
    }

    fn token(
        &mut self,
        rejected: Option<TokenId>,
        _: Duration,
    ) -> impl Future<Output = Result<TokenId, TokenError>> + Send {
        if rejected.is_some() && !self.has(Flaw::KeepsRejectedToken) {
            self.token += 1;
        }
        ready(Ok(TokenId(self.token)))
    }

    fn send(
        &mut self,
        request: Request,
        terms: Terms,
    ) -> impl Future<Output = Result<Response, TransportError>> + Send {
        ready(self.exchange(&request, &terms))
    }
}

impl Blocking {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn exchange(&self, request: &Request, terms: &Terms) -> Result<Response, TransportError> {
        let is_late = |until: &Moment| until.since(&self.now()).is_none_or(|left| left.is_zero());
        if terms.attempt.as_ref().is_some_and(is_late) && !self.has(Flaw::SendsLate) {
            return Err(NotSent::ConnectTimedOut.into());
        }
        let token = Secret::new(format!("t{}", self.token));
        let request = request.clone().authorized(&token);
        let by = if self.has(Flaw::IgnoresTimeout) { 100 } else { 1 };
        let mut result = self.send_once(&request, terms.timeout * by);
        let again = match &result {
            Err(TransportError::NoResponse(_)) => self.has(Flaw::SendsLostRequestsAgain),
            Ok(Response { status: 503, .. }) => self.has(Flaw::RetriesOn503),
            Ok(Response { status: 307, .. }) => self.has(Flaw::FollowsRedirects),
            _ => false,
        };
        if again {
            result = self.send_once(&request, terms.timeout);
        }
        match result {
            Err(TransportError::NoResponse(_)) if self.has(Flaw::ReportsLostResponseAsNotSent) => {
                Err(NotSent::Connect("lost".to_owned()).into())
            }
            Ok(Response { status: 400.., .. }) if self.has(Flaw::TakesStatusForFailure) => {
                Err(NoResponse::Broken("status".to_owned()).into())
            }
            result => result,
        }
    }

    fn send_once(&self, request: &Request, timeout: Duration) -> Result<Response, TransportError> {
        let stream = TcpStream::connect(self.base_url.strip_prefix("http://").unwrap());
        let mut stream = match stream {
            Ok(stream) => stream,
            Err(error) => return Err(NotSent::Connect(error.to_string()).into()),
        };
        stream.set_read_timeout(Some(timeout)).unwrap();
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        write!(sent, "{} {} HTTP/1.1\r\nhost: it\r\n", request.method, request.path).unwrap();
        for (name, value) in &request.headers {
            write!(sent, "{name}: {value}\r\n").unwrap();
        }
        write!(sent, "content-length: {}\r\n\r\n", request.body.len()).unwrap();
        sent.extend(&request.body);
        let read = stream.write_all(&sent).and_then(|()| stream.read_to_end(&mut received));
        if let Err(error) = read {
            return Err(NoResponse::Broken(error.to_string()).into());
        }
        let response = self.parse(&String::from_utf8(received).unwrap());
        response.ok_or_else(|| NoResponse::Broken("incomplete".to_owned()).into())
    }

    fn parse(&self, text: &str) -> Option<Response> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let header = |wanted: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(wanted)?.strip_prefix(": "));
            line.filter(|_| match wanted {
                "retry-after" => !self.has(Flaw::DropsRetryAfter),
                "age" => !self.has(Flaw::DropsAge),
                _ => true,
            })
        };
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        let is_complete = body.len() == length || self.has(Flaw::AcceptsCutBody);
        is_complete.then(|| Response::new(status, body).with_headers(header))
    }
}

fn check(flaw: Option<Flaw>) -> Result<(), Violation> {
    let make =
        |url: &str| Blocking { base_url: url.to_owned(), token: 1, clock: Clock::system(), flaw };
    pollster::block_on(conformance::host(make))
}

#[test]
fn blocking_host_conforms() {
    check(None).unwrap();
}

#[test]
fn error_names_duty_of_flawed_host() {
    let flaws = [
        (Flaw::SendsLate, "begin no attempt that is late"),
        (Flaw::SendsLostRequestsAgain, "report a response that is lost"),
        (Flaw::ReportsLostResponseAsNotSent, "report a response that is lost"),
        (Flaw::AcceptsCutBody, "report a response that is lost"),
        (Flaw::IgnoresTimeout, "honor the timeout of a request"),
        (Flaw::RetriesOn503, "leave retries to its caller"),
        (Flaw::DropsRetryAfter, "pass on Retry-After"),
        (Flaw::DropsAge, "pass on Age"),
        (Flaw::KeepsRejectedToken, "get another token"),
        (Flaw::TakesStatusForFailure, "report every complete response"),
        (Flaw::FollowsRedirects, "follow no redirect"),
    ];
    let checks = flaws
        .map(|(flaw, expected)| (flaw, expected, std::thread::spawn(move || check(Some(flaw)))));
    for (flaw, expected, check) in checks {
        let Err(Violation::Host { duty, found }) = check.join().unwrap() else {
            panic!("{flaw:?} is not found")
        };
        assert!(duty.starts_with(expected), "{flaw:?}: {duty}: {found}");
    }
}
