//! [`HttpTransport`]: the transport over sockets.

mod attempt;
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
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use portal_model::flow::{NoResponse, NotSent, TransportError};
use tokio::time::{Instant, timeout_at};

use self::connect::Connector;
use self::failure::{find, lost};
pub use self::proxy::{InvalidProxy, Proxy};
use self::tls::{Tls, Trust};
use self::wire::LONGEST_HEAD;
use super::transport::{Bounds, Transport, after, read};
pub use crate::pem::TlsError;

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

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
    pooled: Client<Connector, Full<Bytes>>,
    connector: Connector,
}

impl HttpTransport {
    /// Creates a transport with the defaults of [`HttpTransportBuilder`].
    pub fn new() -> Self {
        Self::assemble(HttpTransportBuilder::default(), Tls::default())
    }

    /// Configures a transport.
    pub fn builder() -> HttpTransportBuilder {
        HttpTransportBuilder::default()
    }

    fn assemble(builder: HttpTransportBuilder, tls: Tls) -> Self {
        let connector = Connector::new(builder.proxy, tls, builder.connect_timeout);
        let mut client = Client::builder(TokioExecutor::new());
        // Never retry a request that was handed to a connection: it may have been sent.
        client.retry_canceled_requests(false);
        client.http1_max_buf_size(LONGEST_HEAD);
        client.pool_idle_timeout(IDLE_TIMEOUT).pool_timer(TokioTimer::new());
        Self { pooled: client.build(connector.clone()), connector }
    }

    async fn send_pooled(
        &self,
        mut request: Request<Full<Bytes>>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, TransportError> {
        let end = after(Instant::now(), bounds.time);
        let destination = request.uri().clone();
        let connection = capture_connection(&mut request);
        let exchange = async {
            let response = self.pooled.request(request).await;
            let response = response.map_err(|error| classify(&destination, &error))?;
            Ok(read(response, bounds).await?)
        };
        match timeout_at(end, exchange).await {
            Ok(response) => response,
            Err(_) if connection.connection_metadata().is_none() => {
                Err(NotSent::ConnectTimedOut.into())
            }
            Err(_) => Err(NoResponse::TimedOut.into()),
        }
    }
}

impl Default for HttpTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for HttpTransport {
    async fn send(
        &self,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, TransportError> {
        const PRODUCT: HeaderValue =
            HeaderValue::from_static(concat!("portal-http/", env!("CARGO_PKG_VERSION")));
        let mut request = request.map(Full::new);
        request.headers_mut().entry(USER_AGENT).or_insert(PRODUCT);
        if bounds.is_attempt {
            attempt::send(&self.connector, request, bounds).await
        } else {
            self.send_pooled(request, bounds).await
        }
    }
}

/// Classifies an error of the pooled client, which wraps the error that counts.
fn classify(destination: &Uri, error: &Error) -> TransportError {
    match find::<NotSent>(error) {
        Some(not_sent) => not_sent.clone().into(),
        None => lost(destination, std::error::Error::source(error).unwrap_or(error)),
    }
}

/// Options of an [`HttpTransport`].
#[derive(Clone, Debug)]
pub struct HttpTransportBuilder {
    proxy: Proxy,
    trust: Trust,
    connect_timeout: Duration,
}

impl Default for HttpTransportBuilder {
    fn default() -> Self {
        Self {
            proxy: Proxy::from_env(),
            trust: Trust::default(),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl HttpTransportBuilder {
    /// Sets the proxy. Default: [`Proxy::from_env`].
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
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
        self.proxy.check()?;
        let tls = Tls::read(&self.trust)?;
        Ok(HttpTransport::assemble(self, tls))
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
