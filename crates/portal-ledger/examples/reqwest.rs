//! A safe create over reqwest: a host of a client that an application has anyway.
//!
//! ```text
//! cargo run -p portal-ledger --features sqlite --example reqwest -- \
//!     http://127.0.0.1:8780 ACCESS_TOKEN ORG_ID PortalsAPItest100 ./ledger
//! ```
//!
//! `portal serve` is a server to try it on; for https give reqwest its feature `rustls`. reqwest closes
//! a connection gently, so the kernel of a killed process may go on sending for about two minutes:
//! against the live service, `policy.processing_time` has to cover that.

#[path = "shared/program.rs"]
mod program;

use std::error::Error;
use std::future::{Future, pending};
use std::time::Duration;

use portal_ledger::{Clock, Host, Moment, Terms, run};
use portal_model::flow::{NoResponse, NotSent, TokenError, TokenId, TransportError};
use portal_model::{ApiVersion, Request, Response, Secret};

use program::Program;

/// Sends requests with an access token that it can't renew.
pub(crate) struct Async {
    base_url: String,
    token: Secret,
    clock: Clock,
}

impl Async {
    pub(crate) fn new(base_url: impl Into<String>, token: Secret) -> Self {
        Self { base_url: base_url.into(), token, clock: Clock::system() }
    }
}

impl Host for Async {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }

    async fn token(
        &mut self,
        rejected: Option<TokenId>,
        _: Duration,
    ) -> Result<TokenId, TokenError> {
        rejected.map_or(Ok(TokenId(0)), |_| Err(TokenError::NotRenewable))
    }

    async fn send(&mut self, request: Request, terms: Terms) -> Result<Response, TransportError> {
        let not_sent = |error: &dyn Error| NotSent::Permanent(error.to_string());
        let request = request.authorized(&self.token).into_http(&self.base_url);
        let request = request.map_err(|error| not_sent(&error))?;
        // An attempt begins before that moment or never, so it must have connected by then.
        let left = terms.attempt.map(|until| until.since(&self.now()).unwrap_or_default());
        let connect = left.unwrap_or(terms.timeout).min(terms.timeout / 2);
        if connect.is_zero() {
            return Err(NotSent::ConnectTimedOut.into());
        }
        // A client for each request, and so a connection: a pooled one may be gone when it is used.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .connect_timeout(connect)
            .timeout(terms.timeout)
            .build()
            .map_err(|error| not_sent(&error))?;
        let request = request.try_into().map_err(|error: reqwest::Error| not_sent(&error))?;
        let response: http::Response<_> =
            client.execute(request).await.map_err(|error| failure(&error))?.into();
        let (head, body) = response.into_parts();
        let body = reqwest::Response::from(http::Response::new(body)).bytes().await;
        let body = body.map_err(|error| failure(&error))?.to_vec();
        Ok(http::Response::from_parts(head, body).into())
    }
}

/// Only what reqwest reports before it has a connection was not sent; all else may have arrived.
fn failure(error: &reqwest::Error) -> TransportError {
    if error.is_connect() {
        NotSent::Connect(error.to_string()).into()
    } else if error.is_timeout() {
        NoResponse::TimedOut.into()
    } else {
        NoResponse::Broken(error.to_string()).into()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let program = Program::from_arguments()?;
    let mut host = Async::new(program.base_url, program.token);
    let ended = run(&program.ledger, program.request, ApiVersion::V7, &mut host, pending()).await;
    ended.outcome.into_result()?;
    Ok(())
}
