//! A server of raw sockets: each test says what it does with a connection.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use portal_http::client::{Client, ClientBuilder, HttpTransport, HttpTransportBuilder, Proxy};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const LISTED: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// It ends with the test.
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
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(Connection { stream, heads: seen.clone() }));
            }
        });
        Self { address, heads, task }
    }

    /// The heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Forgets the heads, of which a long test has many.
    pub(crate) fn forget(&self) {
        self.heads.lock().unwrap().clear();
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

pub(crate) struct Connection<S> {
    pub(crate) stream: S,
    heads: Heads,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Reads one request and its body; nothing at the end of the connection.
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
        // The client may be gone.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Whether the client took it.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The same connection in another layer; nothing if that is refused.
    pub(crate) async fn within<T, F: Future<Output = io::Result<T>>>(
        self,
        layer: impl FnOnce(S) -> F,
    ) -> Option<Connection<T>> {
        Some(Connection { stream: layer(self.stream).await.ok()?, heads: self.heads })
    }
}

impl Connection<TcpStream> {
    /// Ends it with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Leaves it open until the client closes it.
    pub(crate) async fn hang(mut self) {
        while self.stream.read_u8().await.is_ok() {}
    }
}
