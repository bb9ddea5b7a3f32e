//! [`ServiceState`]: what all requests of a service share.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use portal_model::Timestamp;
use portal_store::TokenRules;
use tokio::sync::Semaphore;

use super::fault::FaultSpec;
use super::fault_injector::FaultInjector;
use super::quota::Quotas;
use super::request::Schemes;
use super::served_request::ServedRequest;

pub(super) type OnRequest = Box<dyn Fn(&ServedRequest<'_>) + Send + Sync>;
pub(super) type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;

/// The base URL of a service as its clients see it.
pub(super) enum PublicUrl {
    Given(String),
    /// The host of each request, over TLS.
    HttpsHost,
    /// The scheme and the host of each request.
    Host,
}

/// The registry and the settings of a service.
pub(super) struct ServiceState<R> {
    pub(super) registry: R,
    pub(super) public_url: PublicUrl,
    pub(super) token_rules: TokenRules,
    pub(super) schemes: Schemes,
    pub(super) quotas: Option<Quotas>,
    /// One permit per request in flight.
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) faults: FaultInjector,
    /// Those of the builder.
    pub(super) first_faults: Vec<FaultSpec>,
    pub(super) on_request: Vec<OnRequest>,
    pub(super) clock: Clock,
}

impl<R> ServiceState<R> {
    /// The time to the second, between 1970 and the year 9999.
    pub(super) fn now(&self) -> Timestamp {
        const LAST: i64 = 253_402_300_799;
        let since = (self.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(LAST).min(LAST);
        #[expect(clippy::expect_used, reason = "no second of these years is out of range")]
        Timestamp::from_unix_seconds(seconds).expect("a second between 1970 and the year 9999")
    }

    /// Reports a request to the access log.
    pub(super) fn report(&self, request: &ServedRequest<'_>) {
        self.on_request.iter().for_each(|on_request| on_request(request));
    }
}

impl<R> fmt::Debug for ServiceState<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceState").field("faults", &self.faults).finish_non_exhaustive()
    }
}
