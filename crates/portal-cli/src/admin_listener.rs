//! The admin listener of `portal serve`: a page to look into, the same as JSON, health and metrics.
//!
//! It has no credentials of its own. It listens on loopback unless told otherwise, refuses names that
//! a web page could have pointed there, and changes nothing for a page of another origin.

mod curl;
mod mask;
mod metrics;
mod page;
mod recorder;
mod router;
mod state;
mod watch;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portal_store::Registry;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio_io_timeout::TimeoutStream;

pub(crate) use self::recorder::Summary;
pub(crate) use self::state::{Admin, Reset};
pub(crate) use self::watch::Watch;

/// The first port that is tried, and how many after it.
const PORTS: std::ops::Range<u16> = 8781..8881;
/// Connections at once, those that follow the requests included.
const MAX_CONNECTIONS: usize = 64;
/// Longest wait for a head, or for a peer that does not read.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that is served.
struct Open {
    task: AbortHandle,
    /// Whether it follows the requests, which few do.
    is_follower: Arc<AtomicBool>,
}

/// Listens on `address`, or on the first free port of loopback.
pub(crate) async fn bind(address: Option<SocketAddr>) -> io::Result<TcpListener> {
    if let Some(address) = address {
        return TcpListener::bind(address).await;
    }
    for port in PORTS {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// Serves until the task is aborted.
pub(crate) fn serve<R: Registry + 'static>(
    listener: TcpListener,
    admin: Admin<R>,
) -> JoinHandle<()> {
    let admin = Arc::new(admin);
    tokio::spawn(async move {
        let mut tasks = JoinSet::new();
        let mut connections: VecDeque<Open> = VecDeque::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Such as out of descriptors; some are given back meanwhile.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            while tasks.try_join_next().is_some() {}
            make_room(&mut connections);
            let (admin, is_follower) = (Arc::clone(&admin), Arc::new(AtomicBool::new(false)));
            let flag = Arc::clone(&is_follower);
            let task = tasks.spawn(async move { serve_connection(stream, &admin, &flag).await });
            connections.push_back(Open { task, is_follower });
        }
    })
}

async fn serve_connection<R: Registry>(
    stream: impl AsyncRead + AsyncWrite,
    admin: &Arc<Admin<R>>,
    is_follower: &Arc<AtomicBool>,
) {
    let service = service_fn(|request| router::respond(admin, is_follower, request));
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(TIMEOUT));
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(TIMEOUT);
    // A client that goes away is nobody's concern.
    let _ = connection.serve_connection(TokioIo::new(Box::pin(stream)), service).await;
}

/// Ends the oldest connection if there are too many, so that open connections keep no health check out.
/// Those that follow the requests have a limit of their own.
fn make_room(connections: &mut VecDeque<Open>) {
    connections.retain(|open| !open.task.is_finished());
    if connections.len() < MAX_CONNECTIONS {
        return;
    }
    let oldest = connections.iter().position(|open| !open.is_follower.load(Ordering::Relaxed));
    if let Some(open) = oldest.and_then(|at| connections.remove(at)) {
        open.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use portal_http::server::PortalService;
    use portal_store::MemoryRegistry;
    use tokio::io::AsyncWriteExt as _;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn client_that_sends_or_reads_nothing_is_disconnected() {
        let admin = Arc::new(Admin {
            service: PortalService::builder(MemoryRegistry::new()).build(),
            watch: Watch::new(),
            address: (Ipv4Addr::LOCALHOST, 8781).into(),
            allowed_hosts: Vec::new(),
            url: "http://127.0.0.1:8080".to_owned(),
            default_org_at: None,
            throwaway: None,
            is_draining: Arc::default(),
        });
        for request in ["", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            // Room for the request, but not for the response.
            let (stream, mut client) = tokio::io::duplex(64);
            client.write_all(request.as_bytes()).await.unwrap();
            let is_follower = Arc::default();
            let served = serve_connection(stream, &admin, &is_follower);
            let served = timeout(TIMEOUT + Duration::from_secs(1), served).await;
            assert!(served.is_ok(), "{request}");
        }
    }
}
