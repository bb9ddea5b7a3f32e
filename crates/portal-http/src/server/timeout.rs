//! Timeouts of a connection: [`TimeoutBody`] for the receipt of a request's body, [`TimeoutStream`]
//! for the sending of a response. hyper has the one for the head.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::connections::{Connection, Phase};

/// The body of a request did not arrive in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("timed out waiting for the peer")]
pub(super) struct Stalled;

/// The body of a request, with a timeout for all of it: for one that trickles as well as for one
/// that stops.
#[derive(Debug)]
pub(super) struct TimeoutBody<B> {
    body: B,
    limit: Duration,
    /// Set once the body keeps its receiver waiting.
    timer: Option<Pin<Box<Sleep>>>,
    connection: Arc<Connection>,
}

impl<B> Drop for TimeoutBody<B> {
    fn drop(&mut self) {
        // The receiver of a body drops it at its end.
        self.connection.advance(Phase::Body, Phase::Service);
    }
}

impl<B> TimeoutBody<B> {
    pub(super) fn new(body: B, limit: Duration, connection: Arc<Connection>) -> Self {
        Self { body, limit, timer: None, connection }
    }
}

impl<B: Body + Unpin> Body for TimeoutBody<B> {
    type Data = B::Data;
    type Error = Stalled;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Stalled>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(|_| Stalled)));
        }
        // One timer for the whole body, so that a byte now and then does not extend it. Most
        // bodies arrive with their head and never need a timer.
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(this.limit)));
        timer.as_mut().poll(context).map(|()| Some(Err(Stalled)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that fails if its peer stops reading, and that knows when a response is sent. Reads have
/// no timeout here: it depends on what is read, a head or a body.
#[derive(Debug)]
pub(super) struct TimeoutStream<S> {
    stream: Pin<Box<tokio_io_timeout::TimeoutStream<S>>>,
    connection: Arc<Connection>,
}

impl<S: AsyncRead + AsyncWrite> TimeoutStream<S> {
    pub(super) fn new(stream: S, limit: Duration, connection: Arc<Connection>) -> Self {
        let mut stream = tokio_io_timeout::TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limit));
        Self { stream: Box::pin(stream), connection }
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for TimeoutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = self.stream.as_mut().poll_flush(context);
        if poll.is_ready() {
            // hyper, and TLS in between, flush once all of a response is written.
            self.connection.advance(Phase::Write, Phase::Head);
        }
        poll
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::super::connections::Connections;
    use super::*;

    fn connection() -> Arc<Connection> {
        let peer = std::net::Ipv4Addr::LOCALHOST.into();
        Arc::clone(&Connections::new(1, None).register(0, peer).connection)
    }

    /// A body that sends a byte a second and never ends.
    struct Trickle(Pin<Box<Sleep>>);

    impl Body for Trickle {
        type Data = bytes::Bytes;
        type Error = Stalled;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<bytes::Bytes>, Stalled>>> {
            std::task::ready!(self.0.as_mut().poll(context));
            self.0 = Box::pin(sleep(Duration::from_secs(1)));
            Poll::Ready(Some(Ok(Frame::data(bytes::Bytes::from_static(b"x")))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn body_trickling_or_stopped_times_out() {
        for first in [1, 3600] {
            let trickle = Trickle(Box::pin(sleep(Duration::from_secs(first))));
            let mut body = TimeoutBody::new(trickle, Duration::from_secs(30), connection());
            let complete = tokio::time::timeout(Duration::from_secs(31), async {
                while body.frame().await.unwrap().is_ok() {}
            });
            assert!(complete.await.is_ok(), "{first}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn peer_not_reading_times_out() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut stream = TimeoutStream::new(ours, Duration::from_secs(30), connection());
        let write = tokio::time::timeout(Duration::from_secs(31), stream.write_all(&[0; 17]));
        assert_eq!(write.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
