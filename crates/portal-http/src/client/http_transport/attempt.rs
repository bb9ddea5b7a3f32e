//! Sends an attempt, over a connection that ends with it (rule 9).

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use portal_model::error::with_sources;
use portal_model::flow::{NoResponse, NotSent, TransportError};
use tokio::time::{Instant, timeout_at};

use super::connect::Connector;
use super::failure::lost;
use super::layer::Purpose;
use super::wire::{close, exchange};
use crate::client::transport::{Bounds, after, read};

/// Sends `request` over a connection of its own. When this returns or is dropped, the socket is
/// closed, and unless the response was read, the kernel sends nothing of the request any more.
pub(super) async fn send(
    connector: &Connector,
    request: Request<Full<Bytes>>,
    bounds: Bounds,
) -> Result<Response<Bytes>, TransportError> {
    let end = after(Instant::now(), bounds.time);
    let connecting = connector.connect(request.uri(), Purpose::Attempt(end));
    let wire = match timeout_at(end, connecting).await {
        // A process that was suspended while it connected must not start late.
        Ok(Ok(wire)) if Instant::now() < end && bounds.may_begin() => wire,
        Ok(Err(error)) => return Err(error.into()),
        Ok(Ok(_)) | Err(_) => return Err(NotSent::ConnectTimedOut.into()),
    };
    let destination = request.uri().clone();
    let sent = exchange(wire, addressed(request)?, |response| async {
        let response = response.map_err(|error| lost(&destination, &error))?;
        Ok::<_, TransportError>(read(response, bounds).await?)
    });
    let sent = timeout_at(end, sent).await.map_err(|_| NoResponse::TimedOut)?;
    let (response, wire) = sent.map_err(not_started)?;
    let response = response?;
    close(wire);
    Ok(response)
}

/// Adds `Host`, and leaves only the path in the URL.
fn addressed(mut request: Request<Full<Bytes>>) -> Result<Request<Full<Bytes>>, NotSent> {
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = HeaderValue::from_str(host).map_err(not_started)?;
    request.headers_mut().entry(HOST).or_insert(host);
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    Ok(request)
}

fn not_started(error: impl std::error::Error + 'static) -> NotSent {
    NotSent::NotStarted(with_sources(&error))
}
