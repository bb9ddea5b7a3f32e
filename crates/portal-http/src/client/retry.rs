//! Calls that change nothing, again while their failure may pass.

use std::future::Future;
use std::time::Duration;

use portal_model::ReadOnly;
use portal_model::flow::{NotSent, TokenError};
use tokio::time::{Instant, sleep_until};

use super::error::ClientError;
use super::handle::Client;

/// No try begins after that.
const LIMIT: Duration = Duration::from_secs(20);
/// Pause after the first try; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

impl Client {
    /// Makes a call that changes nothing as [`call`](Self::call) does, up to `tries` times as long as its
    /// failure may pass: within 20 seconds, and within the deadline of the policy.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portal_http::model::ListPortals;
    /// use portal_http::server::LocalServer;
    ///
    /// let server = LocalServer::builder().fault("GET request:500:@1".parse()?).start().await?;
    /// let client = server.client();
    /// assert!(client.call_retrying(&ListPortals, 3).await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`call`](Self::call): the last one.
    pub async fn call_retrying<E: ReadOnly + Sync>(
        &self,
        endpoint: &E,
        tries: u32,
    ) -> Result<E::Output, ClientError> {
        retried(self, tries, || self.call(endpoint)).await
    }
}

/// Asks until there is a response, or trying again does not help.
pub(super) async fn retried<T, F: Future<Output = Result<T, ClientError>>>(
    client: &Client,
    tries: u32,
    ask: impl Fn() -> F,
) -> Result<T, ClientError> {
    let end = Instant::now() + LIMIT.min(client.policy().deadline);
    let mut pause = FIRST_PAUSE;
    let mut count = 0;
    loop {
        count += 1;
        let error = match ask().await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let next = Instant::now() + jittered(pause);
        if is_final(&error) || count >= tries || next >= end {
            return Err(error);
        }
        sleep_until(next).await;
        pause *= 2;
    }
}

/// Whether trying again does not help.
fn is_final(error: &ClientError) -> bool {
    match error {
        ClientError::Api(error) => !error.is_rate_limited() && !error.is_server_error(),
        ClientError::NotSent(why) | ClientError::Token(TokenError::NotSent(why)) => {
            matches!(why, NotSent::Permanent(_))
        }
        ClientError::Token(error) => matches!(
            error,
            TokenError::Rejected(_) | TokenError::NotRenewable | TokenError::Local(_)
        ),
        ClientError::NoResponse(_) | ClientError::Unreadable(_) => false,
    }
}

/// Between half of the pause and all of it, so that clients spread out.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}
