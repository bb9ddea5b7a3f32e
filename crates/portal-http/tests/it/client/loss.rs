//! A client that ends under packet loss: nothing of its attempt arrives once the loss is over.
//!
//! The loss is real: a filter on the service's own sockets drops packets before the kernel
//! acknowledges them, so the client's kernel keeps on sending for as long as its socket exists.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use portal_http::client::{Bounds, HttpTransport, Proxy, Transport as _, TransportError};
use portal_model::flow::NoResponse;
use socket2::{SockFilter, SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::peer::plain;
use super::tls::{acceptor, file};

/// How the client reaches the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Plain,
    Tls,
    /// Through a tunnel of a proxy.
    Tunnel,
    /// Through a tunnel of a proxy that is itself reached by TLS.
    TlsTunnel,
}

const ROUTES: [Route; 4] = [Route::Plain, Route::Tls, Route::Tunnel, Route::TlsTunnel];

/// How the client ends while its request is on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Killed,
    Dropped,
    TimedOut,
}

const ENDS: [End; 3] = [End::Killed, End::Dropped, End::TimedOut];

/// More than any packet of a handshake, less than [`BODY`].
const LARGE: u32 = 3000;
const BODY: usize = 4096;

/// Drops packets with more than [`LARGE`] bytes: the request, but no handshake.
fn large_packets() -> [SockFilter; 4] {
    const LOAD_LENGTH: u16 = 0x80;
    const JUMP_IF_GREATER: u16 = 0x25;
    const RETURN: u16 = 0x06;
    [
        SockFilter::new(LOAD_LENGTH, 0, 0, 0),
        SockFilter::new(JUMP_IF_GREATER, 1, 0, LARGE),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Drops every packet.
fn all_packets() -> [SockFilter; 1] {
    [SockFilter::new(0x06, 0, 0, 0)]
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A service, or a proxy and the service behind it, that accepts one connection.
struct Service {
    listener: TcpListener,
    route: Route,
}

impl Service {
    async fn start(route: Route) -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), route }
    }

    fn url(&self) -> String {
        url(self.route, self.listener.local_addr().unwrap())
    }

    fn transport(&self) -> HttpTransport {
        transport(self.route, self.listener.local_addr().unwrap())
    }

    /// Accepts a connection up to where the request begins. Returns its TCP socket as well.
    async fn accept(&self) -> (socket2::Socket, Box<dyn Stream>) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let socket = SockRef::from(&stream).try_clone().unwrap();
        let mut stream: Box<dyn Stream> = Box::new(stream);
        if self.route == Route::TlsTunnel {
            stream = Box::new(acceptor().accept(stream).await.unwrap());
        }
        if matches!(self.route, Route::Tunnel | Route::TlsTunnel) {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        }
        if matches!(self.route, Route::Tls | Route::Tunnel | Route::TlsTunnel) {
            stream = Box::new(acceptor().accept(stream).await.unwrap());
        }
        (socket, stream)
    }
}

fn url(route: Route, address: SocketAddr) -> String {
    match route {
        Route::Plain => format!("http://{address}/"),
        Route::Tls => format!("https://{address}/"),
        // No proxy leads to this machine.
        Route::Tunnel | Route::TlsTunnel => "https://www.zohoapis.example/".to_owned(),
    }
}

fn transport(route: Route, address: SocketAddr) -> HttpTransport {
    let proxy = match route {
        Route::Plain | Route::Tls => Proxy::none(),
        Route::Tunnel => Proxy::new(&format!("http://{address}"), []).unwrap(),
        Route::TlsTunnel => Proxy::new(&format!("https://{address}"), []).unwrap(),
    };
    plain().ca_file(file("ca.pem")).proxy(proxy).build().unwrap()
}

async fn attempt(
    transport: &HttpTransport,
    url: &str,
    time: Duration,
) -> Result<http::Response<Bytes>, TransportError> {
    let request = http::Request::post(url).body(Bytes::from_static(&[b'x'; BODY])).unwrap();
    transport.send(request, Bounds::of_attempt(time)).await
}

