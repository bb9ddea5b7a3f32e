//! A safe create without async: a host over ureq.
//!
//! ```text
//! cargo run -p portal-ledger --features sqlite --example ureq -- \
//!     http://127.0.0.1:8780 ACCESS_TOKEN ORG_ID PortalsAPItest100 ./ledger
//! ```
//!
//! `portal serve` is a server to try it on; for https give ureq its feature `rustls`. ureq closes a
//! connection gently, so the kernel of a killed process may go on sending for about two minutes: against
//! the live service, `policy.processing_time` has to cover that.

#[path = "shared/program.rs"]
mod program;

use std::error::Error;
use std::future::{Future, pending};
use std::io;
use std::time::Duration;

use futures_timer::Delay;
use portal_ledger::{Clock, Host, Moment, Terms, run};
use portal_model::flow::{NoResponse, NotSent, TokenError, TokenId, TransportError};
use portal_model::{ApiVersion, Request, Response, Secret};

use program::Program;

/// Sends requests one at a time, with an access token that it can't renew.
pub(crate) struct Blocking {
    agent: ureq::Agent,
    base_url: String,
    token: Secret,
    clock: Clock,
}

impl Blocking {
    pub(crate) fn new(base_url: impl Into<String>, token: Secret) -> Self {
        let config = ureq::Agent::config_builder()
            // Every response counts, redirects and errors included.
            .http_status_as_error(false)
            .max_redirects(0)
            // A connection for each request: a pooled one may be gone by the time it is used.
            .max_idle_connections(0);
        let agent = config.build().into();
        Self { agent, base_url: base_url.into(), token, clock: Clock::system() }
    }
}

impl Host for Blocking {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        Delay::new(time)
    }

    async fn token(
        &mut self,
        rejected: Option<TokenId>,
        _: Duration,
    ) -> Result<TokenId, TokenError> {
        rejected.map_or(Ok(TokenId(0)), |_| Err(TokenError::NotRenewable))
    }

    async fn send(&mut self, request: Request, terms: Terms) -> Result<Response, TransportError> {
        let request = request.authorized(&self.token).into_http(&self.base_url);
        let request = request.map_err(|error| NotSent::Permanent(error.to_string()))?;
        // An attempt begins before that moment or never, so it must have connected by then.
        let left = terms.attempt.map(|until| until.since(&self.now()).unwrap_or_default());
        let connect = left.unwrap_or(terms.timeout).min(terms.timeout / 4);
        if connect.is_zero() {
            return Err(NotSent::ConnectTimedOut.into());
        }
        let request = self.agent.configure_request(request);
        let request = request.timeout_global(Some(terms.timeout));
        let request = request.timeout_resolve(Some(connect / 2)).timeout_connect(Some(connect / 2));
        let (head, mut body) = self.agent.run(request.build()).map_err(failure)?.into_parts();
        let body = body.with_config().limit(4 << 20).read_to_vec().map_err(failure)?;
        Ok(http::Response::from_parts(head, body).into())
    }
}

/// Only what ureq reports before it has a connection was not sent; all else may have arrived.
fn failure(error: ureq::Error) -> TransportError {
    use ureq::Timeout::{Connect, Resolve};
    let text = error.to_string();
    match error {
        ureq::Error::BadUri(_) | ureq::Error::HostNotFound => NotSent::Permanent(text).into(),
        ureq::Error::Timeout(Resolve | Connect) => NotSent::ConnectTimedOut.into(),
        // Only connecting is refused; an established connection is reset.
        ureq::Error::Io(io) if io.kind() == io::ErrorKind::ConnectionRefused => {
            NotSent::Connect(text).into()
        }
        ureq::Error::Timeout(_) => NoResponse::TimedOut.into(),
        _ => NoResponse::Broken(text).into(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let program = Program::from_arguments()?;
    let mut host = Blocking::new(program.base_url, program.token);
    let run = run(&program.ledger, program.request, ApiVersion::V7, &mut host, pending());
    let ended = pollster::block_on(run);
    ended.outcome.into_result()?;
    Ok(())
}
