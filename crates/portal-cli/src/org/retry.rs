//! Retries calls that change nothing.

use std::time::Duration;

use portal_http::client::{Client, ClientError};
use portal_model::{CanCreate, ProbeCreate};
use tokio::time::sleep;

use crate::report::cause;
use crate::report::failure::{ErrorKind, Failure};

/// Number of attempts.
const TRIES: u32 = 3;
/// Pause after the first attempt; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// Retries `call` while its failure is transient.
pub(crate) async fn retry<T>(
    call: impl AsyncFn() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match call().await {
            Err(error) if may_pass(&error) => sleep(pause).await,
            result => return result,
        }
        pause *= 2;
    }
    call().await
}

/// Determines whether a token can create portals, by a create without a name.
///
/// # Errors
/// The service did not respond, or its response [does not show it](undetermined).
pub(crate) async fn probe(client: &Client) -> Result<CanCreate, ClientError> {
    retry(async || client.call(&ProbeCreate).await).await
}

/// Why [`probe`] left it undetermined.
pub(crate) fn undetermined(error: &ClientError) -> Failure {
    match error {
        ClientError::Api(error) => {
            let why = format!("the response does not show it, after {TRIES} tries: {error}");
            Failure::new(ErrorKind::Failed, why).hint("run the same again in a while")
        }
        error => cause::failure(error, "find out whether the token can create"),
    }
}

fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Api(error) => error.is_rate_limited() || error.is_server_error(),
        ClientError::Unreadable(response) => response.http_status >= 500,
        ClientError::NotSent(reason) => !reason.is_permanent(),
        ClientError::NoResponse(_) => true,
        // The client has retried the accounts server itself.
        _ => false,
    }
}
