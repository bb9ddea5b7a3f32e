//! [`TimeoutBody`]: the timeout for the receipt of a request's body. hyper has the one for its head.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

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
}
