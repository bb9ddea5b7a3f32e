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
            let task = tasks.spawn(async move {
                let service = service_fn(|request| router::respond(&admin, &flag, request));
                let mut stream = TimeoutStream::new(stream);
                stream.set_write_timeout(Some(TIMEOUT));
                let mut connection = http1::Builder::new();
                connection.timer(TokioTimer::new()).header_read_timeout(TIMEOUT);
                // A client that goes away is nobody's concern.
                let _ = connection.serve_connection(TokioIo::new(Box::pin(stream)), service).await;
            });
            connections.push_back(Open { task, is_follower });
        }
    })
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
