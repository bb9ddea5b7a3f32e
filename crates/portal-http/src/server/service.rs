//! [`PortalService`]: the API as a service, and its builder.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use hyper::body::Body;
use portal_model::server::rejections;
use portal_model::{ApiError, Timestamp};
use portal_store::{Registry, TokenRules};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::authorize::access;
use super::body::{ResponseBody, discard, receive};
use super::connections::{Connection, Phase};
use super::dispatch::{dispatch, overloaded, rejected};
use super::fault::FaultSpec;
use super::fault_injector::FaultInjector;
use super::quota::{Allowance, Quotas};
use super::request::{Schemes, ServerRequest};
use super::route::Route;
use super::served_request::ServedRequest;
use super::state::{PublicUrl, ServiceState};

/// Default of [`PortalServiceBuilder::max_in_flight`].
pub(super) const DEFAULT_MAX_IN_FLIGHT: usize = 2048;

/// The API as a tower service: serve it alone, or mount it beside the routes of an application. For
/// hyper, hyper-util's `TowerToHyperService` adapts it.
///
/// A clone is a handle to the same service. The service is generic over the request body, so it
/// works with any framework's.
///
/// # Cancel safety
/// A request that can have an effect completes once it has been received, even if its client
/// disconnects. The service spawns it, which requires a tokio runtime with timers enabled.
#[derive(Debug)]
pub struct PortalService<R> {
    state: Arc<ServiceState<R>>,
}

impl<R: Registry> PortalService<R> {
    /// A service over `registry`, without quotas and faults.
    pub fn new(registry: R) -> Self {
        Self::builder(registry).build()
    }

    /// Builds a service over `registry`.
    pub fn builder(registry: R) -> PortalServiceBuilder<R> {
        PortalServiceBuilder {
            state: ServiceState {
                registry,
                public_url: PublicUrl::Host,
                token_rules: TokenRules::LifetimesOnly,
                schemes: Schemes::ZohoAndBearer,
                quotas: None,
                in_flight: Arc::new(Semaphore::new(DEFAULT_MAX_IN_FLIGHT)),
                faults: FaultInjector::default(),
                first_faults: Vec::new(),
                on_request: Vec::new(),
                clock: Box::new(SystemTime::now),
            },
        }
    }

    /// The faults in force; of those for one request only, those that no request has matched yet.
    pub fn faults(&self) -> Vec<FaultSpec> {
        self.state.faults.specs()
    }

    /// Changes the faults in force at once: no request comes between what `update` sees and what it
    /// leaves. A fault that stays keeps its count.
    ///
    /// `update` must not call this service.
    ///
    /// ```
    /// use portal_http::server::{FaultSpec, PortalService};
    /// use portal_store::MemoryRegistry;
    ///
    /// let service = PortalService::new(MemoryRegistry::new());
    /// let fault: FaultSpec = "POST committed:drop".parse()?;
    /// service.update_faults(|in_force| in_force.push(fault.once()));
    /// assert_eq!(service.faults().len(), 1);
    /// # Ok::<(), portal_http::server::InvalidFaultSpec>(())
    /// ```
    pub fn update_faults<T>(&self, update: impl FnOnce(&mut Vec<FaultSpec>) -> T) -> T {
        self.state.faults.update(update)
    }

    /// Puts the faults of the builder in force again and no others, each with its count at 0.
    pub fn restart_faults(&self) {
        // Removed first, since one that stays keeps its count.
        self.update_faults(Vec::clear);
        self.update_faults(|in_force| in_force.clone_from(&self.state.first_faults));
    }

    /// The registry.
    pub fn registry(&self) -> &R {
        &self.state.registry
    }

    /// The time of its clock.
    pub fn now(&self) -> Timestamp {
        self.state.now()
    }

    /// Responds to `request`, if the listener has nothing against it.
    pub(super) fn respond<B>(&self, request: Request<B>, arrival: Arrival) -> ResponseFuture
    where
        B: Body<Data: Send> + Send + 'static,
    {
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let admitted = match arrival.checked {
                Err(error) => Err(error.into()),
                // The limit on connections does not bound requests: those whose client disconnected
                // continue without a connection.
                Ok(()) => {
                    Arc::clone(&state.in_flight).try_acquire_owned().map_err(|_| overloaded(&head))
                }
            };
            let permit = match admitted {
                Ok(permit) => permit,
                Err(response) => {
                    discard(&head.headers, body).await;
                    return Ok(rejected(&state, &head, response).into_http());
                }
            };
            // Authentication comes before the body, so that an unknown caller costs no memory.
            let access = access(&state, &head).await;
            let received = async {
                if access.is_ok() {
                    return receive(&head.headers, body).await;
                }
                discard(&head.headers, body).await;
                Ok(Bytes::new())
            };
            // For all of it, so that a byte now and then does not extend it.
            let body = timeout(arrival.body_timeout, received).await;
            let body = body.unwrap_or_else(|_| Err(rejections::invalid_body()));
            if let Some(connection) = arrival.connection {
                connection.enter(Phase::Service);
            }
            let request = ServerRequest { head, body };
            let response = if Route::is_change(&request.head.method) {
                // Spawned, because hyper drops this future when the client disconnects: a create
                // must not stop half way, and its client may learn of it later.
                tokio::spawn(async move {
                    let _permit = permit;
                    dispatch(&state, &request, access).await
                })
                .await
                .unwrap_or_else(|_| rejections::internal_error().into())
            } else {
                dispatch(&state, &request, access).await
            };
            Ok(response.into_http())
        })
    }
}

