//! From a URL to a connection: directly or through a proxy, then TLS, all within a timeout.

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
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::boxed::{BoxError, Connecting};
use super::proxy::Proxy;
use super::tls::{MaybeHttpsStream, MaybeTls, Tls, plain};

/// Connects, TLS included, within `timeout`.
#[derive(Clone)]
pub(super) struct Connector {
    route: MaybeTls<Route>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(proxy: Arc<Proxy>, tls: Tls, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = Arc::new(tls);
        let tcp = MaybeTls::new(tcp, &tls);
        Self { route: MaybeTls::new(Route { tcp, proxy }, &tls), timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Wire>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let connecting = self.route.call(destination);
        let timeout = self.timeout;
        Box::pin(async move {
            tokio::time::timeout(timeout, connecting).await.map_err(|_| TookTooLong)?
        })
    }
}

/// The connect timeout expired.
#[derive(Debug, thiserror::Error)]
#[error("no connection within the timeout")]
pub(super) struct TookTooLong;

/// Connects to a host without TLS.
#[derive(Clone)]
struct Route {
    tcp: MaybeTls<HttpConnector>,
    proxy: Arc<Proxy>,
}

impl Service<Uri> for Route {
    type Response = Wire;
    type Error = BoxError;
    type Future = Connecting<Wire>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let mut tcp = self.tcp.clone();
        let Some(proxy) = self.proxy.on_the_way_to(&destination) else {
            return Box::pin(async move {
                let stream = plain(tcp.inner.call(destination).await?);
                Ok(Wire { stream, forwards: false })
            });
        };
        Box::pin(async move {
            if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
                let scheme = proxy.uri().scheme_str().unwrap_or_default();
                return Err(format!("unsupported proxy scheme {scheme}: use an http proxy").into());
            }
            if destination.scheme() != Some(&Scheme::HTTPS) {
                return Ok(Wire { stream: tcp.call(proxy.uri().clone()).await?, forwards: true });
            }
            let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
            if let Some(credentials) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(credentials.clone());
            }
            Ok(Wire { stream: tunnel.call(destination).await?, forwards: false })
        })
    }
}

/// A connection to a host, or to the proxy in front of it.
pub(super) struct Wire {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    /// Whether a proxy at the other end reads the requests, which then have absolute URLs.
    forwards: bool,
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.forwards)
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
