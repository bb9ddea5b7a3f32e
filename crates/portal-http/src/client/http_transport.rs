//! The transport over sockets: [`HttpTransport`].

mod connect;
mod proxy;
mod tls;

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
use portal_model::flow::{NoAnswer, NotSent};
use tokio::time::{Instant, timeout_at};

use self::connect::{Connector, TookTooLong};
pub use self::proxy::{InvalidProxy, Proxy};
use self::tls::Tls;
pub use self::tls::TlsError;
use super::transport::{Bounds, Transport, TransportError, read, text};

/// HTTP/1.1 over pooled connections, with TLS by rustls.
///
/// Cloning is cheap, and clones share their connections. It trusts what the platform trusts, and
/// [`ca_file`](HttpTransportBuilder::ca_file) beside that.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: Client<Connector, Full<Bytes>>,
    proxy: Arc<Proxy>,
}

impl HttpTransport {
    /// With the defaults of [`HttpTransportBuilder`].
    pub fn new() -> Self {
        Self::assemble(&HttpTransportBuilder::default(), Tls::default())
    }

    /// Starts with the defaults.
    pub fn builder() -> HttpTransportBuilder {
        HttpTransportBuilder::default()
    }

    fn assemble(builder: &HttpTransportBuilder, tls: Tls) -> Self {
        let proxy = Arc::new(builder.proxy.clone());
        let connector = Connector::new(proxy.clone(), tls, builder.connect_timeout);
        let client = Client::builder(TokioExecutor::new())
            // A request that was handed to a connection is never handed to another one.
            .retry_canceled_requests(false)
            .pool_idle_timeout(builder.idle_timeout)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { client, proxy }
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
        let connection = capture_connection(&mut request);
        let end = Instant::now() + bounds.time;
        let response = match timeout_at(end, self.client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(classify(&error)),
            Err(_) if connection.connection_metadata().is_none() => {
                return Err(NotSent::ConnectTimedOut.into());
            }
            Err(_) => return Err(NoAnswer::TimedOut.into()),
        };
        let response = timeout_at(end, read(response, bounds.body)).await;
        Ok(response.map_err(|_| NoAnswer::TimedOut)??)
    }
}

/// A request has certainly not arrived where there was no connection, or where the connection was
/// gone before the request was taken off its queue. The latter hyper calls cancelled.
fn classify(error: &Error) -> TransportError {
    let source = std::error::Error::source(error);
    if error.is_connect() {
        return match find::<TookTooLong>(error) {
            Some(_) => NotSent::ConnectTimedOut.into(),
            None => NotSent::Connect(source.map_or_else(String::new, text)).into(),
        };
    }
    match find::<hyper::Error>(error) {
        Some(cancelled) if cancelled.is_canceled() => {
            NotSent::NotStarted("the connection closed before the request was written".to_owned())
                .into()
        }
        _ => NoAnswer::Broken(source.map_or_else(|| error.to_string(), text)).into(),
    }
}

fn find<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| error.source())
        .find_map(|error| error.downcast_ref::<E>())
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
    /// Which proxy to use. Default: [`Proxy::from_env`].
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Certificates to trust, beside those of the platform: a PEM file.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// The certificate to show to a server that asks for one, with its chain, and its private key:
    /// two PEM files, or twice the same.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client_certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Longest time until a connection stands, the proxy's and the TLS handshake included. Default
    /// 10 s. What it ends has certainly not been sent.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How long a connection is kept without use. Default 30 s.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle_timeout = time;
        self
    }

    /// Reads the files and makes the transport.
    ///
    /// # Errors
    /// [`TlsError`] where a file can't be read or holds no certificate or key.
    pub fn build(self) -> Result<HttpTransport, TlsError> {
        let tls = Tls::read(self.ca_file.as_deref(), self.client_certificate.as_ref())?;
        Ok(HttpTransport::assemble(&self, tls))
    }
}
