//! [`Peer`]: a server over raw sockets; each test decides what it does with a connection.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use portal_http::client::{Client, ClientBuilder, HttpTransport, HttpTransportBuilder, Proxy};
use portal_model::oauth::AccessToken;
use portal_model::server;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::script::access_token;

pub(crate) const LISTED: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// A server that ends when it is dropped.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    heads: Heads,
    task: JoinHandle<()>,
}

type Heads = Arc<Mutex<Vec<String>>>;

impl Peer {
    pub(crate) async fn start<F>(
        serve: impl Fn(Connection<TcpStream>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Heads::default();
        let seen = heads.clone();
        let task = tokio::spawn(async move {
            loop {
                // On Windows one that was closed meanwhile is an error.
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(serve(Connection { stream, heads: seen.clone() }));
            }
        });
        Self { address, heads, task }
    }

    /// Sends `bytes` after one request, then closes the connection.
    pub(crate) async fn closing_after(bytes: &'static [u8]) -> Self {
        Self::start(move |mut connection| async move {
            connection.request().await;
            connection.write(bytes).await;
        })
        .await
    }

    /// Issues tokens and lists no portals.
    pub(crate) async fn granting() -> Self {
        Self::start(Connection::serve_tokens_and_lists).await
    }

    /// Returns the heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Discards the recorded heads, which would pile up in a long test.
    pub(crate) fn forget(&self) {
        self.heads.lock().unwrap().clear();
    }

    /// Returns the first lines of the requests so far.
    pub(crate) fn request_lines(&self) -> Vec<String> {
        self.heads().iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
    }

    pub(crate) fn posts(&self) -> usize {
        self.heads().iter().filter(|head| head.starts_with("POST")).count()
    }

    pub(crate) fn client(&self) -> ClientBuilder {
        client(plain(), &format!("http://{}", self.address))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn plain() -> HttpTransportBuilder {
    HttpTransport::builder().proxy(Proxy::none())
}

pub(crate) fn client(transport: HttpTransportBuilder, url: &str) -> ClientBuilder {
    Client::builder().transport(transport.build().unwrap()).api_url(url).accounts_url(url)
}

/// A client for the API only.
pub(crate) fn with_access_token(builder: ClientBuilder) -> Client {
    builder.build(access_token()).unwrap()
}

/// The bytes of a response.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\n{headers}\r\n").as_bytes(), body].concat()
}

/// The bytes of a response with its `content-length`.
pub(crate) fn with_length(status: &str, body: &[u8]) -> Vec<u8> {
    response(status, &format!("content-length: {}\r\n", body.len()), body)
}

pub(crate) struct Connection<S> {
    pub(crate) stream: S,
    heads: Heads,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Reads one request with its body and returns its head; `None` at the end of the connection.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        self.heads.lock().unwrap().push(head.clone());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(head)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // The client may have closed the connection.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Returns whether the client still reads.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Responds with 200 and `body`.
    pub(crate) async fn respond(&mut self, body: &[u8]) {
        self.write(&with_length("200 OK", body)).await;
    }

    /// Issues a token for every request to the accounts server, and lists no portals.
    pub(crate) async fn serve_tokens_and_lists(mut self) {
        while let Some(head) = self.request().await {
            if head.starts_with("POST /oauth") {
                self.respond(&server::granted(&AccessToken::new("t1".to_owned())).body).await;
            } else {
                self.write(LISTED).await;
            }
        }
    }

    /// Wraps the stream in another layer; `None` if that fails.
    pub(crate) async fn within<T, F: Future<Output = io::Result<T>>>(
        self,
        layer: impl FnOnce(S) -> F,
    ) -> Option<Connection<T>> {
        Some(Connection { stream: layer(self.stream).await.ok()?, heads: self.heads })
    }
}

impl Connection<TcpStream> {
    /// Closes the connection with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Keeps the connection open until the client closes it.
    pub(crate) async fn hang(mut self) {
        while self.stream.read_u8().await.is_ok() {}
    }
}
