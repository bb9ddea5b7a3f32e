//! [`HttpTransport`]: the transport over sockets.

mod boxed;
mod connect;
mod proxy;
#[cfg_attr(not(feature = "tls"), path = "http_transport/without_tls.rs")]
mod tls;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use portal_model::flow::{NoResponse, NotSent, TransportError};
use tokio::time::{Instant, timeout_at};

use self::connect::{Connector, TookTooLong};
pub use self::proxy::{InvalidProxy, Proxy};
use self::tls::Tls;
use super::base_url::is_this_machine;
use super::transport::{Bounds, Transport, after, read, text};
pub use crate::pem::TlsError;

/// Maximum size of a response's head, in bytes. hyper's own limit is six times as high.
const LONGEST_HEAD: usize = 64 << 10;

/// HTTP/1.1 over pooled connections, with TLS by rustls.
///
/// Cloning is cheap, and clones share their connections. Trusts the platform's certificates and
/// those of [`ca_file`](HttpTransportBuilder::ca_file).
#[derive(Clone, Debug)]
pub struct HttpTransport {
    pooled: Client<Connector, Full<Bytes>>,
    /// Opens a new connection for each request.
    unpooled: Client<Connector, Full<Bytes>>,
    proxy: Arc<Proxy>,
}

impl HttpTransport {
    /// Creates a transport with the defaults of [`HttpTransportBuilder`].
    pub fn new() -> Self {
        Self::assemble(&HttpTransportBuilder::default(), Tls::default())
    }

    /// Configures a transport.
    pub fn builder() -> HttpTransportBuilder {
        HttpTransportBuilder::default()
    }

    fn assemble(builder: &HttpTransportBuilder, tls: Tls) -> Self {
        let proxy = Arc::new(builder.proxy.clone());
        let connector = Connector::new(proxy.clone(), tls, builder.connect_timeout);
        let mut client = Client::builder(TokioExecutor::new());
        // Never retry a request that was handed to a connection: it may have been sent.
        client.retry_canceled_requests(false);
        client.http1_max_buf_size(LONGEST_HEAD);
        client.pool_idle_timeout(builder.idle_timeout).pool_timer(TokioTimer::new());
        let pooled = client.build(connector.clone());
        let unpooled = client.pool_max_idle_per_host(0).build(connector);
        Self { pooled, unpooled, proxy }
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
        if request.uri().scheme() == Some(&Scheme::HTTP)
            && let Some(credentials) = self.proxy.credentials_for(request.uri())
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, credentials);
        }
        let is_local = is_this_machine(request.uri());
        let client = if bounds.new_connection { &self.unpooled } else { &self.pooled };
        let connection = capture_connection(&mut request);
        let end = after(Instant::now(), bounds.time);
        let response = match timeout_at(end, client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(classify(&error, is_local)),
            Err(_) if connection.connection_metadata().is_none() => {
                return Err(NotSent::ConnectTimedOut.into());
            }
            Err(_) => return Err(NoResponse::TimedOut.into()),
        };
        let response = timeout_at(end, read(response, bounds)).await;
        Ok(response.map_err(|_| NoResponse::TimedOut)??)
    }
}

/// Classifies an error. A request certainly did not arrive if there was no connection, or if the
/// connection closed before the request left its queue, which hyper calls canceled.
fn classify(error: &Error, is_local: bool) -> TransportError {
    let source = std::error::Error::source(error);
    if error.is_connect() {
        if find::<TookTooLong>(error).is_some() {
            return NotSent::ConnectTimedOut.into();
        }
        let why = source.map_or_else(String::new, text);
        return if is_permanent(error, &why, is_local) {
            NotSent::Permanent(why).into()
        } else {
            NotSent::Connect(why).into()
        };
    }
    match find::<hyper::Error>(error) {
        Some(canceled) if canceled.is_canceled() => {
            NotSent::NotStarted("the connection closed before the request was written".to_owned())
                .into()
        }
        _ => NoResponse::Broken(source.map_or_else(|| error.to_string(), text)).into(),
    }
}

/// Whether a retry would fail the same way: an invalid certificate, an unknown host, or a port of
/// this machine without a listener. Other servers refuse connections while they restart.
fn is_permanent(error: &Error, why: &str, is_local: bool) -> bool {
    // `std` has no error kind for an unknown host; these are the messages of glibc, musl, macOS and
    // Windows.
    const UNKNOWN_HOST: [&str; 4] = [
        "Name or service not known",
        "Name does not resolve",
        "nodename nor servname provided",
        "No such host is known",
    ];
    let io = find::<io::Error>(error);
    let is_refused = io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused);
    chain(error).chain(io.and_then(innermost)).any(tls::is_permanent)
        || is_local && is_refused
        || UNKNOWN_HOST.iter().any(|text| why.contains(text))
}

/// Returns the innermost of nested `io::Error`s, as TLS layers create them; `source` skips it.
fn innermost(error: &io::Error) -> Option<&(dyn std::error::Error + 'static)> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<io::Error>().map_or(Some(inner), innermost)
}

fn find<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref::<E>())
}

fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Options of an [`HttpTransport`].
#[derive(Clone, Debug)]
pub struct HttpTransportBuilder {
    proxy: Proxy,
    ca_file: Option<PathBuf>,
    client_certificate: Option<(PathBuf, PathBuf)>,
    connect_timeout: Duration,
    idle_timeout: Duration,
}

impl Default for HttpTransportBuilder {
    fn default() -> Self {
        Self {
            proxy: Proxy::from_env(),
            ca_file: None,
            client_certificate: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

impl HttpTransportBuilder {
    /// Sets the proxy. Default: [`Proxy::from_env`].
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Adds trusted certificates from a PEM file to those of the platform.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Sets the client certificate with its chain, and its private key: two PEM files, possibly the
    /// same.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client_certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Sets the timeout for connecting, including the proxy and the TLS handshake. Default: 10 s.
    /// When it expires, the request has certainly not been sent.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// Sets how long an idle connection is kept. Default: 30 s.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle_timeout = time;
        self
    }

    /// Reads the files and builds the transport.
    ///
    /// # Errors
    /// [`TlsError`] if a file can't be read or has no certificate or key.
    pub fn build(self) -> Result<HttpTransport, TlsError> {
        let tls = Tls::read(self.ca_file.as_deref(), self.client_certificate.as_ref())?;
        Ok(HttpTransport::assemble(&self, tls))
    }
}
