//! Sends one request of the model over a transport and returns its response.

use std::time::Instant;

use bytes::Bytes;
use portal_model::error::with_sources;
use portal_model::flow::{NotSent, TransportError};
use portal_model::{Request, Response};
use tracing::Instrument as _;

use super::base_url::BaseUrl;
use super::transport::{Bounds, DynTransport};

/// Sends `request` to `base`, once.
pub(super) async fn exchange(
    transport: &dyn DynTransport,
    base: &BaseUrl,
    request: Request,
    bounds: Bounds,
) -> Result<Response, TransportError> {
    let span = tracing::debug_span!(
        "request", method = %request.method, path = request.path_without_query(),
    );
    async {
        let encoded = request
            .into_http(base.as_str())
            .map_err(|error| NotSent::NotStarted(error.to_string()))?
            .map(Bytes::from);
        let sent = Instant::now();
        let response = transport.send_boxed(encoded, bounds).await;
        let ms = sent.elapsed().as_millis();
        match &response {
            Ok(response) => tracing::debug!(status = response.status().as_u16(), ms, "response"),
            Err(error) => tracing::debug!(error = with_sources(error), ms, "failed"),
        }
        response.map(Response::from)
    }
    .instrument(span)
    .await
}
