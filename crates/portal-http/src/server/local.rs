//! [`LocalServer`]: a server for a test.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use portal_model::oauth::{Grant, TokenRequest};
use portal_model::{Portal, Scope, Secret, Timestamp};
use portal_store::{
    MemoryRegistry, OrgId, Registry, RegistryError, Seed, SeedCredential, SeedOrg, SeedUser,
    TokenRules,
};
use tokio::task::JoinHandle;

use super::accept::{BindError, Server};
use super::fault::FaultSpec;
use super::served_request::ServedRequest;
use super::service::{PortalService, PortalServiceBuilder};
use super::state::timestamp;

const CLIENT_ID: &str = "1000.LOCALCLIENT";
const CLIENT_SECRET: &str = "local-client-secret";
const REFRESH_TOKEN: &str = "1000.local.refresh";
/// Grants the server's own access tokens, so that they don't count against the quota of the
/// refresh token it publishes.
const OWN_REFRESH_TOKEN: &str = "1000.local.own";

/// A server on a free port of 127.0.0.1, for a test. Dropping it stops it.
///
/// It has one org without a portal limit, whose credentials it returns, and the orgs of the
/// [seed](LocalServerBuilder::seed).
///
/// ```
/// use portal_http::server::LocalServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = LocalServer::start().await?;
/// // … let the code under test create a portal at server.url() …
/// assert_eq!(server.portals().await?, []);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LocalServer<R = MemoryRegistry> {
    url: String,
    registry: R,
    org: OrgId,
    ahead: Arc<AtomicI64>,
    task: JoinHandle<()>,
}

impl LocalServer {
    /// Starts a server with all data in memory.
    ///
    /// # Errors
    /// [`StartError`] if no port is free.
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    /// Configures a server.
    pub fn builder() -> LocalServerBuilder {
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&ahead);
        let service = PortalService::builder(MemoryRegistry::default());
        LocalServerBuilder {
            seed: Seed::default(),
            service: service.clock(move || time_ahead(&clock)),
            ahead,
        }
    }
}

impl<R: Registry> LocalServer<R> {
    /// The base URL, of the API and of the accounts server alike.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The client id of its org.
    pub fn client_id(&self) -> &'static str {
        CLIENT_ID
    }

    /// The client secret of its org.
    pub fn client_secret(&self) -> Secret {
        Secret::new(CLIENT_SECRET.to_owned())
    }

    /// The refresh token of its org, with the scope of every operation.
    pub fn refresh_token(&self) -> Secret {
        Secret::new(REFRESH_TOKEN.to_owned())
    }

    /// Issues an access token of its org, without a request.
    ///
    /// # Errors
    /// [`RegistryError`] if the registry fails.
    pub async fn access_token(&self) -> Result<Secret, RegistryError> {
        access_token(&self.registry, self.now()).await
    }

    /// The portals of its org in order of creation, to compare with what the client under test
    /// reports.
    ///
    /// # Errors
    /// [`RegistryError`] if the registry fails.
    pub async fn portals(&self) -> Result<Vec<Portal>, RegistryError> {
        self.registry.portals(self.org).await
    }

    /// The registry that holds its data.
    pub fn registry(&self) -> &R {
        &self.registry
    }

    /// Moves its clock forward, to test expiry without waiting.
    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(i64::try_from(by.as_secs()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        timestamp(time_ahead(&self.ahead))
    }
}

fn time_ahead(ahead: &AtomicI64) -> SystemTime {
    let now = SystemTime::now();
    let ahead = u64::try_from(ahead.load(Ordering::Relaxed)).unwrap_or_default();
    now.checked_add(Duration::from_secs(ahead)).unwrap_or(now)
}

impl<R> Drop for LocalServer<R> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Configures a [`LocalServer`].
#[derive(Debug)]
pub struct LocalServerBuilder<R = MemoryRegistry> {
    seed: Seed,
    service: PortalServiceBuilder<R>,
    ahead: Arc<AtomicI64>,
}

impl<R: Registry> LocalServerBuilder<R> {
    /// Adds a fault, such as `"POST committed:drop:1/2".parse()?`.
    #[must_use]
    pub fn fault(mut self, fault: FaultSpec) -> Self {
        self.service = self.service.fault(fault);
        self
    }

    /// Keeps the data in `registry` instead of in memory.
    #[must_use]
    pub fn registry<S: Registry>(self, registry: S) -> LocalServerBuilder<S> {
        let Self { seed, service, ahead } = self;
        LocalServerBuilder { seed, service: service.with_registry(registry), ahead }
    }

    /// Adds orgs to its own.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed.orgs.extend(seed.orgs);
        self
    }

    /// Enforces the quotas of the service: see [`PortalServiceBuilder::enforce_limits`].
    #[must_use]
    pub fn enforce_limits(mut self) -> Self {
        self.service = self.service.enforce_limits();
        self
    }

    /// Registers a callback invoked for every request: see [`PortalServiceBuilder::on_request`].
    #[must_use]
    pub fn on_request(
        mut self,
        on_request: impl Fn(&ServedRequest<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.service = self.service.on_request(on_request);
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    /// [`StartError`] if no port is free or the registry fails.
    pub async fn start(self) -> Result<LocalServer<R>, StartError> {
        let Self { mut seed, service, ahead } = self;
        let registry = service.registry.clone();
        seed.orgs.insert(0, own_org());
        let now = timestamp(time_ahead(&ahead));
        registry.apply_seed(&seed, now).await?;
        let token = access_token(&registry, now).await?;
        let org = registry.authenticate(token.expose(), now).await?.ok_or_else(revoked)?.org.id;
        let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let url = server.url();
        let task = tokio::spawn(server.serve(service.build(), std::future::pending()));
        Ok(LocalServer { url, registry, org, ahead, task })
    }
}

async fn access_token<R: Registry>(registry: &R, now: Timestamp) -> Result<Secret, RegistryError> {
    let grant = Grant::RefreshToken(Secret::new(OWN_REFRESH_TOKEN.to_owned()));
    let request = TokenRequest::new(CLIENT_ID, CLIENT_SECRET.to_owned(), grant);
    let granted = registry.issue_token(&request, TokenRules::LifetimesOnly, now).await?;
    granted.map(|token| token.access_token).map_err(|_| revoked())
}

fn revoked() -> RegistryError {
    RegistryError::NotApplied("the credentials of the local org were revoked".to_owned())
}

fn own_org() -> SeedOrg {
    let credential = |refresh_token| {
        SeedCredential::refresh_token(CLIENT_ID, CLIENT_SECRET, refresh_token)
            .scopes([Scope::PORTAL_ALL, Scope::ORG_READ])
    };
    let admin = SeedUser::admin("Local Admin", "admin@local.example")
        .credential(credential(REFRESH_TOKEN))
        .credential(credential(OWN_REFRESH_TOKEN));
    SeedOrg::new("Local").user(admin)
}

/// Why a [`LocalServer`] fails to start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
