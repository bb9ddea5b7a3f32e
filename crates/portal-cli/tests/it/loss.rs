//! `portal create` that ends under packet loss: nothing of it arrives once the loss is over.
//!
//! The loss is real: a filter on the service's own sockets drops packets before the kernel
//! acknowledges them.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use portal_testkit::Signal;
use socket2::{SockFilter, SockRef, TcpKeepalive};

use crate::support::{Home, Running, wait_until};

/// How the command ends while its create is on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Killed,
    Interrupted,
}

const ALL: u32 = u32::MAX;
const NOTHING: u32 = 0;
const RETURN: u16 = 0x06;

/// Drops packets that start with `POST /crm`: only a create does.
fn creates() -> [SockFilter; 11] {
    let step = |code, k| SockFilter::new(code, 0, 0, k);
    [
        // The upper half of byte 12 is the length of the TCP header, in words of four bytes.
        step(0x30, 12),
        step(0x54, 0xf0),
        step(0x74, 2),
        // X is that length; what follows it has at least nine bytes.
        step(0x07, 0),
        step(0x80, 0),
        step(0x1c, 0),
        SockFilter::new(0x35, 0, 2, 9),
        step(0x40, 5),
        SockFilter::new(0x15, 1, 0, u32::from_be_bytes(*b"/crm")),
        step(RETURN, ALL),
        step(RETURN, NOTHING),
    ]
}

/// Serves tokens and empty lists until the test ends.
struct Service {
    url: String,
    port: u16,
    connections: Arc<Mutex<Vec<Connection>>>,
}

struct Connection {
    socket: TcpStream,
    /// How it ends.
    served: JoinHandle<io::Result<()>>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Accepted connections inherit the filter.
        SockRef::from(&listener).attach_filter(&creates()).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<Mutex<Vec<Connection>>>::default();
        let accepted = connections.clone();
        spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let socket = stream.try_clone().unwrap();
                let served = spawn(move || serve(stream));
                accepted.lock().unwrap().push(Connection { socket, served });
            }
        });
        Self { url: format!("http://{address}"), port: address.port(), connections }
    }

    /// Returns the connection on which the command had to send again: only a create is lost.
    fn of_create(&self) -> Option<Connection> {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let service = format!(":{:04X}", self.port);
        let port = sockets.lines().skip(1).find_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let is_lost = fields[2].ends_with(&service) && fields[6] != "00000000";
            is_lost.then(|| u16::from_str_radix(&fields[1][9..], 16).unwrap())
        })?;
        let mut connections = self.connections.lock().unwrap();
        let is_found = |one: &Connection| one.socket.peer_addr().is_ok_and(|at| at.port() == port);
        connections.iter().position(is_found).map(|at| connections.remove(at))
    }
}

/// Responds until the client closes the connection. Panics if a create arrives.
fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(loss() * 2 + Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let response = if head.starts_with("POST /oauth") {
            let body = r#"{"access_token":"t1","token_type":"Bearer","expires_in":3600}"#;
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        } else if head.starts_with("GET ") {
            "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
        } else {
            panic!("{head} arrived")
        };
        reader.get_mut().write_all(response.as_bytes())?;
    }
}

/// How long packets are lost: a few seconds, or as many as the environment says.
fn loss() -> Duration {
    let seconds = std::env::var("PORTAL_LOSS").ok();
    Duration::from_secs(seconds.map_or(4, |seconds| seconds.parse().unwrap()))
}

/// Plays one command that ends. Fails if anything of its create arrives.
fn delivers_nothing(end: End) {
    let (home, service) = (Home::new(), Service::start());
    let mut command = home.command(&["create", "PortalsAPItest100"]);
    command
        .env("PORTAL_API_DOMAIN", &service.url)
        .env("PORTAL_ACCOUNTS_URL", &service.url)
        .env("PORTAL_CLIENT_ID", "1000.ID")
        .env("PORTAL_CLIENT_SECRET", "secret")
        .env("PORTAL_REFRESH_TOKEN", "refresh")
        .env("PORTAL_ORG_ID", "7000");
    let create = Running::start(command);
    let mut found = None;
    wait_until(|| {
        found = service.of_create();
        found.is_some()
    });
    let (began, connection) = (Instant::now(), found.unwrap());
    let socket = SockRef::from(&connection.socket);
    socket.attach_filter(&[SockFilter::new(RETURN, 0, 0, NOTHING)]).unwrap();
    sleep(Duration::from_secs(1));
    match end {
        End::Killed => create.kill(),
        End::Interrupted => {
            create.signal(Signal::INT);
            assert_eq!(create.wait().status, 5);
        }
    }

    sleep(loss().saturating_sub(began.elapsed()));
    socket.detach_filter().unwrap();
    // The service's kernel now asks whether the connection is still there. It is not, so the first
    // that arrives is a reset.
    let every_second =
        TcpKeepalive::new().with_time(Duration::from_secs(1)).with_interval(Duration::from_secs(1));
    socket.set_tcp_keepalive(&every_second).unwrap();
    let error = connection.served.join().expect("nothing arrives").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{end:?}");
}

#[test]
fn killed_create_delivers_nothing_after_loss() {
    delivers_nothing(End::Killed);
}

#[test]
fn interrupted_create_delivers_nothing_after_loss() {
    delivers_nothing(End::Interrupted);
}
