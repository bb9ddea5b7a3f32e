//! The server of the check. It uses threads, so that a host may block its own.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::mem::discriminant;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Far longer than any step takes on a busy machine.
pub(super) const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// A request at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    List { token: String },
    Attempt,
}

pub(super) const fn is_attempt(entry: &Entry) -> bool {
    matches!(entry, Entry::Attempt)
}

pub(super) const fn is_list(entry: &Entry) -> bool {
    matches!(entry, Entry::List { .. })
}

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

/// What the server does with each list, by its number from 0 and its token.
pub(super) type OnList = fn(usize, &str) -> Act;

/// A server on this machine that handles one request per connection. Accepts no more when dropped.
pub(super) struct Server {
    address: SocketAddr,
    script: Arc<Script>,
}

struct Script {
    /// The requests, in order.
    seen: Mutex<Vec<(Instant, Entry)>>,
    tokens: AtomicUsize,
    is_over: AtomicBool,
    list: OnList,
    acts: &'static [Act],
}

impl Server {
    /// Does each of `acts` with one attempt, and the last with all that follow.
    pub(super) fn start(list: OnList, acts: &'static [Act]) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (seen, tokens, is_over) = Default::default();
        let script = Arc::new(Script { seen, tokens, is_over, list, acts });
        let shared = script.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let script = shared.clone();
                // An error here is a connection that the client closed.
                thread::spawn(move || stream.and_then(|stream| script.serve(stream)));
            }
        });
        Ok(Self { address, script })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.script.seen().iter().map(|(_, entry)| entry.clone()).collect()
    }

    pub(super) fn times(&self, is_wanted: fn(&Entry) -> bool) -> Vec<Instant> {
        let wanted = |(time, entry): &(Instant, Entry)| is_wanted(entry).then_some(*time);
        self.script.seen().iter().filter_map(wanted).collect()
    }

    pub(super) fn count(&self, is_wanted: fn(&Entry) -> bool) -> usize {
        self.times(is_wanted).len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.script.is_over.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

impl Script {
    fn seen(&self) -> MutexGuard<'_, Vec<(Instant, Entry)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many of its kind came before.
    fn note(&self, entry: Entry) -> usize {
        let mut seen = self.seen();
        let is_of_kind = |other: &Entry| discriminant(other) == discriminant(&entry);
        let before = seen.iter().filter(|(_, other)| is_of_kind(other)).count();
        seen.push((Instant::now(), entry));
        before
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(STEP_TIMEOUT * 2))?;
        let Some((line, token)) = read_request(&stream)? else { return Ok(()) };
        let act = if line.starts_with("POST /oauth/v2/token") {
            let number = self.tokens.fetch_add(1, Ordering::SeqCst) + 1;
            let body = format!(
                r#"{{"access_token":"t{number}","token_type":"Bearer","expires_in":3600}}"#
            );
            return respond(&mut stream, "200 OK", "", &body);
        } else if line.starts_with("GET ") {
            let number = self.note(Entry::List { token: token.clone() });
            (self.list)(number, &token)
        } else {
            let number = self.note(Entry::Attempt);
            *self.acts.get(number).or(self.acts.last()).unwrap_or(&Act::Close)
        };
        match act {
            Act::Respond(status, headers, body) => respond(&mut stream, status, headers, body),
            Act::Close => Ok(()),
            Act::Cut => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut"),
            // Until the client closes the connection, or has exceeded every timeout.
            Act::Hang => {
                stream.set_read_timeout(Some(STEP_TIMEOUT))?;
                stream.read(&mut [0]).map(drop)
            }
        }
    }
}

/// Reads one request; returns its first line and token, or `None` if the host only connected.
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
