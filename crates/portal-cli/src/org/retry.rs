//! Retries calls that change nothing.

use std::time::Duration;

use portal_http::client::ClientError;
use tokio::time::sleep;

/// Number of attempts.
pub(crate) const TRIES: u32 = 3;
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
