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

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portal_store::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub(crate) use self::recorder::Summary;
pub(crate) use self::state::{Admin, Reset};
pub(crate) use self::watch::Watch;

/// The first port that is tried, and how many after it.
const PORTS: std::ops::Range<u16> = 8781..8881;
/// Connections at once, those that follow the requests included.
const MAX_CONNECTIONS: usize = 64;

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
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                // Such as out of descriptors; the permit is given back meanwhile.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            while connections.try_join_next().is_some() {}
            let admin = Arc::clone(&admin);
            connections.spawn(async move {
                let service = service_fn(|request| router::respond(&admin, request));
                let mut connection = http1::Builder::new();
                connection.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
                // A client that goes away is nobody's concern.
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                drop(permit);
            });
        }
    })
}
