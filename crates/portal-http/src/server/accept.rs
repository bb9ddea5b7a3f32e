//! [`Server`]: the accept loop and graceful shutdown.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use portal_store::Registry;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout_at};

use super::connection::{ConnectionConfig, serve_connection};
use super::connections::{Admission, Connections, Phase};
use super::host::HostPolicy;
use super::limits::ServerLimits;
use super::listener::{BindError, Listener};
use super::log_limit::log_limited;
use super::service::PortalService;
use super::tls::ServerTls;

/// How often to check waiting connections, scarcity and the progress of a shutdown.
const TICK: Duration = Duration::from_millis(10);

/// Serves a [`PortalService`] over HTTP/1.1, plain or over TLS.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    limits: ServerLimits,
    allowed_hosts: Vec<String>,
    tls: Option<ServerTls>,
}

impl Server {
    /// Binds to `address`; port 0 selects a free port.
    ///
    /// # Errors
    /// [`BindError`] if the address is in use or cannot be bound.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        Listener::bind(address).await.map(Self::on)
    }

    /// Serves those who connect to `listener`.
    pub fn on(listener: Listener) -> Self {
        Self { listener, limits: ServerLimits::default(), allowed_hosts: Vec::new(), tls: None }
    }

    /// Replaces the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Serves over TLS, and plain HTTP no more.
    #[must_use]
    pub fn with_tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Serves requests to the host `name` too.
    ///
    /// A server on a loopback address refuses requests to any host but loopback names, such as
    /// `localhost`, and the host of [`public_url`](super::PortalServiceBuilder::public_url): a web
    /// page could otherwise reach it under a name of its own (DNS rebinding).
    #[must_use]
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.allowed_hosts.push(name.into());
        self
    }

    /// The address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The base URL, such as `http://127.0.0.1:8780`.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// Serves until `shutdown` is ready, then accepts no more connections and waits for open
    /// requests to complete, up to [`ServerLimits::shutdown_timeout`]. Connections without a
    /// complete request do not delay it: see [`ServerLimits::shutdown_body_timeout`].
    ///
    /// # Cancel safety
    /// Dropping the future closes every connection at once: to end a shutdown early, select on a
    /// second signal.
    pub async fn serve<R: Registry>(
        self,
        service: PortalService<R>,
        shutdown: impl Future<Output = ()>,
    ) {
        let Self { listener, limits, allowed_hosts, tls } = self;
        let hosts = HostPolicy::new(listener.address().ip(), &allowed_hosts, service.public_url());
        let config = Arc::new(ConnectionConfig { service, hosts, limits, tls });
        let max_connections = limits.effective_max_connections();
        if max_connections < limits.max_connections {
            tracing::warn!(max_connections, "the limit on open files bounds the connections");
        }
        // No peer takes more than half, however few connections the limit on open files leaves.
        let share =
            limits.max_connections_per_peer.map(|share| share.min(max_connections.div_ceil(2)));
        let table = Connections::new(max_connections, share);
        let graceful = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        let mut ids = 0..;
        // Accepted, but waiting for room.
        let mut accepted: Option<(TcpStream, SocketAddr)> = None;
        let mut tick = ticks();
        let mut shutdown = pin!(shutdown);
        loop {
            let is_scarce = table.are_scarce();
            tokio::select! {
                // In this order, so that a flood of new connections delays neither the shutdown nor
                // the removal of ended connections from the count.
                biased;
                () = &mut shutdown => break,
                Some(_) = tasks.join_next() => {}
                _ = tick.tick(), if is_scarce || accepted.is_some() => {
                    if is_scarce {
                        close_slow(&table, limits.scarce_timeout);
                    }
                }
                // Accept first, then make room: nothing is closed unless a connection really needs
                // its place, and `RESERVED_FILES` has a descriptor for one more. While one waits for
                // room, the others stay in the kernel's backlog.
                result = listener.accept(), if accepted.is_none() => match result {
                    Ok(connection) => accepted = Some(connection),
                    Err(error) => after_failed_accept(&error, &table).await,
                },
            }
            let Some((stream, peer)) = accepted.take() else { continue };
            match table.admit(peer.ip()) {
                Admission::Open => {
                    let registration = table.register(ids.next().unwrap_or_default(), peer.ip());
                    let config = Arc::clone(&config);
                    tasks.spawn(serve_connection(stream, config, registration, graceful.watcher()));
                }
                // The chosen connection must close first; a tick or its end brings us back here.
                Admission::Wait => {
                    let open = table.len();
                    log_limited!(warn, open, "connection limit reached: closing idle connections");
                    accepted = Some((stream, peer));
                }
                // Dropping the stream closes it. Waiting would block everybody else's connections.
                Admission::Refuse => log_limited!(
                    warn, peer = %peer.ip(), "connection limit of a peer reached: refusing connections"
                ),
            }
        }
        // Refuse new connections from now on, so that clients can turn to another server at once.
        drop((listener, accepted));
        // Dropping `tasks` afterwards closes whatever is still open.
        drain(&table, graceful, &limits).await;
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(TICK);
    // It is polled only sometimes, and must not make up for missed ticks.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Closes connections that have kept the server waiting for longer than it can afford now.
fn close_slow(table: &Connections, timeout: Duration) {
    let closed = table.close_waiting(&[Phase::Head, Phase::Body, Phase::Write], timeout);
    if closed > 0 {
        log_limited!(warn, closed, "connections are scarce: closing slow ones");
    }
}

/// Waits until all connections are closed, or closes those that take too long.
async fn drain(table: &Connections, graceful: GracefulShutdown, limits: &ServerLimits) {
    let started = Instant::now();
    let mut tick = ticks();
    let mut closed = pin!(timeout_at(started + limits.shutdown_timeout, graceful.shutdown()));
    loop {
        tokio::select! {
            biased;
            result = &mut closed => {
                if result.is_err() {
                    let open = table.len();
                    tracing::warn!(open, "shutdown timed out: closing connections with open requests");
                }
                return;
            }
            _ = tick.tick() => {
                // Nothing is lost with them: no request of theirs has been received.
                table.close_waiting(&[Phase::Head], Duration::ZERO);
                if started.elapsed() >= limits.shutdown_body_timeout {
                    table.close_waiting(&[Phase::Body], limits.shutdown_body_timeout);
                }
            }
        }
    }
}

/// Connections reset before `accept` are not our error. Without file descriptors or memory,
/// retrying at once would only spin; closing a connection frees both.
async fn after_failed_accept(error: &io::Error, table: &Connections) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    table.make_room();
    log_limited!(error, %error, open = table.len(), "failed to accept a connection");
    sleep(TICK).await;
}
