//! What carries a request to the service and its response back: [`Transport`].

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use portal_model::flow::{NoResponse, TransportError};
use tokio::time::Instant;
use tower_service::Service;

/// Sends a request once, and waits for its response.
///
/// [`HttpTransport`](super::HttpTransport) is the one over sockets. Any tower service from
/// `http::Request<Full<Bytes>>` to an `http::Response` is one too, such as a stack of middleware or
/// the server in memory. A service does not report when a request leaves, so every failure in it
/// counts as a lost response. [`conformance::transport`](super::conformance::transport) checks an
/// implementation.
///
/// # Cancel safety
/// The future may be dropped at any moment; its request may or may not arrive then. A transport must
/// not send a request after that, and never sends one twice: only the caller decides to repeat it.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request`, whose URL is absolute, and reads the complete response within `bounds`.
    ///
    /// # Errors
    /// [`TransportError::NotSent`] only if no byte of the request can have arrived.
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
    /// Time from connecting to the last byte of the response.
    pub time: Duration,
    /// Bytes in the body of the response. A response that is not a success may have
    /// [`BODY`](Self::BODY) at most.
    pub body: usize,
    /// Whether to open a connection for this request. Set for a request that cannot be undone: on a
    /// connection that was used before, a stray response could be taken for its own, and it could
    /// be closed by the peer at that very moment.
    pub new_connection: bool,
}

impl Bounds {
    /// Longest body of a response: 64 KiB, for tokens, created portals and errors.
    pub const BODY: usize = 64 << 10;

    /// Longest body of a list: 4 MiB, which is more than ten thousand portals.
    pub const LIST: usize = 4 << 20;

    /// This time, and [`BODY`](Self::BODY).
    pub const fn new(time: Duration) -> Self {
        Self { time, body: Self::BODY, new_connection: false }
    }

    /// This time, and [`LIST`](Self::LIST).
    pub const fn of_list(time: Duration) -> Self {
        Self { body: Self::LIST, ..Self::new(time) }
    }

    /// Bytes in the body of a response with this status.
    fn body_of(&self, status: StatusCode) -> usize {
        if status.is_success() { self.body } else { self.body.min(Self::BODY) }
    }

    /// The same, over a connection of its own.
    pub(super) const fn over_new_connection(self) -> Self {
        Self { new_connection: true, ..self }
    }
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
        let response = async move {
            poll_fn(|context| service.poll_ready(context)).await.map_err(broken)?;
            let response = service.call(request.map(Full::new)).await.map_err(broken)?;
            read(response, bounds).await
        };
        tokio::time::timeout(bounds.time, response)
            .await
            .map_err(|_| NoResponse::TimedOut)?
            .map_err(Into::into)
    }
}

/// Reads the body of `response` within `bounds`.
pub(super) async fn read<B>(
    response: http::Response<B>,
    bounds: Bounds,
) -> Result<http::Response<Bytes>, NoResponse>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (head, body) = response.into_parts();
    let limit = bounds.body_of(head.status);
    if body.size_hint().lower() > limit as u64 {
        return Err(NoResponse::TooLarge { limit });
    }
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if whole.len() + data.remaining() > limit {
            return Err(NoResponse::TooLarge { limit });
        }
        whole.put(data);
    }
    Ok(http::Response::from_parts(head, whole.freeze()))
}

fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> NoResponse {
    NoResponse::Broken(text(error.into().as_ref()))
}

/// The moment `time` after `start`. A time without end, which no `Instant` holds, is thirty years.
pub(super) fn after(start: Instant, time: Duration) -> Instant {
    const THIRTY_YEARS: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    start.checked_add(time).unwrap_or_else(|| start + THIRTY_YEARS)
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

/// A [`Transport`] without its type.
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
