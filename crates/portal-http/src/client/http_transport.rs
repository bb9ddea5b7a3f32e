//! [`HttpTransport`]: the transport over sockets.

mod connect;
mod failure;
mod layer;
mod proxy;
mod tls;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use portal_model::flow::{NoResponse, NotSent, TransportError};
use tokio::time::{Instant, timeout_at};

use self::connect::Connector;
use self::failure::lost;
use self::layer::Purpose;
pub use self::proxy::{InvalidProxy, Proxy};
use self::tls::{Tls, Trust};
use self::wire::Idle;
use super::transport::{Bounds, Transport, read};
pub use crate::pem::TlsError;

/// A request may take thirty years at most: a longer time may be none for an [`Instant`].
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// HTTP/1.1 over pooled connections, with TLS by rustls.
///
/// Cloning is cheap, and clones share their connections. Trusts the platform's certificates and
/// those of [`ca_file`](HttpTransportBuilder::ca_file).
///
/// An attempt ([`Bounds::is_attempt`]) has a connection of its own, which is closed before
/// [`send`](Transport::send) returns, and when its future is dropped. Unless the response was read,
/// closing discards what the system has not delivered yet, also when the process is killed: it is a
/// reset (`SO_LINGER` with a time of zero). If that can't be arranged, nothing is sent. On Linux the
/// system also gives up by itself once data has been on its way for what was left of [`Bounds::time`]
/// after connecting, a second at least (`TCP_USER_TIMEOUT`), in case the process is frozen.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    connector: Arc<Connector>,
    idle: Arc<Idle>,
}

impl HttpTransport {
    /// Configures a transport.
    pub fn builder() -> HttpTransportBuilder {
        let (proxy, trust) = (None, Trust::default());
        HttpTransportBuilder { proxy, trust, connect_timeout: Duration::from_secs(10) }
    }
}

impl Transport for HttpTransport {
    // When this returns or is dropped, the socket of an attempt is closed, and unless the response was
    // read, the kernel sends nothing of the request any more (rule 9).
    async fn send(
        &self,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, TransportError> {
        const PRODUCT: HeaderValue =
            HeaderValue::from_static(concat!("portal-http/", env!("CARGO_PKG_VERSION")));
        let mut request = request.map(Full::new);
        request.headers_mut().entry(USER_AGENT).or_insert(PRODUCT);
        let end = Instant::now() + bounds.time.min(LONGEST);
        let destination = request.uri().clone();
        let idle = if bounds.is_attempt { None } else { self.idle.take(&destination) };
        let purpose = if bounds.is_attempt { Purpose::Attempt(end) } else { Purpose::Pool };
        let wire = match idle {
            Some(wire) => Ok(Ok(wire)),
            None => timeout_at(end, self.connector.connect(&destination, purpose)).await,
        };
        let mut wire = match wire {
            // A process that was suspended while it connected must not start late.
            Ok(Ok(wire)) if Instant::now() < end && bounds.may_begin() => wire,
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(_)) | Err(_) => return Err(NotSent::ConnectTimedOut.into()),
        };
        let response = wire.exchange(addressed(request)?, |response| async {
            let response = response.map_err(|error| lost(&destination, &error))?;
            Ok::<_, TransportError>(read(response, &bounds).await?)
        });
        let response = timeout_at(end, response).await.map_err(|_| NoResponse::TimedOut)??;
        if bounds.is_attempt {
            wire.close();
        } else {
            self.idle.put(destination, wire);
        }
        Ok(response)
    }
}

/// Adds `Host`, and leaves only the path in the URL.
fn addressed(mut request: Request<Full<Bytes>>) -> Result<Request<Full<Bytes>>, NotSent> {
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = HeaderValue::from_str(host);
    let host = host.map_err(|error| NotSent::NotStarted(error.to_string()))?;
    request.headers_mut().entry(HOST).or_insert(host);
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    Ok(request)
}

/// Options of an [`HttpTransport`].
#[derive(Clone, Debug)]
pub struct HttpTransportBuilder {
    /// If it is given.
    proxy: Option<Proxy>,
    trust: Trust,
    connect_timeout: Duration,
}

impl HttpTransportBuilder {
    /// Sets the proxy. Default: [`Proxy::from_env`].
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Adds trusted certificates from a PEM file to those of the platform. The last
    /// call of this, `ca_pem` or `tls_config` counts.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust = Trust::File(path.into());
        self
    }

    /// The same from bytes in PEM form, such as a secret of the deployment.
    pub fn ca_pem(mut self, certificates: impl Into<Vec<u8>>) -> Self {
        self.trust = Trust::Pem(certificates.into());
        self
    }

    /// Replaces the whole TLS configuration, for example to send a client certificate or to trust fewer
    /// roots than the platform. Leave ALPN empty, since requests are HTTP/1.1, and early data off,
    /// since an attempt in it could be replayed.
    pub fn tls_config(mut self, config: impl Into<Arc<rustls::ClientConfig>>) -> Self {
        self.trust = Trust::Config(config.into());
        self
    }

    /// Sets the timeout for connecting, including the proxy and the TLS handshake. Default: 10 s.
    /// When it expires, the request has certainly not been sent.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// Reads the certificates and builds the transport.
    ///
    /// # Errors
    /// [`UnusableTransport`] if the file can't be read, there is no certificate in it or in the bytes,
    /// a configuration has early data on, or a variable of [`Proxy::from_env`] is not a proxy.
    pub fn build(self) -> Result<HttpTransport, UnusableTransport> {
        let proxy = self.proxy.map_or_else(Proxy::from_env, Ok)?;
        let connector = Connector::new(proxy, Tls::read(&self.trust)?, self.connect_timeout);
        Ok(HttpTransport { connector: Arc::new(connector), idle: Arc::default() })
    }
}

/// Why an [`HttpTransport`] can't be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableTransport {
    /// A variable is not a proxy.
    #[error(transparent)]
    Proxy(#[from] InvalidProxy),
    /// Expected usable certificates, found none.
    #[error(transparent)]
    Tls(#[from] TlsError),
}
