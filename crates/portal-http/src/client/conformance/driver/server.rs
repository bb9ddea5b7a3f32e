//! The server of the driver's conformance check. It uses threads, so that a driver may block its
//! own.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::super::waits::{LONG_TIMEOUT, STEP_TIMEOUT};
use super::seen::{Entry, Seen, is_attempt, is_list};

/// What the server does with a request.
#[derive(Clone, Copy)]
pub(super) enum Act {
    /// Responds with a status, headers and a body.
    Respond(&'static str, &'static str, &'static str),
    /// Closes the connection without a response.
    Close,
    /// Announces a longer body than it sends.
    Cut,
    /// Keeps the connection open without responding.
    Hang,
}

/// A server on this machine that handles one request per connection. Accepts no more when dropped.
pub(super) struct Server {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Script {
    seen: Seen,
    tokens: Arc<AtomicUsize>,
    list: fn(usize, &str) -> Act,
    attempt: fn(usize) -> Act,
}

impl Server {
    pub(super) fn start(
        seen: Seen,
        list: fn(usize, &str) -> Act,
        attempt: fn(usize) -> Act,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let script = Script { seen, tokens: Arc::default(), list, attempt };
        let end = is_over.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let script = script.clone();
                // An error here is a connection that the driver closed.
                thread::spawn(move || stream.and_then(|stream| script.serve(stream)));
            }
        });
        Ok(Self { address, is_over })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

impl Script {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(LONG_TIMEOUT))?;
        let Some((line, token)) = read_request(&stream)? else { return Ok(()) };
        let act = if line.starts_with("POST /oauth/v2/token") {
            let number = self.tokens.fetch_add(1, Ordering::SeqCst) + 1;
            let body = format!(
                r#"{{"access_token":"t{number}","token_type":"Bearer","expires_in":3600}}"#
            );
            return respond(&mut stream, "200 OK", "", &body);
        } else if line.starts_with("GET ") {
            let number = self.seen.count(is_list);
            self.seen.note(Entry::List { token: token.clone() });
            (self.list)(number, &token)
        } else {
            let number = self.seen.count(is_attempt);
            self.seen.note(Entry::Attempt);
            (self.attempt)(number)
        };
        match act {
            Act::Respond(status, headers, body) => respond(&mut stream, status, headers, body),
            Act::Close => Ok(()),
            Act::Cut => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut"),
            // Until the driver closes the connection, or has exceeded every timeout.
            Act::Hang => {
                stream.set_read_timeout(Some(STEP_TIMEOUT))?;
                stream.read(&mut [0]).map(drop)
            }
        }
    }
}

/// Reads one request; returns its first line and token, or `None` if the driver only connected.
fn read_request(stream: &TcpStream) -> io::Result<Option<(String, String)>> {
    let mut reader = BufReader::new(stream);
    let mut request_line = String::new();
    if reader.read_line(&mut request_line)? == 0 {
        return Ok(None);
    }
    let (mut token, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => {
                value.trim().rsplit(' ').next().unwrap_or_default().clone_into(&mut token);
            }
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            _ => {}
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    Ok(Some((request_line, token)))
}

fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &str) -> io::Result<()> {
    let length = match body {
        "" if status.starts_with("204") => String::new(),
        _ => format!("content-length: {}\r\n", body.len()),
    };
    let head = format!("HTTP/1.1 {status}\r\n{headers}{length}connection: close\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes())
}
