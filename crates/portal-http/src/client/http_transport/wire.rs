//! [`Wire`]: a connection to a host, and the requests over it. [`Idle`]: those that wait for another.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::AsyncWrite as _;
use tokio::time::Instant;

use super::layer::BoxLayer;

/// Size of the buffer that a response's head has to fit into, in bytes; hyper reads a little beyond it. Its
/// own limit is six times as high.
const LONGEST_HEAD: usize = 64 << 10;
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that is polled by whoever sends a request over it and nowhere else: no task of its own
/// keeps it open.
#[derive(Debug)]
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<BoxLayer>, Full<Bytes>>,
}

impl Wire {
    pub(super) async fn over(stream: BoxLayer) -> hyper::Result<Self> {
        let mut builder = Builder::new();
        builder.max_buf_size(LONGEST_HEAD);
        // Some proxies send `Via : x`.
        builder.allow_spaces_after_header_name_in_responses(true);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection })
    }

    /// Sends one request and returns what `read` makes of the response.
    pub(super) async fn exchange<F: Future>(
        &mut self,
        request: Request<Full<Bytes>>,
        read: impl FnOnce(hyper::Result<Response<Incoming>>) -> F,
    ) -> F::Output {
        let Self { sender, connection } = self;
        let mut result = pin!(async move { read(sender.send_request(request).await).await });
        tokio::select! {
            biased;
            result = &mut result => result,
            // An error of the connection is the response's as well.
            _ = poll_fn(|context| connection.poll_without_shutdown(context)) => result.await,
        }
    }

    pub(super) fn into_stream(self) -> BoxLayer {
        self.connection.into_parts().io.into_inner()
    }

    /// Ends a connection after its response was read: as usual, so that the peer does not take it for a
    /// failure. Best effort, since the response is known.
    pub(super) fn close(self) {
        let mut stream = self.into_stream();
        let _ = SockRef::from(stream.socket()).set_linger(None);
        let _ = Pin::new(&mut stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
    }

    /// Whether another request can be sent: neither side has closed it, and nothing is left of the last.
    fn is_idle(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        self.connection.poll_without_shutdown(&mut context).is_pending() && self.sender.is_ready()
    }
}

/// Connections without a request, the longest idle first: since when, and to which host.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<Vec<(Instant, Uri, Wire)>>);

impl Idle {
    /// The one to the host of `destination` that was used last.
    pub(super) fn take(&self, destination: &Uri) -> Option<Wire> {
        let is_there = |host: &Uri| {
            host.authority() == destination.authority() && host.scheme() == destination.scheme()
        };
        loop {
            let mut idle = self.fresh();
            let at = idle.iter().rposition(|(_, host, _)| is_there(host))?;
            let (_, _, mut wire) = idle.remove(at);
            drop(idle);
            if wire.is_idle() {
                return Some(wire);
            }
        }
    }

    pub(super) fn put(&self, destination: Uri, mut wire: Wire) {
        if wire.is_idle() {
            self.fresh().push((Instant::now(), destination, wire));
        }
    }

    /// Without those that are idle for too long.
    fn fresh(&self) -> MutexGuard<'_, Vec<(Instant, Uri, Wire)>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = idle.partition_point(|(since, ..)| since.elapsed() >= IDLE_TIMEOUT);
        idle.drain(..stale);
        idle
    }
}
