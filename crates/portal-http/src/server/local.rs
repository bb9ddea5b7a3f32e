//! [`LocalServer`]: a server for a test.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

#[cfg(feature = "client")]
use portal_model::flow::Policy;
use portal_model::oauth::{Grant, TokenRequest};
use portal_model::{Portal, Scope, Secret};
use portal_store::{
    MemoryRegistry, OrgId, Registry, RegistryError, Seed, SeedCredential, SeedOrg, SeedUser,
    TokenRules,
};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::accept::Server;
use super::fault::FaultSpec;
use super::listener::BindError;
use super::served_request::{RequestRecord, ServedRequest};
use super::service::{PortalService, PortalServiceBuilder};
#[cfg(feature = "client")]
use crate::client::{Client, Credential};

const ORG: &str = "Local";
const CLIENT_ID: &str = "1000.LOCALCLIENT";
const CLIENT_SECRET: &str = "local-client-secret";
const REFRESH_TOKEN: &str = "1000.local.refresh";
/// Grants the server's own access tokens, so that they don't count against the quota of the
/// refresh token it publishes.
const OWN_REFRESH_TOKEN: &str = "1000.local.own";

/// Requests that [`LocalServer::requests`] returns at most.
const MAX_REQUESTS: usize = 1000;

/// A server on a free port of 127.0.0.1, for a test. Dropping it stops it.
///
/// It has one org without a portal limit, whose credentials it returns, and the orgs of the
/// [seed](LocalServerBuilder::seed). Its clock follows tokio's, so that paused time is its time too.
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
    service: PortalService<R>,
    seed: Seed,
    /// How far [`advance`](Self::advance) has moved the clock.
    ahead: Arc<Mutex<Duration>>,
    requests: Arc<Mutex<VecDeque<RequestRecord>>>,
    /// Stops serving when it is dropped.
    _tasks: JoinSet<()>,
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
        LocalServerBuilder::over(MemoryRegistry::default())
    }

    /// Begins anew, as if the server had just started: with the orgs of its seed and without
    /// portals, with the faults of its start and their counts at 0, without recorded requests, and
    /// at the present time. Every org is a new one, whose id no org had before; credentials are the
    /// same, while access tokens are gone.
    ///
    /// A request that is under way takes no effect on the new orgs; it is recorded when it ends.
    ///
    /// ```
    /// # use portal_http::server::LocalServer;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = LocalServer::start().await?;
    /// server.set_faults(["request:drop".parse()?]);
    /// server.reset();
    /// assert!(server.service().faults().is_empty() && server.requests().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn reset(&self) {
        *lock(&self.ahead) = Duration::ZERO;
        self.registry().reset(&self.seed, self.service.now());
        self.service.restart_faults();
        lock(&self.requests).clear();
    }
}

impl<R: Registry> LocalServer<R> {
    /// The base URL, of the API and of the accounts server alike.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client of its org, ready to use: with its refresh token and
    /// [`Policy::rehearsal`](portal_model::flow::Policy::rehearsal). Each is a client of its own,
    /// with an access token of its own.
    ///
    /// Its requests reach the service without a socket, so a test can pause tokio's time; a delay or
    /// a timeout then takes no time. To test sockets too, build a client for [`url`](Self::url). The
    /// policy rests on lists that show every effect at once: with the fault `stale`, build a client
    /// whose policy has a `list_lag` of at least that long.
    ///
    /// ```
    /// use portal_http::model::ListPortals;
    /// use portal_http::server::LocalServer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = LocalServer::start().await?;
    /// assert_eq!(server.client().call(&ListPortals).await?, []);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "client")]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "neither the URL of a local server nor the policy is invalid"
    )]
    pub fn client(&self) -> Client {
        let credential =
            Credential::refresh_token(CLIENT_ID, self.client_secret(), self.refresh_token());
        let builder = Client::builder().api_url(&self.url).accounts_url(&self.url);
        let builder = builder.policy(Policy::rehearsal()).transport(self.service.clone());
        builder.build(credential).expect("a client of a local server is valid")
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
        let grant = Grant::RefreshToken(Secret::new(OWN_REFRESH_TOKEN.to_owned()));
        let request = TokenRequest::new(CLIENT_ID, CLIENT_SECRET.to_owned(), grant);
        let (rules, now) = (TokenRules::LifetimesOnly, self.service.now());
        let granted = self.registry().issue_token(&request, rules, now).await?;
        granted.map(|token| token.access_token).map_err(|_| gone())
    }

    /// The portals of its org in order of creation, to compare with what the client under test
    /// reports.
    ///
    /// # Errors
    /// [`RegistryError`] if the registry fails.
    pub async fn portals(&self) -> Result<Vec<Portal>, RegistryError> {
        self.registry().portals(self.org_id().await?).await
    }

    /// The id of its org.
    ///
    /// # Errors
    /// [`RegistryError`] if the registry fails.
    ///
    /// ```
    /// # use portal_http::server::LocalServer;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = LocalServer::start().await?;
    /// let first = server.org_id().await?;
    /// server.reset();
    /// assert_ne!(server.org_id().await?, first);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn org_id(&self) -> Result<OrgId, RegistryError> {
        let orgs = self.registry().orgs().await?;
        orgs.iter().find(|org| org.name == ORG).map(|org| org.id).ok_or_else(gone)
    }

    /// Replaces all faults, those of [`inject_once`](Self::inject_once) included. One that stays
    /// keeps its count.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = FaultSpec>) {
        let faults = faults.into_iter().collect();
        self.service.update_faults(|in_force| *in_force = faults);
    }

    /// Injects `fault` into the next request that it matches, whatever its WHICH.
    ///
    /// ```
    /// # use portal_http::model::CreatePortal;
    /// # use portal_http::server::LocalServer;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = LocalServer::start().await?;
    /// server.inject_once("POST committed:drop".parse()?);
    /// let sent = server.client().send_once(&CreatePortal::new("AcmePortal".parse()?)).await;
    /// // The response is lost, but the portal is there.
    /// assert!(sent.is_err());
    /// assert_eq!(server.portals().await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn inject_once(&self, fault: FaultSpec) {
        self.service.update_faults(|in_force| in_force.push(fault.once()));
    }

    /// The requests so far, oldest first, with their bodies. One is recorded when it is served, that
    /// is before its response is sent; at most the last 1000 are kept.
    ///
    /// ```
    /// # use portal_http::model::CreatePortal;
    /// # use portal_http::server::LocalServer;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = LocalServer::start().await?;
    /// server.client().send_once(&CreatePortal::new("AcmePortal".parse()?)).await?;
    /// let requests = server.requests();
    /// let create = requests.iter().find(|request| request.portal.is_some()).unwrap();
    /// assert_eq!((create.method.as_str(), create.status), ("POST", Some(200)));
    /// assert_eq!(create.request_body, r#"{"portals":[{"name":"AcmePortal"}]}"#);
    /// # Ok(())
    /// # }
    /// ```
    pub fn requests(&self) -> Vec<RequestRecord> {
        lock(&self.requests).iter().cloned().collect()
    }

    /// The service that it serves, such as for a transport without sockets.
    pub fn service(&self) -> &PortalService<R> {
        &self.service
    }

    /// The orgs that it began with, its own among them.
    ///
    /// Its secrets are those of the server; `portal-inspect` shows them and begins anew with them.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The registry that holds its data.
    pub fn registry(&self) -> &R {
        self.service.registry()
    }

    /// Moves its clock forward, to test expiry without waiting.
    pub fn advance(&self, by: Duration) {
        let mut ahead = lock(&self.ahead);
        *ahead = ahead.saturating_add(by);
    }
}

