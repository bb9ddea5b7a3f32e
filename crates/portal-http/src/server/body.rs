//! Bodies: [`AnswerBody`] on the way out, which can break off on purpose, and reading one on the
//! way in.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};

/// The longest body of a request that is read: 64 KiB.
pub const BODY_LIMIT: usize = 64 * 1024;

/// How much of a body that is too long is read and thrown away, so that its client gets to read
/// the answer instead of a reset connection: 1 MiB.
const DISCARD_LIMIT: usize = 1024 * 1024;

/// The body of a request, as far as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Whole(Bytes),
    TooLong,
    /// The client broke off.
    Partial,
}

/// Reads a body to its end.
pub(super) async fn receive<B: Body>(body: B) -> Received {
    let mut body = std::pin::pin!(body);
    let mut whole = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Received::Partial };
        let Ok(mut data) = frame.into_data() else { continue };
        length += data.remaining();
        if length > DISCARD_LIMIT {
            return Received::TooLong;
        }
        while length <= BODY_LIMIT && data.has_remaining() {
            let chunk = data.chunk();
            whole.extend_from_slice(chunk);
            data.advance(chunk.len());
        }
    }
    if length > BODY_LIMIT { Received::TooLong } else { Received::Whole(whole.into()) }
}

/// The body of an answer of [`PortalService`](super::PortalService).
#[derive(Debug)]
pub struct AnswerBody {
    left: Option<Bytes>,
    fault: Option<Fault>,
}

/// What a fault makes of a body.
#[derive(Debug)]
enum Fault {
    /// Bytes that are promised and never come.
    Missing(u64),
    /// The whole answer is held back.
    Withheld,
}

impl AnswerBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { left: Some(bytes.into()).filter(|bytes| !bytes.is_empty()), fault: None }
    }

    /// Sends the first half of `bytes` and promises all of them.
    pub(super) fn cut(mut bytes: Bytes) -> Self {
        let missing = bytes.split_off(bytes.len() / 2).len();
        Self { fault: Some(Fault::Missing(missing as u64)), ..Self::whole(bytes) }
    }

    /// Breaks the connection before the head of the answer leaves it: hyper sends no head until
    /// the first poll of the body has succeeded or has nothing to give yet.
    pub(super) fn withheld() -> Self {
        Self { left: None, fault: Some(Fault::Withheld) }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(bytes) = self.left.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match self.fault {
            None => Poll::Ready(None),
            // Nothing to give yet: what was given is flushed before the end comes.
            Some(Fault::Missing(_)) => {
                self.fault = Some(Fault::Withheld);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Fault::Withheld) => Poll::Ready(Some(Err(BrokenOff))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_none() && self.fault.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.left.as_ref().map_or(0, Bytes::len) as u64;
        match self.fault {
            None => SizeHint::with_exact(left),
            Some(Fault::Missing(missing)) => SizeHint::with_exact(left + missing),
            Some(Fault::Withheld) => SizeHint::default(),
        }
    }
}

/// The end of an answer that a [`FaultSpec`](super::FaultSpec) broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is broken off on purpose")]
pub struct BrokenOff;

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};

    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_no_further() {
        let of = |length: usize| receive(Full::new(Bytes::from(vec![b'x'; length])));
        assert_eq!(of(0).await, Received::Whole(Bytes::new()));
        assert_eq!(of(BODY_LIMIT).await, Received::Whole(vec![b'x'; BODY_LIMIT].into()));
        assert_eq!(of(BODY_LIMIT + 1).await, Received::TooLong);
        assert_eq!(of(DISCARD_LIMIT + 1).await, Received::TooLong);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_taken_for_a_whole_one() {
        let frames = [Ok(Frame::data(Bytes::from_static(b"{}"))), Err(BrokenOff)];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        assert_eq!(receive(body).await, Received::Partial);
    }

    #[tokio::test]
    async fn a_cut_body_promises_all_of_it_and_ends_in_an_error() {
        let mut body = AnswerBody::cut(Bytes::from_static(b"0123456789"));
        assert_eq!(body.size_hint().exact(), Some(10));
        let sent = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(sent, "01234");
        assert_eq!(body.frame().await.unwrap().unwrap_err(), BrokenOff);
    }
}
