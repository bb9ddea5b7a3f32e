//! Determines whether a token can create portals, by a create without a name.

use portal_http::client::{Client, ClientError};
use portal_model::{ApiError, CanCreate, ProbeCreate};

use crate::org::retry::{TRIES, retry};

/// Sends a create without a name, retrying transient failures.
///
/// # Errors
/// The service did not respond, or its response [does not show it](undetermined).
pub(crate) async fn probe(client: &Client) -> Result<CanCreate, ClientError> {
    retry(async || client.call(&ProbeCreate).await).await
}

/// Why a rejection of [`probe`] leaves it undetermined.
pub(crate) fn undetermined(error: &ApiError) -> String {
    format!("the response does not show it, after {TRIES} tries: {error}")
}