impl<R> PortalService<R> {
    pub(super) fn public_url(&self) -> Option<&str> {
        match &self.state.public_url {
            PublicUrl::Given(url) => Some(url),
            PublicUrl::HttpsHost | PublicUrl::Host => None,
        }
    }
}

/// What the listener of a request says of it. A framework's has limits of its own.
pub(super) struct Arrival {
    pub(super) checked: Result<(), ApiError>,
    /// Time to receive the body.
    pub(super) body_timeout: Duration,
    pub(super) connection: Option<Arc<Connection>>,
}

impl Arrival {
    const UNLIMITED: Self = Self { checked: Ok(()), body_timeout: Duration::MAX, connection: None };
}

/// Configures a [`PortalService`].
#[derive(Debug)]
pub struct PortalServiceBuilder<R> {
    state: ServiceState<R>,
}

impl<R: Registry> PortalServiceBuilder<R> {
    /// Sets the base URL of the service as clients see it, which token responses name as
    /// `api_domain`. The default is the scheme and `Host` of each request, which is wrong behind a
    /// TLS proxy and under a path.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        let url = url.into().trim_end_matches('/').to_owned();
        self.state.public_url = PublicUrl::Given(url);
        self
    }

    /// Says that a proxy in front of the service terminates TLS: without a
    /// [`public_url`](Self::public_url), token responses name `https` and the `Host` of each request.
    #[must_use]
    pub fn behind_tls_proxy(mut self) -> Self {
        if matches!(self.state.public_url, PublicUrl::Host) {
            self.state.public_url = PublicUrl::HttpsHost;
        }
        self
    }

    /// Enforces the quotas of the service's Enterprise edition: 10 access tokens per refresh token
    /// in 10 minutes and 15 valid ones, 20 refresh tokens per user, and 20 concurrent requests per org
    /// and client.
    #[must_use]
    pub fn enforce_limits(mut self) -> Self {
        self.state.token_rules = TokenRules::ServiceLimits;
        self.state.quotas = Some(Quotas::new(Allowance::ENTERPRISE));
        self
    }

    /// Refuses `Authorization: Bearer`, which is accepted beside `Zoho-oauthtoken` by default: Zoho's
    /// OAuth documentation names both schemes, that of the CRM API only the latter.
    #[must_use]
    pub fn refuse_bearer(mut self) -> Self {
        self.state.schemes = Schemes::ZohoOnly;
        self
    }

    /// Bounds the requests in flight, those included whose client has disconnected. More are
    /// refused with 429 before they are authenticated. Default: 2048, twice
    /// [`ServerLimits::max_connections`](super::ServerLimits::max_connections).
    #[must_use]
    pub fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.state.in_flight = Arc::new(Semaphore::new(max_in_flight));
        self
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(self, fault: FaultSpec) -> Self {
        self.state.faults.update(|in_force| in_force.push(fault));
        self
    }

    /// Adds a callback invoked for every request, before its response is sent. It runs on the
    /// request's task: do not block in it.
    #[must_use]
    pub fn on_request(
        mut self,
        on_request: impl Fn(&ServedRequest<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.state.on_request.push(Box::new(on_request));
        self
    }

    /// Replaces the system's clock, to test expiry. The service counts in whole seconds, except for
    /// how stale a list is.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.state.clock = Box::new(clock);
        self
    }

    /// Builds the service.
    pub fn build(mut self) -> PortalService<R> {
        self.state.first_faults = self.state.faults.specs();
        PortalService { state: Arc::new(self.state) }
    }
}

pub(super) type ResponseFuture =
    Pin<Box<dyn Future<Output = Result<http::Response<ResponseBody>, Infallible>> + Send>>;

impl<R, B> tower_service::Service<Request<B>> for PortalService<R>
where
    R: Registry,
    B: Body<Data: Send> + Send + 'static,
{
    type Response = http::Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.respond(request, Arrival::UNLIMITED)
    }
}

impl<R> Clone for PortalService<R> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state) }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use portal_model::oauth::TOKEN_PATH;
    use portal_store::MemoryRegistry;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn body_trickling_or_stopped_times_out() {
        let service = PortalService::new(MemoryRegistry::new());
        for interval in [1, 3600] {
            let trickle = stream::unfold((), move |()| async move {
                sleep(Duration::from_secs(interval)).await;
                Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))), ()))
            });
            let body = StreamBody::new(Box::pin(trickle));
            let request = Request::post(TOKEN_PATH).body(body).unwrap();
            let body_timeout = Duration::from_secs(30);
            let arrival = Arrival { body_timeout, ..Arrival::UNLIMITED };
            let response = timeout(Duration::from_secs(31), service.respond(request, arrival));
            assert_eq!(response.await.unwrap().unwrap().status(), 400, "{interval}");
        }
    }
}
