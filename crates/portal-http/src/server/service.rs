//! [`PortalService`]: the API as a service, and what of it can be adjusted.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::Request;
use hyper::body::Body;
use portal_model::{ApiError, Timestamp};
use portal_store::{Registry, TokenRules};

use super::body::{AnswerBody, receive};
use super::call::Call;
use super::fault::{FaultSpec, Faults};
use super::limits::{Allowance, Limits};
use super::log::CallLog;
use super::route::Route;

/// The API as a service of hyper and of tower: it can be served alone, or mounted beside the
/// routes of an application.
///
/// A clone is a handle to the same service. It is generic over the body of a request, so any
/// framework's will do.
///
/// # Cancel safety
/// A call that may change something goes its way once its request has arrived, whether its client
/// waits for the answer or not; it needs a tokio runtime for that.
pub struct PortalService<R> {
    inner: Arc<Inner<R>>,
}

pub(super) struct Inner<R> {
    pub(super) registry: R,
    pub(super) public_url: Option<String>,
    pub(super) token_rules: TokenRules,
    pub(super) limits: Option<Arc<Limits>>,
    pub(super) faults: Faults,
    pub(super) on_call: Option<OnCall>,
    pub(super) clock: Clock,
}

type OnCall = Box<dyn Fn(&CallLog) + Send + Sync>;
type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

impl<R: Registry> PortalService<R> {
    /// The service over `registry`, without limits and faults.
    pub fn new(registry: R) -> Self {
        Self::builder(registry).build()
    }

    /// The service over `registry`, to be adjusted.
    pub fn builder(registry: R) -> PortalServiceBuilder<R> {
        PortalServiceBuilder {
            registry,
            public_url: None,
            enforce_limits: false,
            faults: Vec::new(),
            on_call: None,
            clock: Box::new(system_time),
        }
    }

    fn answer<B>(&self, request: Request<B>) -> AnswerFuture
    where
        B: Body<Data: Send> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let call = Call {
                method: head.method,
                uri: head.uri,
                headers: head.headers,
                body: receive(body).await,
            };
            let reply = if Route::is_change(&call.method) {
                tokio::spawn(async move { inner.logged(&call).await })
                    .await
                    .unwrap_or_else(|_| ApiError::internal_error().into())
            } else {
                inner.logged(&call).await
            };
            Ok(reply.into_http())
        })
    }
}

/// Adjusts a [`PortalService`].
pub struct PortalServiceBuilder<R> {
    pub(super) registry: R,
    public_url: Option<String>,
    enforce_limits: bool,
    faults: Vec<FaultSpec>,
    on_call: Option<OnCall>,
    clock: Clock,
}

impl<R: Registry> PortalServiceBuilder<R> {
    /// The same over another registry.
    pub(super) fn over<S>(self, registry: S) -> PortalServiceBuilder<S> {
        let Self { registry: _, public_url, enforce_limits, faults, on_call, clock } = self;
        PortalServiceBuilder { registry, public_url, enforce_limits, faults, on_call, clock }
    }

    /// The base URL that clients reach the service by, where it is not the scheme and `Host` of
    /// their requests: behind a proxy that speaks TLS, or mounted under a path. It is what token
    /// answers say under `api_domain`.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into().trim_end_matches('/').to_owned());
        self
    }

    /// Enforces the limits of the service, as its Enterprise edition has them: 10 access tokens
    /// per refresh token in 10 minutes and 15 alive, 20 calls at the same time per org and client,
    /// and 50,000 calls per org in 24 hours.
    #[must_use]
    pub fn enforce_limits(mut self) -> Self {
        self.enforce_limits = true;
        self
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(mut self, fault: FaultSpec) -> Self {
        self.faults.push(fault);
        self
    }

    /// What is told of every call. It is called before the answer is sent and should be quick.
    #[must_use]
    pub fn on_call(mut self, on_call: impl Fn(&CallLog) + Send + Sync + 'static) -> Self {
        self.on_call = Some(Box::new(on_call));
        self
    }

    /// The time to go by, where it is not the system's: for tests of what expires.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The service.
    pub fn build(self) -> PortalService<R> {
        PortalService {
            inner: Arc::new(Inner {
                registry: self.registry,
                public_url: self.public_url,
                token_rules: if self.enforce_limits {
                    TokenRules::AsTheService
                } else {
                    TokenRules::LifetimesOnly
                },
                limits: self.enforce_limits.then(|| Limits::new(Allowance::ENTERPRISE)),
                faults: self.faults.into_iter().collect(),
                on_call: self.on_call,
                clock: self.clock,
            }),
        }
    }
}

/// The time of the system, to the second.
pub(super) fn system_time() -> Timestamp {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default();
    #[expect(clippy::expect_used, reason = "a clock past the year 9999 serves nobody")]
    Timestamp::from_unix_seconds(seconds).expect("the system's clock stands before the year 10000")
}

type AnswerFuture =
    Pin<Box<dyn Future<Output = Result<http::Response<AnswerBody>, Infallible>> + Send>>;

impl<R, B> hyper::service::Service<Request<B>> for PortalService<R>
where
    R: Registry,
    B: Body<Data: Send> + Send + 'static,
{
    type Response = http::Response<AnswerBody>;
    type Error = Infallible;
    type Future = AnswerFuture;

    fn call(&self, request: Request<B>) -> AnswerFuture {
        self.answer(request)
    }
}

impl<R, B> tower_service::Service<Request<B>> for PortalService<R>
where
    R: Registry,
    B: Body<Data: Send> + Send + 'static,
{
    type Response = http::Response<AnswerBody>;
    type Error = Infallible;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> AnswerFuture {
        self.answer(request)
    }
}

impl<R> Clone for PortalService<R> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<R> fmt::Debug for PortalServiceBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortalServiceBuilder").field("faults", &self.faults).finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for PortalService<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortalService").field("faults", &self.inner.faults).finish_non_exhaustive()
    }
}
