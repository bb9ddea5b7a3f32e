//! [`Inspector::serve`]: the open connections, and which of them to close.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portal_http::server::Listener;
use portal_store::Registry;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet};
use tokio_io_timeout::TimeoutStream;

use crate::inspector::Inspector;

/// Connections at once. The oldest makes room for a new one, so that open connections keep no health check
/// out; a browser that follows the requests connects again.
const MAX_CONNECTIONS: usize = 64;
/// Longest wait for a head, or for a peer that does not read.
const TIMEOUT: Duration = Duration::from_secs(10);

impl<R: Registry + 'static> Inspector<R> {
    /// Serves the page at `/`, and what else the README names, until the future is dropped.
    ///
    /// It does not authenticate: listen on loopback, unless all who can reach another address may look in.
    pub async fn serve(mut self, listener: impl Into<Listener>) {
        let listener = listener.into();
        self.about.is_exposed = !listener.address().ip().to_canonical().is_loopback();
        let inspector = Arc::new(self);
        let mut tasks = JoinSet::new();
        let mut connections = VecDeque::<AbortHandle>::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Such as out of descriptors; some are given back meanwhile.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            while tasks.try_join_next().is_some() {}
            connections.retain(|connection| !connection.is_finished());
            if connections.len() == MAX_CONNECTIONS
                && let Some(oldest) = connections.pop_front()
            {
                oldest.abort();
            }
            connections.push_back(tasks.spawn(serve_connection(stream, inspector.clone())));
        }
    }
}

async fn serve_connection<R: Registry>(
    stream: impl AsyncRead + AsyncWrite,
    inspector: Arc<Inspector<R>>,
) {
    let service = service_fn(async |request| Ok::<_, Infallible>(inspector.respond(request).await));
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(TIMEOUT));
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(TIMEOUT);
    // Ignore the error: the client disconnected.
    let _ = connection.serve_connection(TokioIo::new(Box::pin(stream)), service).await;
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
            let served = serve_connection(stream, inspector.clone());
            let served = timeout(TIMEOUT + Duration::from_secs(1), served).await;
            assert!(served.is_ok(), "{request}");
        }
    }
}
