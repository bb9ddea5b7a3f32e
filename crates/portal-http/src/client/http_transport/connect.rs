//! From a URL to a connection: directly or through a proxy, then TLS, all within a timeout.

use std::fmt;
use std::time::Duration;

use http::header::{HOST, PROXY_AUTHORIZATION};
use http::uri::Scheme;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::Intercept;
use portal_model::flow::NotSent;
use tower_service::Service;

use super::failure::unreachable;
use super::layer::{BoxLayer, Purpose, prepare};
use super::proxy::Proxy;
use super::tls::Tls;
use super::wire::Wire;
use crate::client::base_url::is_this_machine;

/// Connects, TLS included, within `timeout`.
#[derive(Debug)]
pub(super) struct Connector {
    tcp: HttpConnector,
    proxy: Proxy,
    tls: Tls,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(proxy: Proxy, tls: Tls, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { tcp, proxy, tls, timeout }
    }

    /// Connects to the host of `destination`, through the proxy in front of it if there is one.
    pub(super) async fn connect(
        &self,
        destination: &Uri,
        purpose: Purpose,
    ) -> Result<Wire, NotSent> {
        let host = Peer::Host(destination);
        let connecting = async {
            let proxy = self.proxy.on_the_way_to(destination);
            let first = proxy.as_ref().map_or(host, |proxy| Peer::Proxy(proxy.uri()));
            // Without a usable configuration nothing connects.
            if is_https(first.uri()) || is_https(destination) {
                self.tls.config().map_err(|error| host.unreachable(&error))?;
            }
            let tcp = self.tcp.clone().call(first.uri().clone()).await;
            let tcp = tcp.map_err(|error| first.unreachable(&error))?.into_inner();
            let mut stream = prepare(tcp, purpose).map_err(|error| first.unreachable(&error))?;
            if let Some(proxy) = &proxy {
                stream = self.encrypt(stream, first).await?;
                stream = tunnel(stream, proxy, destination).await?;
            }
            stream = self.encrypt(stream, host).await?;
            Wire::over(stream).await.map_err(|error| host.unreachable(&error))
        };
        let time = self.timeout;
        tokio::time::timeout(time, connecting).await.unwrap_or_else(|_| {
            Err(NotSent::Connect(format!("cannot reach {host}: no connection within {time:?}")))
        })
    }

    /// Adds TLS if the peer wants it.
    async fn encrypt(&self, stream: BoxLayer, peer: Peer<'_>) -> Result<BoxLayer, NotSent> {
        if !is_https(peer.uri()) {
            return Ok(stream);
        }
        let encrypted = self.tls.encrypt(stream, peer.uri()).await;
        encrypted.map_err(|error| peer.unreachable(error.as_ref()))
    }
}

/// The other end of a connection, for messages.
#[derive(Clone, Copy)]
enum Peer<'a> {
    Host(&'a Uri),
    Proxy(&'a Uri),
}

impl<'a> Peer<'a> {
    fn uri(self) -> &'a Uri {
        match self {
            Self::Host(uri) | Self::Proxy(uri) => uri,
        }
    }

    fn unreachable(self, error: &(dyn std::error::Error + 'static)) -> NotSent {
        // A proxy that is not there needs another hint than a server that is not.
        let is_server_here = matches!(self, Self::Host(uri) if is_this_machine(uri));
        unreachable(self, is_server_here, error)
    }
}

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Proxy(_) = self {
            f.write_str("the proxy ")?;
        }
        // A base URL has no user, and the proxy's is not part of its URL any more.
        f.write_str(self.uri().authority().map_or("", |authority| authority.as_str()))
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
) -> Result<BoxLayer, NotSent> {
    let (peer, target) = (Peer::Proxy(proxy.uri()), Peer::Host(destination));
    let (host, port) = (destination.host().unwrap_or_default(), destination.port_u16());
    let to = format!("{host}:{}", port.unwrap_or(443));
    let mut request = Request::connect(&to).header(HOST, &to);
    if let Some(credentials) = proxy.basic_auth() {
        request = request.header(PROXY_AUTHORIZATION, credentials);
    }
    let request = request.body(Full::default()).map_err(|error| peer.unreachable(&error))?;
    // Its body does not matter, and nothing follows a success before TLS begins.
    let mut wire = Wire::over(stream).await.map_err(|error| peer.unreachable(&error))?;
    let status = wire.exchange(request, |response| async {
        response.map(|response| response.status().as_u16())
    });
    match status.await.map_err(|error| peer.unreachable(&error))? {
        200..300 => Ok(wire.into_stream()),
        407 => Err(NotSent::Permanent(format!(
            "{peer} does not accept its user name and password (HTTP 407)"
        ))),
        status @ 400..500 => Err(NotSent::Permanent(format!(
            "{peer} refused to connect to {target} (HTTP {status})"
        ))),
        status => Err(NotSent::Connect(format!("{peer} cannot reach {target} (HTTP {status})"))),
    }
}
