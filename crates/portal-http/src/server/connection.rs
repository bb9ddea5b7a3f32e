//! One connection: hyper over a stream with timeouts, and the phases that the accept loop sees.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use http::Request;
use http::uri::Scheme;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use portal_store::Registry;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::body::ResponseBody;
use super::connections::{Connection, Phase, Registration};
use super::host::HostPolicy;
use super::limits::ServerLimits;
use super::service::{Arrival, PortalService};
use super::timeout::TimeoutStream;
use super::tls::ServerTls;

/// What all connections of a server have in common.
pub(super) struct ConnectionConfig<R> {
    pub(super) service: PortalService<R>,
    pub(super) hosts: HostPolicy,
    pub(super) limits: ServerLimits,
    pub(super) tls: Option<ServerTls>,
}

/// Serves the requests of one connection until either side closes it.
pub(super) async fn serve_connection<R: Registry>(
    stream: TcpStream,
    config: Arc<ConnectionConfig<R>>,
    registration: Registration,
    watcher: Watcher,
) {
    // A response is one small write: waiting to coalesce it only delays it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    let state = &registration.connection;
    // Below TLS, since it is the peer's system that does not take what is sent.
    let stream = TimeoutStream::new(stream, config.limits.write_timeout, Arc::clone(state));
    if let Some(tls) = &config.tls {
        let accepted = tls.accept(stream, config.limits.handshake_timeout, state).await;
        let Some(stream) = accepted else { return };
        return serve_http(stream, Scheme::HTTPS, &config, state, watcher).await;
    }
    serve_http(stream, Scheme::HTTP, &config, state, watcher).await;
}

async fn serve_http<R: Registry, S: AsyncRead + AsyncWrite + Unpin + 'static>(
    stream: S,
    scheme: Scheme,
    config: &ConnectionConfig<R>,
    state: &Arc<Connection>,
    watcher: Watcher,
) {
    let limits = config.limits;
    let service = service_fn(|request| respond(config, Arc::clone(state), scheme.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_header_size(limits.max_header_size)
        // A client that has sent all of its requests can close its side and wait for responses.
        .half_close(true)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(watcher.watch(connection));
    tokio::select! {
        // The connection first: what has arrived by now is served rather than closed.
        biased;
        result = &mut connection => {
            if let Err(error) = result {
                tracing::debug!(%error, "connection failed");
            }
        }
        () = state.closed() => tracing::debug!("connection closed to make room"),
    }
}

async fn respond<R: Registry>(
    config: &ConnectionConfig<R>,
    state: Arc<Connection>,
    scheme: Scheme,
    request: Request<Incoming>,
) -> Result<http::Response<ResponseBody>, Infallible> {
    let (mut head, body) = request.into_parts();
    state.enter(if body.is_end_stream() { Phase::Service } else { Phase::Body });
    let checked = config.hosts.check(&head);
    if scheme != Scheme::HTTP {
        // For the base URL that a token response has: the target of a request has no scheme.
        head.extensions.insert(scheme);
    }
    let (body_timeout, connection) = (config.limits.body_timeout, Some(Arc::clone(&state)));
    let arrival = Arrival { checked, body_timeout, connection };
    let response = config.service.respond(Request::from_parts(head, body), arrival).await;
    state.enter(Phase::Write);
    response
}
