//! Timeouts of a connection: [`TimeoutBody`] for the receipt of a request's body,
//! [`TimeoutStream`] for the sending of a response. hyper has the one for the head.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::connections::{Connection, Phase};

/// Measures how long an operation has been pending.
#[derive(Debug)]
struct StallTimer {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl StallTimer {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    /// Returns `poll`, or an error once the operation has been pending for too long.
    fn check<T>(&mut self, context: &mut Context<'_>, poll: Poll<T>) -> Result<Poll<T>, Stalled> {
        if poll.is_ready() {
            self.timer = None;
            return Ok(poll);
        }
        match self.poll(context) {
            Poll::Ready(()) => Err(Stalled),
            Poll::Pending => Ok(poll),
        }
    }

    /// Ready once the limit has passed since the first call.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        timer.as_mut().poll(context)
    }
}

/// The peer took too long.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("timed out waiting for the peer")]
pub(super) struct Stalled;

/// The body of a request, with a timeout for all of it: for one that trickles as well as for one
/// that stops.
#[derive(Debug)]
pub(super) struct TimeoutBody<B> {
    body: B,
    stall: StallTimer,
    connection: Arc<Connection>,
}

impl<B> Drop for TimeoutBody<B> {
    fn drop(&mut self) {
        // Whoever receives a body drops it at its end.
        self.connection.advance(Phase::Body, Phase::Service);
    }
}

impl<B> TimeoutBody<B> {
    pub(super) fn new(body: B, limit: Duration, connection: Arc<Connection>) -> Self {
        Self { body, stall: StallTimer::new(limit), connection }
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
        this.stall.poll(context).map(|()| Some(Err(Stalled)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that fails if its peer stops reading. Reads have no timeout here: it depends on
/// what is read, a head or a body.
#[derive(Debug)]
pub(super) struct TimeoutStream<S> {
    stream: S,
    stall: StallTimer,
    connection: Arc<Connection>,
}

impl<S> TimeoutStream<S> {
    pub(super) fn new(stream: S, limit: Duration, connection: Arc<Connection>) -> Self {
        Self { stream, stall: StallTimer::new(limit), connection }
    }

    fn check<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.stall.check(context, poll).unwrap_or_else(|stalled| {
            Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, stalled)))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, data);
        self.check(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, data);
        self.check(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        if poll.is_ready() {
            // hyper flushes once a response is written.
            self.connection.advance(Phase::Write, Phase::Head);
        }
        self.check(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.check(context, poll)
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
