//! What carries a request to the service and its answer back: [`Transport`].

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use portal_model::flow::{NoAnswer, NotSent};
use tower_service::Service;

/// Sends a request once, and waits for its answer.
///
/// [`HttpTransport`](super::HttpTransport) is the one over sockets. Any tower service from
/// `http::Request<Full<Bytes>>` to an `http::Response` is one too, be it a stack of one's own or
/// the server in memory; since it does not say when a request leaves, everything that goes wrong in
/// it counts as a lost answer. [`conformance::transport`](super::conformance::transport) checks an
/// implementation.
///
/// # Cancel safety
/// The future may be dropped at any moment, and what it was sending may then arrive or not. A
/// transport must not send a request after that, and never one request twice: the caller alone
/// decides whether it is sent again.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request`, whose URL is absolute, and reads its whole answer within `bounds`.
    ///
    /// # Errors
    /// [`TransportError::NotSent`] only where no byte of the request can have arrived.
    fn send(
        &self,
        request: http::Request<Bytes>,
        bounds: Bounds,
    ) -> impl Future<Output = Result<http::Response<Bytes>, TransportError>> + Send;
}

/// What one request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Time from connecting to the last byte of the answer.
    pub time: Duration,
    /// Bytes in the body of the answer.
    pub body: usize,
}

impl Bounds {
    /// Most bytes that are read of an answer, which a long list may have: 64 MiB.
    pub const BODY: usize = 64 << 20;

    /// This time, and [`BODY`](Self::BODY).
    pub const fn new(time: Duration) -> Self {
        Self { time, body: Self::BODY }
    }
}

/// Why there is no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The request certainly did not arrive.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// The request may have arrived.
    #[error("the answer was lost: {0}")]
    NoAnswer(#[from] NoAnswer),
}

impl<S, B> Transport for S
where
    S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    async fn send(
        &self,
        request: http::Request<Bytes>,
        bounds: Bounds,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let mut service = self.clone();
        let answer = async move {
            poll_fn(|context| service.poll_ready(context)).await.map_err(broken)?;
            let response = service.call(request.map(Full::new)).await.map_err(broken)?;
            read(response, bounds.body).await
        };
        tokio::time::timeout(bounds.time, answer)
            .await
            .map_err(|_| NoAnswer::TimedOut)?
            .map_err(Into::into)
    }
}

/// Reads the body of `response`, at most `limit` bytes.
pub(super) async fn read<B>(
    response: http::Response<B>,
    limit: usize,
) -> Result<http::Response<Bytes>, NoAnswer>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (head, body) = response.into_parts();
    if body.size_hint().lower() > limit as u64 {
        return Err(NoAnswer::TooLarge { limit });
    }
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if whole.len() + data.remaining() > limit {
            return Err(NoAnswer::TooLarge { limit });
        }
        whole.put(data);
    }
    Ok(http::Response::from_parts(head, whole.freeze()))
}

fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> NoAnswer {
    NoAnswer::Broken(text(error.into().as_ref()))
}

/// An error with all of its sources, in one line.
pub(super) fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    text
}

/// A [`Transport`] whose type doesn't show.
pub(super) trait AnyTransport: Send + Sync {
    fn send_boxed(&self, request: http::Request<Bytes>, bounds: Bounds) -> Sending<'_>;
}

pub(super) type Sending<'a> =
    Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, TransportError>> + Send + 'a>>;

impl<T: Transport> AnyTransport for T {
    fn send_boxed(&self, request: http::Request<Bytes>, bounds: Bounds) -> Sending<'_> {
        Box::pin(self.send(request, bounds))
    }
}
