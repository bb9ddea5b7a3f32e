//! One request of the model over a transport, and its answer back.

use bytes::Bytes;
use http::header::{DATE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method};
use portal_model::flow::NotSent;
use portal_model::{Request, Response};
use tracing::Instrument as _;

use super::base_url::BaseUrl;
use super::transport::{AnyTransport, Bounds, TransportError};

/// Sends `request` to `base`, once.
pub(super) async fn exchange(
    transport: &dyn AnyTransport,
    base: &BaseUrl,
    request: &Request,
    bounds: Bounds,
) -> Result<Response, TransportError> {
    let span = tracing::debug_span!(
        "request", method = %request.method, path = request.path_without_query(),
    );
    async {
        let answer = transport.send_boxed(encode(base, request)?, bounds).await;
        match &answer {
            Ok(answer) => tracing::debug!(status = answer.status().as_u16(), "answered"),
            Err(error) => tracing::debug!(%error, "failed"),
        }
        answer.map(decode)
    }
    .instrument(span)
    .await
}

fn encode(base: &BaseUrl, request: &Request) -> Result<http::Request<Bytes>, NotSent> {
    let not_started = |error: &dyn std::fmt::Display| NotSent::NotStarted(error.to_string());
    let mut encoded = http::Request::new(Bytes::copy_from_slice(&request.body));
    *encoded.uri_mut() = base.join(&request.path).map_err(|error| not_started(&error))?;
    *encoded.method_mut() = match request.method {
        portal_model::Method::Get => Method::GET,
        portal_model::Method::Post => Method::POST,
        portal_model::Method::Put => Method::PUT,
    };
    for (name, value) in &request.headers {
        let mut value =
            HeaderValue::try_from(value).map_err(|_| not_started(&format!("bad {name}")))?;
        value.set_sensitive(*name == "authorization");
        encoded.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(encoded)
}

fn decode(answer: http::Response<Bytes>) -> Response {
    let (head, body) = answer.into_parts();
    Response::new(head.status.as_u16(), body)
        .with_retry_after(text(&head.headers, &RETRY_AFTER), text(&head.headers, &DATE))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
