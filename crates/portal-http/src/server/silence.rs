//! A peer that talks slowly, or stops listening, doesn't hold a connection for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Runs while a peer keeps us waiting.
#[derive(Debug)]
struct Patience {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    /// Passes on what is ready, and an error where the peer has been silent for too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, poll: Poll<T>) -> Result<Poll<T>, Silent> {
        if poll.is_ready() {
            self.timer = None;
            return Ok(poll);
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        match timer.as_mut().poll(context) {
            Poll::Ready(()) => Err(Silent),
            Poll::Pending => Ok(poll),
        }
    }
}

/// The peer has been silent for too long.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the peer has been silent for too long")]
pub(super) struct Silent;

/// The body of a request, which fails where the whole of it takes too long: one that comes byte by
/// byte as well as one that stops.
#[derive(Debug)]
pub(super) struct TimedBody<B> {
    body: B,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> TimedBody<B> {
    pub(super) fn new(body: B, limit: Duration) -> Self {
        Self { body, limit, timer: None }
    }
}

impl<B: Body + Unpin> Body for TimedBody<B> {
    type Data = B::Data;
    type Error = Silent;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Silent>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(|_| Silent)));
        }
        // Most bodies come with their head and need no timer.
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(this.limit)));
        timer.as_mut().poll(context).map(|()| Some(Err(Silent)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that fails where its peer takes too long to take what is sent. Reading waits for
/// ever here: how long is a matter of what is read.
#[derive(Debug)]
pub(super) struct TimedStream<S> {
    stream: S,
    patience: Patience,
}

impl<S> TimedStream<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, patience: Patience::new(limit) }
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.patience.watch(context, poll).unwrap_or_else(|silent| {
            Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, silent)))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, data);
        self.watch(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, data);
        self.watch(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, poll)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// A body that says something again and again, and never ends.
    struct Trickle(Pin<Box<Sleep>>);

    impl Body for Trickle {
        type Data = bytes::Bytes;
        type Error = Silent;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<bytes::Bytes>, Silent>>> {
            std::task::ready!(self.0.as_mut().poll(context));
            self.0 = Box::pin(sleep(Duration::from_secs(1)));
            Poll::Ready(Some(Ok(Frame::data(bytes::Bytes::from_static(b"x")))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_byte_by_byte_or_never_ends_in_an_error() {
        for first in [1, 3600] {
            let trickle = Trickle(Box::pin(sleep(Duration::from_secs(first))));
            let mut body = TimedBody::new(trickle, Duration::from_secs(30));
            let whole = tokio::time::timeout(Duration::from_secs(31), async {
                while body.frame().await.unwrap().is_ok() {}
            });
            assert!(whole.await.is_ok(), "{first}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_more_ends_in_an_error() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut stream = TimedStream::new(ours, Duration::from_secs(30));
        let write = tokio::time::timeout(Duration::from_secs(31), stream.write_all(&[0; 17]));
        assert_eq!(write.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