fn record(requests: &mut VecDeque<RequestRecord>, request: &ServedRequest<'_>) {
    let request_body = String::from_utf8_lossy(request.body).into_owned();
    if requests.len() == MAX_REQUESTS {
        requests.pop_front();
    }
    requests.push_back(RequestRecord { request_body, ..request.into() });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Configures a [`LocalServer`].
pub struct LocalServerBuilder<R = MemoryRegistry> {
    service: PortalServiceBuilder<R>,
    seed: Seed,
}

impl<R: Registry> LocalServerBuilder<R> {
    /// Configures a server whose data is in `registry`.
    pub fn over(registry: R) -> Self {
        let seed = Seed::new([own_org()]);
        Self { service: PortalService::builder(registry), seed }
    }

    /// Adds a fault, such as `"POST committed:drop:1/2".parse()?`.
    #[must_use]
    pub fn fault(mut self, fault: FaultSpec) -> Self {
        self.service = self.service.fault(fault);
        self
    }

    /// Adds orgs to its own.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed.orgs.extend(seed.orgs);
        self
    }

    /// Enforces the quotas of the service: see [`PortalServiceBuilder::enforce_limits`](super::PortalServiceBuilder::enforce_limits).
    #[must_use]
    pub fn enforce_limits(mut self) -> Self {
        self.service = self.service.enforce_limits();
        self
    }

    /// Adds a callback invoked for every request: see [`PortalServiceBuilder::on_request`](super::PortalServiceBuilder::on_request).
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
        let Self { service, seed } = self;
        let ahead = Arc::<Mutex<Duration>>::default();
        let requests = Arc::<Mutex<VecDeque<_>>>::default();
        let (by, log) = (Arc::clone(&ahead), Arc::clone(&requests));
        // Both are needed: tokio's clock can be paused, and has no date.
        let (system, started) = (SystemTime::now(), Instant::now());
        let service = service.clock(move || {
            let now = system + started.elapsed();
            now.checked_add(*lock(&by)).unwrap_or(now)
        });
        let service = service.on_request(move |request| record(&mut lock(&log), request));
        let service = service.build();
        service.registry().apply_seed(&seed, service.now()).await?;
        let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let url = server.url();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(service.clone(), std::future::pending()));
        Ok(LocalServer { url, service, seed, ahead, requests, _tasks: tasks })
    }
}

fn gone() -> RegistryError {
    RegistryError::NotApplied("the registry no longer has the local org and its credentials".into())
}

fn own_org() -> SeedOrg {
    let credential = |refresh_token: &str| {
        SeedCredential::refresh_token(CLIENT_ID, CLIENT_SECRET.to_owned(), refresh_token.to_owned())
            .scopes([Scope::PORTAL_ALL, Scope::ORG_READ])
    };
    SeedOrg::new(ORG).user(
        SeedUser::admin("Local Admin", "admin@local.example")
            .credential(credential(REFRESH_TOKEN))
            .credential(credential(OWN_REFRESH_TOKEN)),
    )
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
