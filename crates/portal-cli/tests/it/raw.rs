//! HTTP without a client, to send what no client would.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::Served;

pub(crate) struct Response {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect(&self.body)
    }
}

/// Sends a request to a listener, whose `Host` is among `headers` if it is another than its address.
pub(crate) fn send(url: &str, request: &str, headers: &[&str], body: &str) -> Response {
    let address = url.trim_start_matches("http://");
    let (host, length) = (format!("Host: {address}"), format!("Content-Length: {}", body.len()));
    let mut lines = vec!["Connection: close", &*length];
    lines.extend(headers);
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        lines.push(&host);
    }
    let text = format!("{request} HTTP/1.1\r\n{}\r\n\r\n{body}", lines.join("\r\n"));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.split(' ').nth(1).expect("a status").parse().unwrap();
    Response { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// The header with a new access token for the server's org.
pub(crate) fn authorization(server: &Served) -> String {
    let text = |key: &str| server.listening[key].as_str().unwrap();
    let form = format!(
        "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
        text("client_id"),
        text("client_secret"),
        text("refresh_token")
    );
    let granted = send(server.url(), "POST /oauth/v2/token", &[], &form).json();
    format!("Authorization: Bearer {}", granted["access_token"].as_str().unwrap())
}

/// The response to a request without a token.
pub(crate) fn request(url: &str, method: &str, path: &str, host: &str) -> String {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        .unwrap();
    std::io::read_to_string(stream).unwrap()
}
