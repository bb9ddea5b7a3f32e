//! [`Metrics`]: what a monitoring system is told, as Prometheus text. Every label has a fixed set of
//! values, whatever clients send.

use portal_http::server::ServedRequest;
use portal_model::ErrorCode;
use portal_model::oauth::{OAuthError, REVOKE_PATH, TOKEN_PATH};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The names of labels and their values.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters and durations of requests.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels<4>, Counter>,
    durations: Family<Labels<1>, Histogram>,
    faults: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::<Labels<4>, Counter>::default();
        // From half a millisecond to about eight seconds.
        let histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, 15));
        let durations = Family::new_with_constructor(histogram as fn() -> Histogram);
        let faults = Counter::default();
        let mut registry = Registry::with_prefix("portal");
        registry.register("requests", "Requests by route and outcome", requests.clone());
        registry.register(
            "request_duration_seconds",
            "Time from the last byte of a request to its response",
            durations.clone(),
        );
        registry.register("faults_injected", "Faults injected on purpose", faults.clone());
        Self { registry, requests, durations, faults }
    }
}

impl Metrics {
    pub(crate) fn count(&self, request: &ServedRequest<'_>) {
        let method = match request.method().as_str() {
            "GET" => "GET",
            "POST" => "POST",
            "PUT" => "PUT",
            _ => "other",
        };
        let route = ("route", route(request.path()));
        let status = match request.status() {
            None => "none",
            Some(200..300) => "2xx",
            Some(400..500) => "4xx",
            Some(500..600) => "5xx",
            Some(_) => "other",
        };
        let code = request.code().map_or("", code);
        let labels = [("method", method), route, ("status", status), ("code", code)];
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&[route]).observe(request.elapsed.as_secs_f64());
        self.faults.inc_by(request.faults.len() as u64);
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// The label of an error code: one that the service has, or `other`.
fn code(text: &str) -> &'static str {
    let of_api = ErrorCode::KNOWN.iter().map(ErrorCode::as_str);
    let mut known = of_api.chain(OAuthError::KNOWN.iter().copied());
    known.find(|known| *known == text).unwrap_or("other")
}

fn route(path: &str) -> &'static str {
    let of_api = path.strip_prefix("/crm/v").and_then(|rest| rest.split_once('/'));
    match (path, of_api.map(|(_version, resource)| resource)) {
        (TOKEN_PATH, _) => "token",
        (REVOKE_PATH, _) => "revoke",
        (_, Some("settings/portals")) => "portals",
        (_, Some(resource)) if resource.starts_with("settings/portals/") => "portal",
        (_, Some("users")) => "users",
        (_, Some("org")) => "org",
        _ => "other",
    }
}
