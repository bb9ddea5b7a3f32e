//! Bodies: [`ResponseBody`], which a fault can abort, and the bounded receipt of a request's body.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use portal_model::ApiError;
use portal_model::server::rejections;

/// Longest request body that is accepted: 64 KiB.
pub const BODY_LIMIT: usize = 64 * 1024;

/// How much of a body that is too large is read and discarded: 1 MiB. Closing a connection with
/// unread data resets it, and a reset can destroy the response before the client reads it.
pub(super) const DISCARD_LIMIT: usize = 1024 * 1024;

/// How long the body of a rejected request is read and discarded.
pub(super) const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Receives a body to its end.
///
/// # Errors
/// It is too large, or the client stopped.
pub(super) async fn receive<B: Body>(headers: &HeaderMap, body: B) -> Result<Bytes, ApiError> {
    let limit = if expects_continue(headers) { BODY_LIMIT } else { DISCARD_LIMIT };
    if body.size_hint().lower() > limit as u64 {
        return Err(rejections::body_too_large(BODY_LIMIT));
    }
    read(body, BODY_LIMIT).await
}

/// Reads a body up to [`DISCARD_LIMIT`], and keeps it unless it is longer than `limit`.
async fn read<B: Body>(body: B, limit: usize) -> Result<Bytes, ApiError> {
    let mut body = std::pin::pin!(body);
    let mut complete = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| rejections::invalid_body())?;
        let Ok(mut data) = frame.into_data() else { continue };
        length += data.remaining();
        if length > DISCARD_LIMIT {
            break;
        }
        while length <= limit && data.has_remaining() {
            let chunk = data.chunk();
            complete.extend_from_slice(chunk);
            data.advance(chunk.len());
        }
    }
    if length > limit { Err(rejections::body_too_large(limit)) } else { Ok(complete.into()) }
}

/// Whether the client waits for `100 Continue` before it sends the body. hyper sends that when the
/// body is first polled.
fn expects_continue(headers: &HeaderMap) -> bool {
    headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Reads and discards the body of a rejected request, within limits, so that the client gets to
/// read the response: see [`DISCARD_LIMIT`].
pub(super) async fn discard<B: Body>(headers: &HeaderMap, body: B) {
    if body.is_end_stream()
        || expects_continue(headers)
        || body.size_hint().lower() > DISCARD_LIMIT as u64
    {
        return;
    }
    // Whether the body ended in time changes nothing: hyper closes the connection if it did not.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, read(body, 0)).await;
}

/// The body of a response of [`PortalService`](super::PortalService).
#[derive(Debug)]
pub struct ResponseBody {
    remaining: Option<Bytes>,
    fault: Option<Fault>,
}

/// What a fault does to a body.
#[derive(Debug)]
enum Fault {
    /// Bytes that are announced and never sent.
    Missing(u64),
    /// Nothing of the response is sent.
    Withheld,
}

impl ResponseBody {
    pub(super) fn complete(bytes: impl Into<Bytes>) -> Self {
        Self { remaining: Some(bytes.into()).filter(|bytes| !bytes.is_empty()), fault: None }
    }

    /// Sends the first half of `bytes` and announces all of them.
    pub(super) fn cut(mut bytes: Bytes) -> Self {
        let missing = bytes.split_off(bytes.len() / 2).len();
        Self { fault: Some(Fault::Missing(missing as u64)), ..Self::complete(bytes) }
    }

    /// Aborts the connection before the head of the response is sent: hyper writes no head before
    /// the first poll of the body is ready or pending.
    pub(super) fn withheld() -> Self {
        Self { remaining: None, fault: Some(Fault::Withheld) }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = InjectedAbort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, InjectedAbort>>> {
        if let Some(bytes) = self.remaining.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match self.fault {
            None => Poll::Ready(None),
            // Pending once, so that hyper flushes what it has before it sees the error.
            Some(Fault::Missing(_)) => {
                self.fault = Some(Fault::Withheld);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Fault::Withheld) => Poll::Ready(Some(Err(InjectedAbort))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.remaining.is_none() && self.fault.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let remaining = self.remaining.as_ref().map_or(0, Bytes::len) as u64;
        match self.fault {
            None => SizeHint::with_exact(remaining),
            Some(Fault::Missing(missing)) => SizeHint::with_exact(remaining + missing),
            Some(Fault::Withheld) => SizeHint::default(),
        }
    }
}

/// The error of a response body that a [`FaultSpec`](super::FaultSpec) aborts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("response aborted by an injected fault")]
pub struct InjectedAbort;

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};

    use super::*;

    #[tokio::test]
    async fn receive_reads_up_to_limit() {
        let headers = HeaderMap::new();
        let of = |length: usize| receive(&headers, Full::new(Bytes::from(vec![b'x'; length])));
        assert_eq!(of(0).await, Ok(Bytes::new()));
        assert_eq!(of(BODY_LIMIT).await, Ok(vec![b'x'; BODY_LIMIT].into()));
        assert_eq!(of(BODY_LIMIT + 1).await, Err(rejections::body_too_large(BODY_LIMIT)));
        assert_eq!(of(DISCARD_LIMIT + 1).await, Err(rejections::body_too_large(BODY_LIMIT)));
    }

    #[tokio::test(start_paused = true)]
    async fn discard_stops_after_timeout() {
        let body = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, ()>>());
        let started = tokio::time::Instant::now();
        discard(&HeaderMap::new(), body).await;
        assert_eq!(started.elapsed(), DISCARD_TIMEOUT);
    }

    #[tokio::test]
    async fn discard_stops_at_limit() {
        let frame = || Ok::<_, ()>(Frame::data(Bytes::from_static(&[b'x'; 1024])));
        let (read, endless) = (std::cell::Cell::new(0), futures_util::stream::iter(0..));
        let body = futures_util::StreamExt::map(endless, |chunk| {
            read.set(chunk + 1);
            frame()
        });
        discard(&HeaderMap::new(), StreamBody::new(body)).await;
        assert_eq!(read.get(), DISCARD_LIMIT / 1024 + 1);
    }

    #[tokio::test]
    async fn receive_aborted_body_is_incomplete() {
        let frames = [Ok(Frame::data(Bytes::from_static(b"{}"))), Err(InjectedAbort)];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        assert_eq!(receive(&HeaderMap::new(), body).await, Err(rejections::invalid_body()));
    }

    #[tokio::test]
    async fn cut_body_announces_all_and_ends_in_error() {
        let mut body = ResponseBody::cut(Bytes::from_static(b"0123456789"));
        assert_eq!(body.size_hint().exact(), Some(10));
        let sent = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(sent, "01234");
        assert_eq!(body.frame().await.unwrap().unwrap_err(), InjectedAbort);
    }
}
