//! [`Transport`]: carries a request to the service and returns its response.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use portal_ledger::Moment;
use portal_model::error::with_sources;
use portal_model::flow::{NoResponse, NotSent, TransportError};
use tower_service::Service;

use super::clock;

/// Sends a request once and waits for its response.
///
/// `HttpTransport` does so over sockets (feature `sockets`). Any tower service from
/// `http::Request<Full<Bytes>>` to an `http::Response` is a transport as well, such as a middleware
/// stack or the in-memory server. A service does not report when a request leaves, so each of its
/// failures counts as a lost response.
///
/// A transport must never send a request twice and must follow no redirect: only the caller decides
/// what is sent next.
///
/// # Attempts
/// If [`Bounds::is_attempt`] is set, the request can't be undone, and its caller goes by a clock
/// that starts when the attempt ends: what has not taken effect within
/// [`Policy::processing_time`](portal_model::flow::Policy::processing_time) never will. A transport
/// therefore owes an attempt more than another request:
///
/// - A new connection by HTTP/1.1. The peer may close a used one at that moment, and a stray
///   response on it could be mistaken for the attempt's. No TLS early data, which can be replayed.
/// - A beginning. Right before the first byte of the request, after everything that can take long, it
///   asks [`Bounds::may_begin`], and otherwise sends nothing: [`TransportError::NotSent`].
/// - An end. Before `send` returns an error, and when its future is dropped, the connection is
///   closed in such a way that nothing of the request leaves any more: not from a task in the
///   background, and not from the system's buffers, which are delivered even after the process has
///   died unless the socket is reset (`SO_LINGER` with a time of zero, set before the first byte is
///   sent). If that can't be arranged, the attempt is [`TransportError::NotSent`].
///
/// The reset reaches the next hop only. A proxy or a relay may still deliver what it has received, and
/// the policy's `processing_time` has to cover that.
///
/// A transport that can't do this, such as a service that shares its connections, is right only if
/// the policy's `processing_time` covers how long a request may still be on its way.
///
/// # Cancel safety
/// The future may be dropped at any time, after which the request may or may not have been sent. A
/// transport must not start sending after that.
///
/// # Example
/// One around another, whose duties it leaves to it:
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bytes::Bytes;
/// use portal_http::client::{Bounds, Client, Credential, Transport};
/// use portal_http::model::ListPortals;
/// use portal_http::model::flow::TransportError;
///
/// /// Tells a proxy of the company which team a request is from.
/// struct OfTeam<T>(T);
///
/// impl<T: Transport> Transport for OfTeam<T> {
///     async fn send(
///         &self,
///         mut request: http::Request<Bytes>,
///         bounds: Bounds,
///     ) -> Result<http::Response<Bytes>, TransportError> {
///         let team = http::HeaderValue::from_static("customer-portals");
///         request.headers_mut().insert("x-team", team);
///         self.0.send(request, bounds).await
///     }
/// }
///
/// # let server = portal_http::server::LocalServer::start().await?;
/// # let inner = server.service().clone(); // `HttpTransport::builder().build()?`
/// let client = Client::builder().api_url(server.url()).accounts_url(server.url());
/// let client = client.transport(OfTeam(inner)).build(Credential::refresh_token(
///     server.client_id(), server.client_secret(), server.refresh_token(),
/// ))?;
/// assert!(client.call(&ListPortals).await?.is_empty());
/// # Ok(())
/// # }
/// ```
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Timeout from connecting to the last byte of the response.
    pub time: Duration,
    /// Maximum size of the response's body in bytes. For a response that is not a success it is at
    /// most [`BODY`](Self::BODY).
    pub body: usize,
    /// Whether the request is an attempt: it can't be undone, and has to end when its caller says
    /// so. [`Transport`] says what that requires.
    pub is_attempt: bool,
    not_after: Option<Moment>,
}

impl Bounds {
    /// Maximum size of a body: 64 KiB, for tokens, created portals and errors.
    pub const BODY: usize = 64 << 10;

    /// Maximum size of a list: 4 MiB, enough for more than ten thousand portals.
    pub const LIST: usize = 4 << 20;

    /// Bounds with this timeout and [`BODY`](Self::BODY).
    pub const fn new(time: Duration) -> Self {
        Self { time, body: Self::BODY, is_attempt: false, not_after: None }
    }

    /// Bounds with this timeout and [`LIST`](Self::LIST).
    pub fn of_list(time: Duration) -> Self {
        Self { body: Self::LIST, ..Self::new(time) }
    }

    /// Bounds of an attempt, with this timeout and [`BODY`](Self::BODY).
    pub fn of_attempt(time: Duration) -> Self {
        Self { is_attempt: true, ..Self::new(time) }
    }

    /// The same bounds for a request that must not begin later than this. The ledger may have given the
    /// attempt to somebody else by then.
    pub fn not_after(self, moment: &Moment) -> Self {
        Self { not_after: Some(moment.clone()), ..self }
    }

    /// Whether the request may still begin, to be asked right before its first byte: connecting may
    /// have taken long, and the system may have been suspended meanwhile.
    pub fn may_begin(&self) -> bool {
        // A moment of another clock has passed.
        let is_ahead =
            |until: &Moment| until.since(&clock::now()).is_some_and(|left| !left.is_zero());
        self.not_after.as_ref().is_none_or(is_ahead)
    }

    /// Returns the limit for the body of a response with this status.
    fn body_of(&self, status: StatusCode) -> usize {
        if status.is_success() { self.body } else { self.body.min(Self::BODY) }
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
        let (mut service, time) = (self.clone(), bounds.time);
        let response = async move {
            poll_fn(|context| service.poll_ready(context)).await.map_err(broken)?;
            if !bounds.may_begin() {
                return Err(NotSent::NotStarted("its time was up".to_owned()).into());
            }
            let response = service.call(request.map(Full::new)).await.map_err(broken)?;
            Ok(read(response, &bounds).await?)
        };
        tokio::time::timeout(time, response).await.map_err(|_| NoResponse::TimedOut)?
    }
}

/// Reads the body of `response` within `bounds`.
pub(super) async fn read<B>(
    response: http::Response<B>,
    bounds: &Bounds,
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
    let body = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { NoResponse::TooLarge { limit } } else { broken(error) }
    })?;
    Ok(http::Response::from_parts(head, body.to_bytes()))
}

fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> NoResponse {
    NoResponse::Broken(with_sources(error.into().as_ref()))
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
