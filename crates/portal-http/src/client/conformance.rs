//! Conformance checks for your own [`Transport`], [`TokenCache`] or driver, to be called from your
//! tests.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use portal_http::client::{FileTokenCache, conformance};
//!
//! let directory = tempfile::tempdir()?;
//! let cache = || FileTokenCache::new(directory.path());
//! conformance::token_cache(&cache(), &cache()).await?;
//! # Ok(())
//! # }
//! ```

mod driver;
mod violation;
mod waits;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use portal_model::flow::{NoResponse, TransportError};
use portal_model::oauth::AccessToken;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use self::driver::{DriverRun, TestIntents, driver};
pub use self::violation::Violation;
use self::waits::{LONG_TIMEOUT, SHORT_TIMEOUT};
use super::base_url::BaseUrl;
use super::token_cache::{CacheKey, CachedToken, TokenCache};
use super::transport::{Bounds, Transport};

/// Checks a token cache. `one` and `other` must share an empty storage, as two processes would.
///
/// # Errors
/// The first [`Violation`].
pub async fn token_cache<C: TokenCache>(one: &C, other: &C) -> Result<(), Violation> {
    let accounts: BaseUrl =
        "https://accounts.zoho.com".parse().map_err(|_| Violation::Broken("no URL"))?;
    let [secret, refresh_token] = ["secret", "refresh"].map(|text| text.to_owned().into());
    let [key, second_key] = ["1000.ONE", "1000.TWO"]
        .map(|client| CacheKey::new(&accounts, client, &secret, &refresh_token));
    let [first, second] = ["1000.first", "1000.second"]
        .map(|text| CachedToken::new(&AccessToken::new(text.to_owned()), SystemTime::now()));

    check(one.load(&key).await?.is_none(), "an empty cache has a token")?;
    let lock = one.lock(&key).await?;
    check(timeout(SHORT_TIMEOUT, other.lock(&key)).await.is_err(), "two hold one lock")?;
    check(
        timeout(LONG_TIMEOUT, other.lock(&second_key)).await.is_ok(),
        "a lock holds another key",
    )?;
    one.store(&key, &first).await?;
    check(other.load(&key).await? == Some(first), "what one stores the other does not load")?;
    check(other.load(&second_key).await?.is_none(), "a token shows under another key")?;
    one.store(&key, &second).await?;
    drop(lock);
    // The call that timed out must not hold the lock either.
    check(timeout(LONG_TIMEOUT, other.lock(&key)).await.is_ok(), "a lock stays locked")?;
    check(other.load(&key).await? == Some(second), "a stored token is not replaced")
}

/// Checks a transport that connects to the host of a URL, against a server on this machine.
///
/// # Errors
/// The first [`Violation`].
pub async fn transport(transport: &impl Transport) -> Result<(), Violation> {
    let bounds = Bounds::new(LONG_TIMEOUT);
    let responding = Server::start(
        b"HTTP/1.1 400 Bad Request\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nbody",
    )
    .await?;
    let response = transport.send(responding.request()?, bounds).await;
    let whole = response.is_ok_and(|response| {
        response.status() == 400
            && response.headers().get("retry-after").is_some_and(|value| value == "7")
            && response.body() == "body"
    });
    check(whole, "a response does not arrive as it was sent")?;
    check(responding.requests() == 1, "a request does not arrive as it was sent, once")?;
    let response = transport.send(responding.request()?, Bounds { body: 3, ..bounds }).await;
    check(lost(response) == Some(NoResponse::TooLarge { limit: 3 }), "a body has no bound")?;

    let cutting = Server::start(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut").await?;
    for sent in 1..=2 {
        let response = transport.send(cutting.request()?, bounds).await;
        check(lost(response).is_some(), "a cut response does not count as lost")?;
        check(cutting.requests() == sent, "a request is sent again")?;
    }

    let silent = Server::start(b"").await?;
    let response =
        timeout(LONG_TIMEOUT, transport.send(silent.request()?, Bounds::new(SHORT_TIMEOUT))).await;
    check(
        response.is_ok_and(|response| response.is_err()),
        "a missing response does not end in time",
    )?;

    let address = silent.address;
    drop(silent);
    let response = transport.send(request(address)?, bounds).await;
    check(response.is_err(), "a server that is gone responds")
}

/// A server on this machine that closes each connection after one response, or never responds if it
/// has none. Stops when dropped.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

const BODY: &[u8] = b"a body of the conformance test";

impl Server {
    async fn start(response: &'static [u8]) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicUsize::new(0));
        let count = requests.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, response, count.clone()));
            }
        });
        Ok(Self { address, requests, _tasks: tasks })
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn request(&self) -> Result<http::Request<Bytes>, Violation> {
        request(self.address)
    }
}

fn request(address: SocketAddr) -> Result<http::Request<Bytes>, Violation> {
    http::Request::post(format!("http://{address}/conformance"))
        .body(Bytes::from_static(BODY))
        .map_err(|_| Violation::Broken("no request"))
}

async fn serve(
    mut stream: TcpStream,
    response: &[u8],
    requests: Arc<AtomicUsize>,
) -> io::Result<()> {
    let mut received = Vec::new();
    while !received.ends_with(BODY) {
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
    if received.starts_with(b"POST /conformance HTTP/1.1\r\n") {
        requests.fetch_add(1, Ordering::SeqCst);
    }
    if response.is_empty() {
        // Keep the connection open until the client closes it.
        stream.read_buf(&mut received).await?;
    }
    stream.write_all(response).await
}

fn lost(response: Result<http::Response<Bytes>, TransportError>) -> Option<NoResponse> {
    match response {
        Err(TransportError::NoResponse(why)) => Some(why),
        _ => None,
    }
}

fn check(kept: bool, broken: &'static str) -> Result<(), Violation> {
    if kept { Ok(()) } else { Err(Violation::Broken(broken)) }
}
