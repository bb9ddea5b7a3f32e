//! One request and one response as bytes, without a library: what the load costs must be little
//! beside what it measures.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

/// A request with a token and a body, or without those that are empty.
pub(crate) fn request(
    method: &str,
    path: &str,
    token: &str,
    content_type: &str,
    body: &str,
) -> Vec<u8> {
    let authorization = match token {
        "" => String::new(),
        _ => format!("Authorization: Zoho-oauthtoken {token}\r\n"),
    };
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}{length}\r\n{body}")
        .into_bytes()
}

/// A response that has arrived in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) status: u16,
    /// Where the body begins, and where it ends.
    pub(crate) body: usize,
    pub(crate) end: usize,
}

/// The response in `bytes`, once it is whole. Each has a length, as those of the server do.
fn received(bytes: &[u8]) -> Option<Received> {
    let body = bytes.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(bytes.get(..body)?).expect("an ASCII head");
    let status = head.get(9..12).and_then(|it| it.parse().ok()).expect("a status");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    let length = length.map_or(0, |length| length.expect("a length"));
    let end = body + length;
    (bytes.len() >= end).then_some(Received { status, body, end })
}

/// Sends a request, and reads the response into the buffer.
pub(crate) async fn send(
    stream: &mut TcpStream,
    request: &[u8],
    response: &mut Vec<u8>,
) -> Received {
    stream.write_all(request).await.expect("the server reads");
    response.clear();
    loop {
        let length = stream.read_buf(response).await.expect("the server responds");
        assert_ne!(length, 0, "the server closed the connection");
        if let Some(received) = received(response) {
            return received;
        }
    }
}

/// Sends one request over a connection of its own; gives the status and the body.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> (u16, String) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        let mut bytes = Vec::new();
        let Received { status, body, end } = send(&mut stream, request, &mut bytes).await;
        let body = bytes.get(body..end).expect("it is whole");
        (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_is_received_once_whole() {
        let response = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(received(&response[..response.len() - 1]), None);
        assert_eq!(received(response), Some(Received { status: 201, body: 43, end: 45 }));
        let without_body = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(received(without_body).map(|it| it.status), Some(204));
    }
}
