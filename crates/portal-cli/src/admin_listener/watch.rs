//! [`Watch`]: what is noticed of each request.

use std::sync::Arc;

use portal_http::server::ServedRequest;

use super::metrics::Metrics;
use super::recorder::Recorder;

/// What is watched of a service, shared with its callbacks.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(super) recorder: Arc<Recorder>,
    pub(super) metrics: Arc<Metrics>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { recorder: Arc::new(Recorder::new()), metrics: Arc::new(Metrics::new()) }
    }

    /// Counts a request, and keeps it if there are not too many.
    pub(crate) fn notice(&self, request: &ServedRequest<'_>) {
        self.metrics.count(request);
        self.recorder.record(request);
    }
}
