//! [`Wire`]: a new connection to a host, and one request over it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::AsyncWrite as _;

use super::layer::BoxLayer;

pub(super) type Wire = TokioIo<BoxLayer>;

/// Size of the buffer that a response's head has to fit into, in bytes; hyper reads a little beyond it. Its
/// own limit is six times as high.
pub(super) const LONGEST_HEAD: usize = 64 << 10;

/// Sends one request over a new connection and returns what `read` makes of the response, with the
/// connection, which is polled here and nowhere else: no task of its own keeps it open.
pub(super) async fn exchange<F: Future>(
    wire: Wire,
    request: Request<Full<Bytes>>,
    read: impl FnOnce(hyper::Result<Response<Incoming>>) -> F,
) -> hyper::Result<(F::Output, Wire)> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(LONGEST_HEAD);
    // Some proxies send `Via : x`.
    builder.allow_spaces_after_header_name_in_responses(true);
    let (mut sender, mut connection) = builder.handshake(wire).await?;
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
pub(super) fn close(mut wire: Wire) {
    let _ = SockRef::from(wire.inner().socket()).set_linger(None);
    let _ = Pin::new(wire.inner_mut()).poll_shutdown(&mut Context::from_waker(Waker::noop()));
}