/// Waits until the kernel holds bytes of the client that the service's has not acknowledged.
async fn is_sent(service: &socket2::Socket) {
    let port = |address: socket2::SockAddr| format!(":{:04X}", address.as_socket().unwrap().port());
    let (local, remote) = (port(service.peer_addr().unwrap()), port(service.local_addr().unwrap()));
    loop {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let is_waiting = sockets.lines().skip(1).any(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let is_of_client = fields[1].ends_with(&local) && fields[2].ends_with(&remote);
            is_of_client && !fields[4].starts_with("00000000:")
        });
        if is_waiting {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// How long packets are lost: a few seconds, or as many as the environment says.
fn loss() -> Duration {
    let seconds = std::env::var("PORTAL_LOSS").ok();
    Duration::from_secs(seconds.map_or(4, |seconds| seconds.parse().unwrap()))
}

/// Plays one client that ends. Fails if anything of its attempt arrives. Returns false if the machine
/// was too busy to send it in time.
async fn delivers_nothing(end: End, route: Route) -> bool {
    let loss = loss();
    let service = Service::start(route).await;
    // Accepted connections inherit the filter.
    SockRef::from(&service.listener).attach_filter(&large_packets()).unwrap();
    let (url, transport) = (service.url(), service.transport());
    let time = if end == End::TimedOut { Duration::from_secs(2) } else { loss * 10 };
    let mut killed = (end == End::Killed).then(|| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "client::loss::process_making_attempt"])
            .env("IT_ROUTE", ROUTES.iter().position(|other| *other == route).unwrap().to_string())
            .env("IT_ADDRESS", service.listener.local_addr().unwrap().to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    });
    let sending = async {
        match &killed {
            Some(_) => std::future::pending().await,
            None => attempt(&transport, &url, time).await,
        }
    };
    let cut_off = async {
        let (socket, stream) = service.accept().await;
        socket.attach_filter(&all_packets()).unwrap();
        is_sent(&socket).await;
        (Instant::now(), socket, stream)
    };
    let (began, socket, mut stream) = {
        let mut sending = std::pin::pin!(sending);
        let seen = tokio::select! {
            seen = cut_off => seen,
            _ = &mut sending => return false,
        };
        match end {
            End::Killed => sleep_until(seen.0 + Duration::from_secs(1)).await,
            End::Dropped => {
                assert!(timeout(Duration::from_secs(1), sending).await.is_err());
            }
            End::TimedOut => {
                let sent = sending.await;
                assert_eq!(sent.unwrap_err(), NoResponse::TimedOut.into(), "{route:?}");
            }
        }
        seen
    };
    if let Some(child) = &mut killed {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    sleep_until(began + loss).await;
    socket.detach_filter().unwrap();
    // The service's kernel now asks the client's whether the connection is still there. It is not,
    // so the first that arrives is a reset.
    let every_second =
        TcpKeepalive::new().with_time(Duration::from_secs(1)).with_interval(Duration::from_secs(1));
    socket.set_tcp_keepalive(&every_second).unwrap();
    let mut received = [0; 100];
    let arrived = timeout(loss * 2 + Duration::from_secs(10), stream.read(&mut received)).await;
    match arrived.expect("either arrives") {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        other => panic!("{end:?}, {route:?}: {other:?}"),
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_client_delivers_nothing_after_packet_loss() {
    let mut all = JoinSet::new();
    for end in ENDS {
        for route in ROUTES {
            all.spawn(async move {
                for _ in 0..10 {
                    if delivers_nothing(end, route).await {
                        return;
                    }
                }
                panic!("{end:?}, {route:?}: never sent");
            });
        }
    }
    all.join_all().await;
}

#[tokio::test]
async fn attempt_with_response_ends_without_reset() {
    for route in ROUTES {
        let service = Service::start(route).await;
        let serve = async {
            let (_, mut stream) = service.accept().await;
            let mut request = Vec::new();
            while !request.ends_with(&[b'x'; BODY]) {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody").await.unwrap();
            stream.read_buf(&mut request).await.unwrap()
        };
        let (transport, url) = (service.transport(), service.url());
        let (response, after) =
            tokio::join!(attempt(&transport, &url, Duration::from_secs(10)), serve);
        assert_eq!(response.unwrap().body(), "body", "{route:?}");
        assert_eq!(after, 0, "{route:?}");
    }
}

/// Makes the attempt during which the test above kills it.
#[tokio::test]
#[ignore = "a process that another test starts"]
async fn process_making_attempt() {
    let environment = |name| std::env::var(name).expect("another test starts it");
    let route = ROUTES[environment("IT_ROUTE").parse::<usize>().unwrap()];
    let service = environment("IT_ADDRESS").parse().unwrap();
    let _ = attempt(&transport(route, service), &url(route, service), loss() * 10).await;
}
