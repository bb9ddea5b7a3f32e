//! A create that never lies, without async: a driver of `CreateFlow` over plain `TcpStream`s.
//!
//! ```text
//! cargo run -p portal-model --example blocking -- 127.0.0.1:8780 ACCESS_TOKEN PortalsAPItest100
//! ```

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use portal_model::flow::{Jitter, NoAnswer, NotSent, Policy, Report, Step, TokenError, TokenId};
use portal_model::{ApiVersion, CreateFlow, Outcome, PortalName, Request, Response, Secret};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [server, token, name] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "expected three arguments: ADDRESS:PORT ACCESS_TOKEN NAME")?;
    let outcome = create(server.parse()?, &Secret::new(token), PortalName::parse(&name)?)?;
    writeln!(io::stdout(), "{outcome:?}")?;
    Ok(())
}

/// Drives one create to its end.
fn create(server: SocketAddr, token: &Secret<String>, name: PortalName) -> io::Result<Outcome> {
    let mut flow = CreateFlow::new(name, Policy::default(), ApiVersion::V7);
    let start = Instant::now();
    loop {
        let report = match flow.step(start.elapsed()) {
            Step::Authenticate { rejected: None } => Report::Token(TokenId(0)),
            Step::Authenticate { rejected: Some(_) } => Report::NoToken(TokenError::NotRenewable),
            // A service would write `flow.intent()` to its disk before it goes on here.
            Step::Send(request) | Step::LookUp(request) => {
                let limit = flow.time_limit(start.elapsed());
                call(server, &request.authorized(token), limit)
            }
            Step::Wait(time) => {
                thread::sleep(time);
                continue;
            }
            Step::Done(outcome) => return Ok(*outcome),
        };
        flow.report(start.elapsed(), Jitter::FULL, report).map_err(io::Error::other)?;
    }
}

/// Sends a request: a failure to connect is certain, everything later is not.
fn call(server: SocketAddr, request: &Request, limit: Duration) -> Report {
    match TcpStream::connect_timeout(&server, limit) {
        Err(error) => Report::NotSent(NotSent::Connect(error.to_string())),
        Ok(stream) => match exchange(stream, request, limit) {
            Ok(response) => Report::Answer(response),
            Err(error) => Report::NoAnswer(NoAnswer::Broken(error.to_string())),
        },
    }
}

fn exchange(mut stream: TcpStream, request: &Request, limit: Duration) -> io::Result<Response> {
    stream.set_read_timeout(Some(limit))?;
    let (mut wire, host) = (Vec::new(), stream.peer_addr()?);
    write!(wire, "{} {} HTTP/1.1\r\nhost: {host}\r\n", request.method, request.path)?;
    for (name, value) in &request.headers {
        write!(wire, "{name}: {value}\r\n")?;
    }
    write!(wire, "connection: close\r\ncontent-length: {}\r\n\r\n", request.body.len())?;
    wire.extend_from_slice(&request.body);
    stream.write_all(&wire)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let cut = || io::Error::other("the answer is cut");
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(cut)?;
    let body = answer.split_off(head + 4);
    let status = answer.get(9..12).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    Ok(Response::new(status.ok_or_else(cut)?, body))
}
