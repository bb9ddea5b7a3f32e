//! The conformance check of drivers: the client's own driver passes, and so does a blocking one
//! over plain sockets until it has a flaw.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use portal_http::client::conformance::{self, DriverRun, Violation};
use portal_model::flow::{Event, Jitter, NoResponse, NotSent, Step, TokenId};
use portal_model::{Outcome, Request, Response, Secret};

use super::peer::{client, plain};
use super::script::credential;

#[test]
fn client_conforms_as_driver() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let driven = conformance::driver(|run| {
        let client = client(plain(), &run.base_url).build(credential()).unwrap();
        runtime.block_on(async { client.perform(run.flow, run.intents).await })
    });
    driven.unwrap();
}

/// A flaw of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    RecordsAfterwards,
    IgnoresFullDisk,
    SendsLostRequestsAgain,
    ReportsLostResponseAsNotSent,
    AcceptsCutBody,
    IgnoresTimeout,
    RetriesOn503,
    DropsRetryAfter,
    ReturnsTooEarly,
    DropsAge,
    KeepsRejectedToken,
    TakesStatusForFailure,
    FollowsRedirects,
}

/// A blocking driver.
struct Blocking {
    base_url: String,
    token: u64,
    flaw: Option<Flaw>,
}

impl Blocking {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn perform(mut self, run: DriverRun) -> Outcome {
        let (mut flow, started) = (run.flow, Instant::now());
        // A fast clock ends every wait too early.
        let speed = if self.has(Flaw::ReturnsTooEarly) { 10 } else { 1 };
        let now = || started.elapsed() * speed;
        let mut unrecorded = None;
        loop {
            let event = match flow.step(now()) {
                Step::Done(outcome) => return *outcome,
                Step::WaitUntil(time) => {
                    std::thread::sleep(time.saturating_sub(now()) / speed);
                    continue;
                }
                Step::Authenticate { rejected, .. } => {
                    if rejected.is_some() && !self.has(Flaw::KeepsRejectedToken) {
                        self.token += 1;
                    }
                    Event::Token(TokenId(self.token))
                }
                Step::Record(intent) if self.has(Flaw::RecordsAfterwards) => {
                    unrecorded = Some(intent);
                    Event::Recorded
                }
                Step::Record(intent) => match run.intents.record(&intent) {
                    Err(error) if !self.has(Flaw::IgnoresFullDisk) => {
                        Event::NotRecorded(error.to_string())
                    }
                    _ => Event::Recorded,
                },
                Step::List { request, timeout } => self.send(request, timeout),
                Step::Send { request, timeout } => {
                    let event = self.send(request, timeout);
                    if let Some(intent) = unrecorded.take() {
                        run.intents.record(&intent).unwrap();
                    }
                    event
                }
            };
            flow.handle(now(), Jitter::NONE, event).unwrap();
        }
    }

    fn send(&self, request: Request, timeout: Duration) -> Event {
        let token = Secret::new(format!("t{}", self.token));
        let request = request.authorized(&token);
        let timeout = if self.has(Flaw::IgnoresTimeout) { timeout * 100 } else { timeout };
        let mut event = self.send_once(&request, timeout);
        let again = match &event {
            Event::NoResponse(_) => self.has(Flaw::SendsLostRequestsAgain),
            Event::Response(Response { status: 503, .. }) => self.has(Flaw::RetriesOn503),
            Event::Response(Response { status: 307, .. }) => self.has(Flaw::FollowsRedirects),
            _ => false,
        };
        if again {
            event = self.send_once(&request, timeout);
        }
        match event {
            Event::NoResponse(_) if self.has(Flaw::ReportsLostResponseAsNotSent) => {
                Event::NotSent(NotSent::Connect("lost".to_owned()))
            }
            Event::Response(Response { status: 400.., .. })
                if self.has(Flaw::TakesStatusForFailure) =>
            {
                Event::NoResponse(NoResponse::Broken("status".to_owned()))
            }
            event => event,
        }
    }

    fn send_once(&self, request: &Request, timeout: Duration) -> Event {
        let stream = TcpStream::connect(self.base_url.strip_prefix("http://").unwrap());
        let mut stream = match stream {
            Ok(stream) => stream,
            Err(error) => return Event::NotSent(NotSent::Connect(error.to_string())),
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
            return Event::NoResponse(NoResponse::Broken(error.to_string()));
        }
        match self.parse(&String::from_utf8(received).unwrap()) {
            Some(response) => Event::Response(response),
            None => Event::NoResponse(NoResponse::Broken("incomplete".to_owned())),
        }
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
    conformance::driver(|run| {
        let driver = Blocking { base_url: run.base_url.clone(), token: 1, flaw };
        driver.perform(run)
    })
}

#[test]
fn blocking_driver_conforms() {
    check(None).unwrap();
}

#[test]
fn error_names_duty_of_flawed_driver() {
    let flaws = [
        (Flaw::RecordsAfterwards, "record the intent before each attempt"),
        (Flaw::IgnoresFullDisk, "report an intent that cannot be recorded"),
        (Flaw::SendsLostRequestsAgain, "report a response that is lost"),
        (Flaw::ReportsLostResponseAsNotSent, "report a response that is lost"),
        (Flaw::AcceptsCutBody, "report a response that is lost"),
        (Flaw::IgnoresTimeout, "honor the timeout of a step"),
        (Flaw::RetriesOn503, "leave retries to the flow"),
        (Flaw::DropsRetryAfter, "pass on Retry-After"),
        (Flaw::ReturnsTooEarly, "leave retries to the flow"),
        (Flaw::DropsAge, "pass on Age"),
        (Flaw::KeepsRejectedToken, "get another token"),
        (Flaw::TakesStatusForFailure, "report every complete response"),
        (Flaw::FollowsRedirects, "follow no redirect"),
    ];
    let checks = flaws
        .map(|(flaw, expected)| (flaw, expected, std::thread::spawn(move || check(Some(flaw)))));
    for (flaw, expected, check) in checks {
        let Err(Violation::Driver { duty, found }) = check.join().unwrap() else {
            panic!("{flaw:?} is not found")
        };
        assert!(duty.starts_with(expected), "{flaw:?}: {duty}: {found}");
    }
}
