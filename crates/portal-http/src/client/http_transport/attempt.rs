//! Sends an attempt, over a connection that ends with it (rule 14).

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use portal_model::error::with_sources;
use portal_model::flow::{NoResponse, NotSent, TransportError};
use socket2::SockRef;
use tokio::io::AsyncWrite as _;
use tokio::time::{Instant, timeout_at};

use super::connect::{Connector, Wire};
use super::failure::lost;
use super::layer::Purpose;
use crate::client::transport::{Bounds, after, read};

/// Size of the buffer that a response's head has to fit into, in bytes; hyper reads a little beyond it. Its
/// own limit is six times as high.
pub(super) const LONGEST_HEAD: usize = 64 << 10;

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

/// Sends one request over a new connection and returns what `read` makes of the response, with the
/// connection, which is polled here and nowhere else: no task of its own keeps it open.
pub(super) async fn exchange<F: Future>(
    wire: Wire,
    request: Request<Full<Bytes>>,
    read: impl FnOnce(hyper::Result<Response<Incoming>>) -> F,
) -> hyper::Result<(F::Output, Wire)> {
    let handshake = http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(wire);
    let (mut sender, mut connection) = handshake.await?;
    let mut result = pin!(async move { read(sender.send_request(request).await).await });
    let result = tokio::select! {
        biased;
        result = &mut result => result,
        // An error of the connection is the response's as well.
        _ = poll_fn(|context| connection.poll_without_shutdown(context)) => result.await,
    };
    Ok((result, connection.into_parts().io))
}

/// Ends a connection after its response was read: as usual, so that the peer does not take it for a
/// failure. Best effort, since the response is known.
fn close(mut wire: Wire) {
    let _ = SockRef::from(wire.inner().socket()).set_linger(None);
    let _ = Pin::new(wire.inner_mut()).poll_shutdown(&mut Context::from_waker(Waker::noop()));
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
