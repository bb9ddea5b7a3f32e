//! [`Admin`]: what the listener looks into.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portal_http::server::PortalService;
use portal_model::Portal;
use portal_store::{Org, Registry, RegistryError, Seed, User};

use super::watch::Watch;
use crate::org::data_directory;

/// Begins anew with the orgs of the start.
pub(crate) type Reset = Box<dyn Fn() -> anyhow::Result<()> + Send + Sync>;

/// The service, and what is known of it.
pub(crate) struct Admin<R> {
    pub(crate) service: PortalService<R>,
    pub(crate) watch: Watch,
    /// The address that is listened on.
    pub(crate) address: SocketAddr,
    /// Host names that lead to it, beside `localhost`.
    pub(crate) allowed_hosts: Vec<String>,
    /// The base URL of the service.
    pub(crate) url: String,
    /// The port by which `portal serve env` finds the default org, if there is one.
    pub(crate) default_org_at: Option<u16>,
    /// Of a server that keeps nothing: what it began with, and how it begins anew.
    pub(crate) throwaway: Option<(Seed, Reset)>,
    /// Set when the server begins to shut down.
    pub(crate) is_draining: Arc<AtomicBool>,
}

/// An org with all that belongs to it.
pub(super) struct OrgState {
    pub(super) org: Org,
    pub(super) users: Vec<User>,
    pub(super) portals: Vec<Portal>,
}

/// Orgs that a page shows: more are for `portal admin`.
const MAX_ORGS: usize = 500;

impl<R: Registry> Admin<R> {
    /// The first orgs, and how many there are.
    pub(super) async fn orgs(&self) -> Result<(Vec<OrgState>, usize), RegistryError> {
        let registry = self.service.registry();
        let orgs = registry.orgs().await?;
        let count = orgs.len();
        let mut states = Vec::new();
        for org in orgs.into_iter().take(MAX_ORGS) {
            let users = registry.users(org.id).await?;
            let portals = registry.portals(org.id).await?;
            states.push(OrgState { org, users, portals });
        }
        Ok((states, count))
    }

    /// The credentials that may be shown: those of a server that keeps nothing, to this machine.
    /// What opens kept data is in files that only their owner can read, and this page has no owner.
    pub(super) fn known_credentials(&self) -> Option<&Seed> {
        let (seed, _) = self.throwaway.as_ref()?;
        self.address.ip().to_canonical().is_loopback().then_some(seed)
    }

    /// Why requests cannot be served now, if so.
    pub(super) async fn unready(&self) -> Option<String> {
        if self.is_draining.load(Ordering::Relaxed) {
            return Some("shutting down".to_owned());
        }
        let now = match data_directory::now() {
            Ok(now) => now,
            Err(error) => return Some(error.to_string()),
        };
        // No token: a cheap look-up that every engine has to carry out.
        let found = self.service.registry().authenticate("readiness", now).await;
        found.err().map(|error| error.to_string())
    }
}
