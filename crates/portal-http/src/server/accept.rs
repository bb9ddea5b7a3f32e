//! [`Server`]: the accept loop, its limits, and an end that cuts nobody off.

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

use super::service::PortalService;
use super::silence::{TimedBody, TimedStream};

/// What a [`Server`] puts up with.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Connections at the same time; more wait until one ends. 1024.
    pub connections: usize,
    /// How long the head of a request may take, the wait for it on an idle connection included.
    /// 30 seconds.
    pub head_time: Duration,
    /// The longest head, in bytes. 16 KiB.
    pub head_size: usize,
    /// How long the body of a request may take, from the end of its head. 30 seconds.
    pub body_time: Duration,
    /// How long a peer may take no part of its answer. 30 seconds.
    pub silence: Duration,
    /// How long calls may go on after the end was asked for. 10 seconds.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head_time: Duration::from_secs(30),
            head_size: 16 * 1024,
            body_time: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves a [`PortalService`] over plain HTTP/1.1.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: ServerLimits,
}

impl Server {
    /// Listens on `address`; port 0 takes any free one.
    ///
    /// # Errors
    /// [`BindError`], also where the port is in use.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            Ok(Self { address: listener.local_addr()?, listener, limits: ServerLimits::default() })
        };
        bound.await.map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            _ => BindError::Other { address, source },
        })
    }

    /// The same server with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, such as `http://127.0.0.1:8780`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until `end` is ready, then takes no more connections and lets the calls that have
    /// begun finish, for as long as [`ServerLimits::drain`] allows.
    ///
    /// # Cancel safety
    /// Dropping the future closes every connection at once.
    pub async fn serve<R: Registry>(
        self,
        service: PortalService<R>,
        end: impl Future<Output = ()>,
    ) {
        let Self { listener, limits, .. } = self;
        let permits = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut end = pin!(end);
        loop {
            let accepted = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (permit, listener.accept().await)
            };
            tokio::select! {
                biased;
                () = &mut end => break,
                Some(_) = connections.join_next() => {}
                (permit, accepted) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let connection = connection(stream, service.clone(), limits, graceful.watcher());
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
        if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(open = connections.len(), "connections were cut off after the drain");
        }
    }
}

async fn connection<R: Registry>(
    stream: TcpStream,
    service: PortalService<R>,
    limits: ServerLimits,
    watcher: Watcher,
) {
    // An answer is one small write: waiting for more to send only delays it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        service.call(request.map(|body| TimedBody::new(body, limits.body_time)))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_header_size(limits.head_size)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(TimedStream::new(stream, limits.silence)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended");
    }
}

/// A connection that was gone before it was accepted is none of our business; without files or
/// memory to accept one, trying again at once only burns time.
async fn after_failed_accept(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(%error, "no connection can be accepted at the moment");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Why a [`Server`] can't listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Something listens there already.
    #[error(
        "{address} is in use: stop what listens there, or take another port (0 is any free one)"
    )]
    InUse {
        /// Where to listen.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("can't listen on {address}")]
    Other {
        /// Where to listen.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}
