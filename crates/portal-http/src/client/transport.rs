//! [`Transport`]: carries a request to the service and returns its response.

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

/// Sends a request once and waits for its response.
///
/// [`HttpTransport`](super::HttpTransport) does so over sockets. Any tower service from
/// `http::Request<Full<Bytes>>` to an `http::Response` is a transport as well, such as a middleware
/// stack or the in-memory server. A service does not report when a request leaves, so each of its
/// failures counts as a lost response. [`conformance::transport`](super::conformance::transport)
/// checks an implementation.
///
/// # Cancel safety
/// The future may be dropped at any time, after which the request may or may not arrive. A
/// transport must not start sending after that, and must never send a request twice: only the
/// caller decides about retries.
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

/// Limits of a single request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Timeout from connecting to the last byte of the response.
    pub time: Duration,
    /// Maximum size of the response's body in bytes. For a response that is not a success it is at
    /// most [`BODY`](Self::BODY).
    pub body: usize,
    /// Whether to open a new connection. Set for requests that can't be undone: a used connection
    /// may be closed by the peer at that moment, and a stray response on it could be mistaken for
    /// the response to this request.
    pub new_connection: bool,
}

impl Bounds {
    /// Maximum size of a body: 64 KiB, for tokens, created portals and errors.
    pub const BODY: usize = 64 << 10;

    /// Maximum size of a list: 4 MiB, enough for more than ten thousand portals.
    pub const LIST: usize = 4 << 20;

    /// Bounds with this timeout and [`BODY`](Self::BODY).
    pub const fn new(time: Duration) -> Self {
        Self { time, body: Self::BODY, new_connection: false }
    }

    /// Bounds with this timeout and [`LIST`](Self::LIST).
    pub const fn of_list(time: Duration) -> Self {
        Self { body: Self::LIST, ..Self::new(time) }
    }

    /// Returns the limit for the body of a response with this status.
    fn body_of(&self, status: StatusCode) -> usize {
        if status.is_success() { self.body } else { self.body.min(Self::BODY) }
    }

    /// Requires a new connection.
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

/// Returns the instant `time` after `start`; durations too long for an `Instant` are cut to thirty
/// years.
pub(super) fn after(start: Instant, time: Duration) -> Instant {
    const THIRTY_YEARS: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    start.checked_add(time).unwrap_or_else(|| start + THIRTY_YEARS)
}

/// Formats an error and all of its sources in one line.
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

/// Object-safe form of [`Transport`].
pub(super) trait DynTransport: Send + Sync {
    fn send_boxed(&self, request: http::Request<Bytes>, bounds: Bounds) -> Sending<'_>;
}

pub(super) type Sending<'a> =
    Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, TransportError>> + Send + 'a>>;

impl<T: Transport> DynTransport for T {
    fn send_boxed(&self, request: http::Request<Bytes>, bounds: Bounds) -> Sending<'_> {
        Box::pin(self.send(request, bounds))
    }
}
