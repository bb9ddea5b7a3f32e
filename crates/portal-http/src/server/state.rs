//! [`ServiceState`]: what all requests of a service share.

use std::sync::Arc;
use std::time::SystemTime;

use portal_model::Timestamp;
use portal_store::TokenRules;
use tokio::sync::Semaphore;

use super::fault_injector::FaultInjector;
use super::quota::Quotas;
use super::request::Schemes;
use super::served_request::ServedRequest;

pub(super) type OnRequest = Box<dyn Fn(&ServedRequest<'_>) + Send + Sync>;
pub(super) type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// The registry and the settings of a service.
pub(super) struct ServiceState<R> {
    pub(super) registry: R,
    pub(super) public_url: Option<String>,
    pub(super) token_rules: TokenRules,
    pub(super) schemes: Schemes,
    pub(super) quotas: Option<Arc<Quotas>>,
    /// One permit per request in flight.
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) faults: FaultInjector,
    pub(super) on_request: Option<OnRequest>,
    pub(super) clock: Clock,
}

impl<R> ServiceState<R> {
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// The system's time, to the second.
pub(super) fn system_time() -> Timestamp {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default();
    #[expect(
        clippy::expect_used,
        reason = "the clock of a working system is before the year 10000"
    )]
    Timestamp::from_unix_seconds(seconds).expect("the system's clock is before the year 10000")
}
