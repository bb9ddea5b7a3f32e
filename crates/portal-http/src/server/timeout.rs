//! [`TimeoutStream`]: the timeout for the sending of a response. hyper has the one for a head.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::{Connection, Phase};

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
    use tokio::io::AsyncWriteExt as _;

    use super::super::connections::Connections;
    use super::*;

    fn connection() -> Arc<Connection> {
        let peer = std::net::Ipv4Addr::LOCALHOST.into();
        Arc::clone(&Connections::new(1, None).register(0, peer).connection)
    }

    #[tokio::test(start_paused = true)]
    async fn peer_not_reading_times_out() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut stream = TimeoutStream::new(ours, Duration::from_secs(30), connection());
        let write = tokio::time::timeout(Duration::from_secs(31), stream.write_all(&[0; 17]));
        assert_eq!(write.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
