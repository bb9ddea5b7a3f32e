//! From a URL to a connection: directly or through a proxy, then TLS, all within a timeout.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tower_service::Service;

use super::layer::{BoxError, BoxLayer, Purpose, prepare};
use super::proxy::Proxy;
use super::tls::Tls;

/// Connects, TLS included, within `timeout`.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector,
    pub(super) proxy: Arc<Proxy>,
    tls: Arc<Tls>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(proxy: Proxy, tls: Tls, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { tcp, proxy: Arc::new(proxy), tls: Arc::new(tls), timeout }
    }

    /// Connects to the host of `destination`, or to the proxy in front of it.
    pub(super) async fn connect(
        &self,
        destination: &Uri,
        purpose: Purpose,
    ) -> Result<Wire, BoxError> {
        let connecting = self.connect_in_any_time(destination, purpose);
        // An error that says so if the time was up.
        tokio::time::timeout(self.timeout, connecting).await?
    }

    async fn connect_in_any_time(
        &self,
        destination: &Uri,
        purpose: Purpose,
    ) -> Result<Wire, BoxError> {
        let proxy = self.proxy.on_the_way_to(destination);
        if let Some(scheme) = proxy.as_ref().and_then(|proxy| proxy.uri().scheme_str())
            && !matches!(scheme, "http" | "https")
        {
            return Err(format!("unsupported proxy scheme {scheme}: use an http proxy").into());
        }
        let first = proxy.as_ref().map_or(destination, Intercept::uri);
        // Without a usable configuration nothing connects.
        if is_https(first) || is_https(destination) {
            self.tls.config()?;
        }

        let tcp = self.tcp.clone().call(first.clone()).await?.into_inner();
        let mut stream = prepare(tcp, purpose)?;
        if let Some(proxy) = &proxy {
            if is_https(first) {
                stream = self.tls.encrypt(stream, first).await?;
            }
            if is_https(destination) {
                stream = tunnel(stream, proxy, destination).await?;
            }
        }
        if is_https(destination) {
            stream = self.tls.encrypt(stream, destination).await?;
        }
        let forwards = proxy.is_some() && !is_https(destination);
        Ok(Wire { stream: TokioIo::new(stream), forwards })
    }
}

impl Service<Uri> for Connector {
    type Response = Wire;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(&destination, Purpose::Pool).await })
    }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTPS)
}

/// Asks the proxy for a tunnel to the host of `destination`.
async fn tunnel(
    stream: BoxLayer,
    proxy: &Intercept,
    destination: &Uri,
) -> Result<BoxLayer, BoxError> {
    let mut tunnel = Tunnel::new(proxy.uri().clone(), ToProxy(Some(TokioIo::new(stream))));
    if let Some(credentials) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(credentials.clone());
    }
    Ok(tunnel.call(destination.clone()).await?.into_inner())
}

/// Hands out the one connection to a proxy.
struct ToProxy(Option<TokioIo<BoxLayer>>);

impl Service<Uri> for ToProxy {
    type Response = TokioIo<BoxLayer>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// A connection to a host, or to the proxy in front of it.
pub(super) struct Wire {
    stream: TokioIo<BoxLayer>,
    /// Whether a proxy at the other end reads the requests, which then have absolute URLs.
    pub(super) forwards: bool,
}

impl Wire {
    /// Ends an attempt's connection after its response was read: as usual, so that the peer does not
    /// take it for a failure. Best effort, since the response is known.
    pub(super) fn close(mut self) {
        let _ = SockRef::from(self.stream.inner().socket()).set_linger(None);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let _ = Pin::new(&mut self.stream).poll_shutdown(&mut context);
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.forwards)
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}
