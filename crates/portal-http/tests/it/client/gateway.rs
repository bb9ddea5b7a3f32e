//! A gateway between client and server that misbehaves in the ways that a safe create has to
//! survive.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use portal_http::client::{Bounds, HttpTransport, Transport, TransportError};
use portal_model::flow::NoResponse;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

type Exchange = Result<Response<Bytes>, TransportError>;

/// Forwards requests to one org. Some lists are stale. Some attempts are repeated, and either
/// response is delivered; for some it gives up at once, and they take effect later.
#[derive(Clone)]
pub(crate) struct Gateway {
    inner: HttpTransport,
    /// Maximum staleness of a list.
    lag: Duration,
    /// How much later than its response an attempt may arrive.
    delay: Duration,
    org: Arc<Org>,
    /// A clone is held by each request in flight, so that a test can wait for all of them.
    under_way: mpsc::Sender<()>,
}

#[derive(Default)]
struct Org {
    requests: AtomicUsize,
    /// A list from just before an attempt, and when it was requested.
    earlier: Mutex<Option<(Instant, Response<Bytes>)>>,
}

impl Gateway {
    pub(crate) fn new(
        inner: HttpTransport,
        lag: Duration,
        delay: Duration,
        under_way: mpsc::Sender<()>,
    ) -> Self {
        Self { inner, lag, delay, org: Arc::default(), under_way }
    }

    async fn list(&self, number: usize, request: Request<Bytes>, bounds: Bounds) -> Exchange {
        let earlier = self.org.earlier.lock().unwrap().clone();
        match earlier {
            Some((at, list)) if number.is_multiple_of(2) && at.elapsed() < self.lag => Ok(list),
            _ => self.inner.send(request, bounds).await,
        }
    }

    /// Stores what the list of the org shows before `attempt`.
    async fn remember(&self, attempt: &Request<Bytes>, bounds: Bounds) {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = attempt.uri().clone();
        let authorization = attempt.headers()["authorization"].clone();
        request.headers_mut().insert("authorization", authorization);
        let at = Instant::now();
        if let Ok(list) = self.inner.send(request, bounds).await
            && matches!(list.status().as_u16(), 200 | 204)
        {
            *self.org.earlier.lock().unwrap() = Some((at, list));
        }
    }

    async fn attempt(self, number: usize, request: Request<Bytes>, bounds: Bounds) -> Exchange {
        let again = request.clone();
        let first = self.inner.send(request, bounds.clone()).await;
        let is_failure = first.as_ref().map_or(true, |first| first.status().is_server_error());
        match number % 11 {
            3 => self.inner.send(again, bounds).await,
            5 if is_failure => self.inner.send(again, bounds).await,
            7 => self.inner.send(again, bounds).await.and(first),
            _ => first,
        }
    }
}

impl Transport for Gateway {
    async fn send(&self, request: Request<Bytes>, bounds: Bounds) -> Exchange {
        let is_of_portals = request.uri().path().ends_with("/settings/portals");
        let number = self.org.requests.fetch_add(1, Ordering::Relaxed);
        match *request.method() {
            Method::GET if is_of_portals => self.list(number, request, bounds).await,
            Method::POST if is_of_portals => {
                let (gateway, under_way) = (self.clone(), self.under_way.clone());
                // Continues after the client has hung up.
                let time = bounds.time;
                let attempt = tokio::spawn(async move {
                    let _under_way = under_way;
                    gateway.remember(&request, bounds.clone()).await;
                    if number % 11 == 9 {
                        sleep(gateway.delay).await;
                    }
                    gateway.attempt(number, request, bounds).await
                });
                if number % 11 == 9 {
                    let mut response = Response::new(Bytes::from("<html>Gateway Timeout</html>"));
                    *response.status_mut() = http::StatusCode::GATEWAY_TIMEOUT;
                    return Ok(response);
                }
                let response = timeout(time, attempt).await;
                response.map_err(|_| NoResponse::TimedOut)?.unwrap()
            }
            _ => self.inner.send(request, bounds).await,
        }
    }
}
