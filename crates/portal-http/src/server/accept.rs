//! [`Server`]: the accept loop, its limits, and graceful shutdown.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use portal_store::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::host::HostPolicy;
use super::service::PortalService;
use super::timeout::{TimeoutBody, TimeoutStream};

/// Connection limits and timeouts of a [`Server`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Concurrent connections; more wait until one ends. Default: 1024.
    pub max_connections: usize,
    /// Time to receive the head of a request, including the wait for it on an idle connection.
    /// Default: 30 s.
    pub header_read_timeout: Duration,
    /// Largest head of a request, in bytes. Default: 16 KiB.
    pub max_header_size: usize,
    /// Time to receive the body of a request, from the end of its head. Default: 30 s.
    pub body_timeout: Duration,
    /// Time in which a peer must accept some part of its response. Default: 30 s.
    pub write_timeout: Duration,
    /// Time for open requests to complete after shutdown has begun. Default: 10 s.
    pub shutdown_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            header_read_timeout: Duration::from_secs(30),
            max_header_size: 16 * 1024,
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// Serves a [`PortalService`] over plain HTTP/1.1.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: ServerLimits,
    allowed_hosts: Vec<String>,
}

impl Server {
    /// Binds to `address`; port 0 selects a free port.
    ///
    /// # Errors
    /// [`BindError`] if the address is in use or cannot be bound.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            Ok(Self {
                address: listener.local_addr()?,
                listener,
                limits: ServerLimits::default(),
                allowed_hosts: Vec::new(),
            })
        };
        bound.await.map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            _ => BindError::Other { address, source },
        })
    }

    /// Replaces the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
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
        self.address
    }

    /// The base URL, such as `http://127.0.0.1:8780`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until `shutdown` is ready, then accepts no more connections and waits for open
    /// requests to complete, up to [`ServerLimits::shutdown_timeout`].
    ///
    /// # Cancel safety
    /// Dropping the future closes every connection at once.
    pub async fn serve<R: Registry>(
        self,
        service: PortalService<R>,
        shutdown: impl Future<Output = ()>,
    ) {
        let Self { listener, address, limits, allowed_hosts } = self;
        let hosts = Arc::new(HostPolicy::new(address.ip(), &allowed_hosts, service.public_url()));
        let permits = Arc::new(Semaphore::new(limits.max_connections));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (permit, listener.accept().await)
            };
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                (permit, accepted) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let connection = connection(stream, service.clone(), Arc::clone(&hosts), limits, graceful.watcher());
                        connections.spawn(async move {
                            connection.await;
                            drop(permit);
                        });
                    }
                    Err(error) => after_failed_accept(&error).await,
                },
            }
        }
        drop(listener);
        if tokio::time::timeout(limits.shutdown_timeout, graceful.shutdown()).await.is_err() {
            tracing::warn!(
                open = connections.len(),
                "shutdown timeout: closing connections with open requests"
            );
        }
    }
}

async fn connection<R: Registry>(
    stream: TcpStream,
    service: PortalService<R>,
    hosts: Arc<HostPolicy>,
    limits: ServerLimits,
    watcher: Watcher,
) {
    // A response is one small write: waiting to coalesce it only delays it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let checked = hosts.check(&head);
        let request = Request::from_parts(head, TimeoutBody::new(body, limits.body_timeout));
        match checked {
            Ok(()) => service.call(request),
            Err(error) => service.reject(request, error),
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_header_size(limits.max_header_size)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(TimeoutStream::new(stream, limits.write_timeout)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection failed");
    }
}

/// Connections reset before `accept` are not our error. Without file descriptors or memory,
/// retrying at once would only spin.
async fn after_failed_accept(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(%error, "failed to accept a connection");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Why a [`Server`] cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another process listens on the address.
    #[error(
        "{address} is in use: stop the process that listens there or choose another port (0 selects a free one)"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("failed to listen on {address}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
}
