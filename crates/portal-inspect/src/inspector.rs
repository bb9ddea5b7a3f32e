//! [`Inspector`]: what is looked into, and what may be shown of it. [`Watch`]: what is noticed of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portal_http::server::{FaultSpec, OPENAPI, PortalService, ServedRequest};
use portal_store::{MemoryRegistry, Registry, Seed};
use serde_json::{Value, json};

use crate::metrics::Metrics;
use crate::recorder::Recorder;

/// Page, JSON, server-sent events, health and metrics of a [`PortalService`].
///
/// Start it with [`serve`](Self::serve).
pub struct Inspector<R> {
    pub(crate) service: PortalService<R>,
    pub(crate) watch: Watch,
    pub(crate) about: About,
}

/// Is told the faults in force.
type OnFaults = Box<dyn Fn(&[FaultSpec]) + Send + Sync>;

/// What is known of the server.
#[derive(Default)]
pub(crate) struct About {
    /// The base URL of the service.
    pub(crate) url: String,
    /// Whether other machines can reach the inspector.
    pub(crate) is_exposed: bool,
    /// Host names that lead to the inspector, beside `localhost`.
    pub(crate) allowed_hosts: Vec<String>,
    /// A command whose output is the environment that leads to the service.
    pub(crate) environment_command: Option<String>,
    /// A registry that keeps nothing, and what it began with.
    pub(crate) throwaway: Option<(MemoryRegistry, Seed)>,
    pub(crate) on_faults: Option<OnFaults>,
}

impl<R: Registry> Inspector<R> {
    /// Looks into `service`, whose base URL is `url`; `watch` is what its callback notices.
    pub fn new(service: PortalService<R>, watch: Watch, url: impl Into<String>) -> Self {
        Self { service, watch, about: About { url: url.into(), ..About::default() } }
    }

    /// Responds to requests for this host name too. Any other name than `localhost` is refused, since
    /// a web page can point a name of its own at a loopback address.
    #[must_use]
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.about.allowed_hosts.push(name.into());
        self
    }

    /// Names the command whose output is the environment that leads to the service, for a shell.
    #[must_use]
    pub fn environment_command(mut self, command: impl Into<String>) -> Self {
        self.about.environment_command = Some(command.into());
        self
    }

    /// Registers a callback invoked with the faults in force, those for one request included, after
    /// they were changed here.
    #[must_use]
    pub fn on_faults(mut self, on_faults: impl Fn(&[FaultSpec]) + Send + Sync + 'static) -> Self {
        self.about.on_faults = Some(Box::new(on_faults));
        self
    }

    /// Offers to begin anew with the orgs of `seed`, and shows their secrets to this machine if asked:
    /// for a service over `registry`, in which nothing is worth keeping, such as that of a
    /// [`LocalServer`](portal_http::server::LocalServer) with its
    /// [`seed`](portal_http::server::LocalServer::seed).
    #[must_use]
    pub fn throwaway(mut self, registry: MemoryRegistry, seed: Seed) -> Self {
        self.about.throwaway = Some((registry, seed));
        self
    }
}

impl About {
    /// The document of the service, for those who read it elsewhere.
    pub(crate) fn openapi(&self) -> Value {
        // It is JSON.
        let mut document: Value = serde_json::from_str(OPENAPI).unwrap_or_default();
        if let Value::Object(members) = &mut document {
            members.insert("servers".to_owned(), json!([{ "url": self.url }]));
        }
        document
    }

    /// The credentials that may be shown: those of a server that keeps nothing, to this machine.
    /// What opens kept data is in files that only their owner can read, and this page has no owner.
    pub(crate) fn known_credentials(&self) -> Option<&Seed> {
        self.throwaway.as_ref().filter(|_| !self.is_exposed).map(|(_, seed)| seed)
    }
}

/// What is noticed of a service: the last requests without their secrets, and counters of all.
///
/// A clone is a handle to the same. Memory is bounded, to the last 1,000 requests and to 16 MiB; so is
/// the cost: after a burst of 1,000, at most 100 requests a second are recorded, and all are counted.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) is_draining: Arc<AtomicBool>,
}

impl Watch {
    /// Nothing noticed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a request and records it: call it in the service's
    /// [`on_request`](portal_http::server::PortalServiceBuilder::on_request).
    pub fn notice(&self, request: &ServedRequest<'_>) {
        self.metrics.count(request);
        self.recorder.record(request);
    }

    /// From now on `/readyz` responds with 503: the server completes what it has, and takes nothing new.
    pub fn begin_shutdown(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }
}
