//! Writes HTTP as bytes to a socket, so that no client library corrects what a test sends.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::schema;

/// A request over a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    has_host: bool,
}

impl Wire {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, headers: Vec::new(), body: Vec::new(), has_host: true }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without_host(mut self) -> Self {
        self.has_host = false;
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Zoho-oauthtoken {token}"))
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub(crate) fn bytes(&self, host: &str) -> Vec<u8> {
        let mut head = vec![format!("{} {} HTTP/1.1", self.method, self.target)];
        if self.has_host && !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head.push(format!("Host: {host}"));
        }
        head.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        head.push(format!("Content-Length: {}", self.body.len()));
        head.push("Connection: close\r\n\r\n".to_owned());
        let head = head.join("\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// Sends the request; `None` if the server closes the connection without a response.
    pub(crate) async fn send(&self, url: &str) -> Option<WireResponse> {
        let host = url.strip_prefix("http://").unwrap();
        let received = exchange(host, &self.bytes(host)).await;
        (!received.is_empty()).then(|| {
            let mut response = WireResponse::read(&received);
            response.documented = self.documented(&response);
            response
        })
    }

    /// Returns the name of the documented response that `response` matches.
    ///
    /// # Panics
    /// If it matches none, unless a fault replaced it or another server sent it.
    fn documented(&self, response: &WireResponse) -> Option<String> {
        let is_cut = response.content_length().is_some_and(|length| length > response.body.len());
        let is_fault = is_cut || response.header("content-type") == Some("text/html");
        let path = self.target.parse::<http::Uri>().map(|uri| uri.path().to_owned());
        let path = path.unwrap_or_default();
        if is_fault || self.method == "HEAD" || path == "/health" {
            return None;
        }
        let (status, body) = (response.status, response.json());
        let name = schema::name_of(&self.method, &path, status, body.as_ref());
        assert!(name.is_some(), "not in schema/responses.json: {self:?}: {status} {body:?}");
        name
    }
}

/// Sends `bytes` and returns everything received until the connection ends.
pub(crate) async fn exchange(host: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut received = Vec::new();
    // A reset ends the connection too; what was received before it counts.
    let _ = stream.read_to_end(&mut received).await;
    received
}

/// The response to a request.
#[derive(Debug)]
pub(crate) struct WireResponse {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Its name in [`schema`]; `None` if a fault replaced it.
    pub(crate) documented: Option<String>,
}

impl WireResponse {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let pair = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned()));
        let headers = lines.map(|line| pair(line).unwrap()).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec(), documented: None }
    }

    /// Returns the value of the header, which must not occur twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} comes twice");
        value
    }

    /// Returns the body as JSON; `None` if there is none.
    pub(crate) fn json(&self) -> Option<Value> {
        if self.body.is_empty() {
            return None;
        }
        Some(serde_json::from_slice(&self.body).expect("a body is JSON"))
    }

    /// Returns the length of the body according to the head.
    pub(crate) fn content_length(&self) -> Option<usize> {
        self.header("content-length").map(|length| length.parse().unwrap())
    }
}
