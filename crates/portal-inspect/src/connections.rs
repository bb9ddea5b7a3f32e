//! [`Inspector::serve`]: the open connections, and which of them to close.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portal_http::server::Listener;
use portal_store::Registry;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet};
use tokio_io_timeout::TimeoutStream;

use crate::events::EVENTS;
use crate::inspector::Inspector;

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

impl<R: Registry + 'static> Inspector<R> {
    /// Serves the page at `/`, and what else the README names, until the future is dropped.
    ///
    /// It does not authenticate: listen on loopback, unless all who can reach another address may look in.
    pub async fn serve(mut self, listener: impl Into<Listener>) {
        let listener = listener.into();
        self.about.is_exposed = !listener.address().ip().to_canonical().is_loopback();
        let inspector = Arc::new(self);
        let mut tasks = JoinSet::new();
        let mut connections = VecDeque::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Such as out of descriptors; some are given back meanwhile.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            while tasks.try_join_next().is_some() {}
            make_room(&mut connections);
            let is_follower = Arc::<AtomicBool>::default();
            let connection = serve_connection(stream, inspector.clone(), is_follower.clone());
            connections.push_back(Open { task: tasks.spawn(connection), is_follower });
        }
    }
}

async fn serve_connection<R: Registry>(
    stream: impl AsyncRead + AsyncWrite,
    inspector: Arc<Inspector<R>>,
    is_follower: Arc<AtomicBool>,
) {
    let service = service_fn(async |request| {
        let response = inspector.respond(request).await;
        let is_stream = response.headers().get(header::CONTENT_TYPE).is_some_and(|it| it == EVENTS);
        is_follower.store(is_stream, Ordering::Relaxed);
        Ok::<_, Infallible>(response)
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(TIMEOUT));
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(TIMEOUT);
    // Ignore the error: the client disconnected.
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
    use crate::inspector::Watch;

    #[tokio::test(start_paused = true)]
    async fn client_that_sends_or_reads_nothing_is_disconnected() {
        let service = PortalService::new(MemoryRegistry::new());
        let inspector = Arc::new(Inspector::new(service, Watch::new(), "http://127.0.0.1:8080"));
        for request in ["", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            // Room for the request, but not for the response.
            let (stream, mut client) = tokio::io::duplex(64);
            client.write_all(request.as_bytes()).await.unwrap();
            let served = serve_connection(stream, inspector.clone(), Arc::default());
            let served = timeout(TIMEOUT + Duration::from_secs(1), served).await;
            assert!(served.is_ok(), "{request}");
        }
    }
}
