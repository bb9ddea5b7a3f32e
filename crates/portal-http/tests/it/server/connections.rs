//! The accept loop: how many, how long, how large, and how it ends.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use portal_http::server::{
    BODY_LIMIT, LocalServer, PortalService, PortalServiceBuilder, Server, ServerLimits,
};
use portal_store::MemoryRegistry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::{create, list, names, token_of};
use crate::wire::{Answer, Wire, exchange};

const LONG: Duration = Duration::from_secs(20);

/// A server with limits of its own over the registry of `local`, and what ends it.
struct Limited {
    local: LocalServer,
    host: String,
    end: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Limited {
    async fn start(adjust: impl FnOnce(&mut ServerLimits), fault: Option<&str>) -> Self {
        Self::start_service(adjust, |service| match fault {
            Some(fault) => service.fault(fault.parse().unwrap()),
            None => service,
        })
        .await
    }

    async fn start_service(
        adjust: impl FnOnce(&mut ServerLimits),
        build: impl FnOnce(PortalServiceBuilder<MemoryRegistry>) -> PortalServiceBuilder<MemoryRegistry>,
    ) -> Self {
        let local = LocalServer::start().await.unwrap();
        let service = build(PortalService::builder(local.registry().clone()));
        let mut limits = ServerLimits::default();
        adjust(&mut limits);
        let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let host = server.address().to_string();
        let (end, ended) = oneshot::channel();
        let ended = async { drop(ended.await) };
        let serving = tokio::spawn(server.with_limits(limits).serve(service.build(), ended));
        Self { local, host, end: Some(end), serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.host).await.unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    fn ask_to_end(&mut self) {
        self.end.take().unwrap().send(()).unwrap();
    }
}

/// Waits until a create has taken effect, whose response may be delayed.
async fn wait_for_portal(server: &LocalServer) {
    let created = async {
        while names(server).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, created).await.expect("a portal is created");
}

async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut received)).await;
    // A reset is an end too.
    drop(read.expect("the connection ends"));
    received
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_served_once_another_one_ends() {
    let server = Limited::start(|limits| limits.max_connections = 1, None).await;
    let token = token_of(&server.local).await;
    let first = server.connect().await;
    let url = server.url();
    let mut second = tokio::spawn(async move { list(&token).send(&url).await });
    assert!(timeout(Duration::from_millis(100), &mut second).await.is_err());
    drop(first);
    assert_eq!(timeout(LONG, second).await.unwrap().unwrap().unwrap().status, 204);
}

#[tokio::test]
async fn a_head_that_never_ends_and_an_idle_connection_are_closed() {
    let server =
        Limited::start(|limits| limits.header_read_timeout = Duration::from_millis(50), None).await;
    let mut half = server.connect().await;
    half.write_all(b"POST /crm/v7/settings/portals HTTP/1.1\r\nHost").await.unwrap();
    rest(half).await;
    assert_eq!(rest(server.connect().await).await, b"");
}

#[tokio::test]
async fn a_body_that_stops_half_way_is_answered_and_creates_nothing() {
    let server =
        Limited::start(|limits| limits.body_timeout = Duration::from_millis(50), None).await;
    let token = token_of(&server.local).await;
    let request = create(&token, "AcmePortal").bytes(&server.host);
    let mut stream = server.connect().await;
    stream.write_all(&request[..request.len() - 5]).await.unwrap();
    let answer = Answer::read(&rest(stream).await);
    assert_eq!((answer.status, answer.json().unwrap()["message"].as_str()), (400, Some("body")));
    assert!(names(&server.local).await.is_empty());
}

/// The head of a create with a body of `length` bytes that the client sends after `100 Continue`.
fn head_of_create(token: &str, host: &str, length: usize) -> String {
    format!(
        "POST /crm/v7/settings/portals HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Authorization: Zoho-oauthtoken {token}\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    )
}

#[tokio::test]
async fn unknown_token_is_refused_before_the_body() {
    let server = Limited::start(|_| {}, None).await;
    let mut stream = server.connect().await;
    let head = head_of_create("1000.unknown", &server.host, 60_000);
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&rest(stream).await).status, 401);
}

#[tokio::test]
async fn announced_length_is_refused_before_the_body() {
    let server = Limited::start(|_| {}, None).await;
    let token = token_of(&server.local).await;
    let mut stream = server.connect().await;
    let head = head_of_create(&token, &server.host, BODY_LIMIT + 1);
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&rest(stream).await).status, 413);
}

#[tokio::test]
async fn known_token_gets_100_continue() {
    let server = Limited::start(|_| {}, None).await;
    let token = token_of(&server.local).await;
    let body = r#"{"portals":[{"name":"AcmePortal"}]}"#;
    let mut stream = server.connect().await;
    let head = head_of_create(&token, &server.host, body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    timeout(LONG, stream.read_exact(&mut interim)).await.unwrap().unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100"), "{interim:?}");
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(Answer::read(&rest(stream).await).status, 200);
    assert_eq!(names(&server.local).await, ["AcmePortal"]);
}

#[tokio::test]
async fn requests_beyond_max_in_flight_get_429() {
    let server = Limited::start_service(
        |_| {},
        |service| service.max_in_flight(1).fault("POST committed:delay=10m".parse().unwrap()),
    )
    .await;
    let token = token_of(&server.local).await;
    // Its client disconnects; the request continues and counts.
    let mut stream = server.connect().await;
    stream.write_all(&create(&token, "AcmePortal").bytes(&server.host)).await.unwrap();
    wait_for_portal(&server.local).await;
    drop(stream);
    let refused = list(&token).send(&server.url()).await.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.json().unwrap()["code"], "TOO_MANY_REQUESTS");
    let refused = Wire::new("POST", "/oauth/v2/token").send(&server.url()).await.unwrap();
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json().unwrap()["error"], "Access Denied");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Limited::start(|limits| limits.max_header_size = 8 * 1024, None).await;
    let header = format!("X-Long: {}", "x".repeat(9 * 1024));
    let request = format!("GET /crm/v7/org HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
    let answer = Answer::read(&exchange(&server.host, request.as_bytes()).await);
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn a_call_that_has_begun_is_answered_before_the_end() {
    let mut server = Limited::start(|_| {}, Some("POST committed:delay=200ms")).await;
    let token = token_of(&server.local).await;
    let request = create(&token, "AcmePortal").bytes(&server.host);
    let mut stream = server.connect().await;
    stream.write_all(&request).await.unwrap();
    // The portal is there, so the call has begun.
    wait_for_portal(&server.local).await;
    let idle = server.connect().await;
    server.ask_to_end();
    assert_eq!(Answer::read(&rest(stream).await).status, 200);
    timeout(LONG, server.serving).await.expect("it ends").unwrap();
    rest(idle).await;
    assert!(TcpStream::connect(&server.host).await.is_err());
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let drain = Duration::from_millis(50);
    let mut server =
        Limited::start(|limits| limits.shutdown_timeout = drain, Some("POST committed:delay=10m"))
            .await;
    let token = token_of(&server.local).await;
    let mut stream = server.connect().await;
    let request = create(&token, "AcmePortal").bytes(&server.host);
    stream.write_all(&request).await.unwrap();
    wait_for_portal(&server.local).await;
    server.ask_to_end();
    timeout(LONG, server.serving).await.expect("it ends").unwrap();
    assert_eq!(rest(stream).await, b"");
}

#[tokio::test]
async fn many_calls_go_over_one_connection() {
    let server = Limited::start(|_| {}, None).await;
    let token = token_of(&server.local).await;
    let mut request = String::from_utf8(list(&token).bytes(&server.host)).unwrap();
    let last = request.clone();
    request = request.replace("Connection: close\r\n", "");
    let mut stream = server.connect().await;
    stream.write_all(format!("{request}{request}{last}").as_bytes()).await.unwrap();
    let received = String::from_utf8(rest(stream).await).unwrap();
    assert_eq!(received.matches("HTTP/1.1 204").count(), 3);
}

#[tokio::test]
async fn a_port_in_use_is_said_in_one_sentence() {
    let server = LocalServer::start().await.unwrap();
    let address: SocketAddr = server.url().strip_prefix("http://").unwrap().parse().unwrap();
    let error = Server::bind(address).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{address} is in use: stop the process that listens there or choose another port (0 selects a free one)"
        )
    );
}

#[tokio::test]
async fn with_limits_the_21st_call_at_the_same_time_is_throttled() {
    let server = LocalServer::builder()
        .enforce_limits()
        .fault("GET committed:delay=10m".parse().unwrap())
        .start()
        .await
        .unwrap();
    let token = token_of(&server).await;
    let mut calls = JoinSet::new();
    for _ in 0..21 {
        let (list, url) = (list(&token), server.url().to_owned());
        calls.spawn(async move { list.send(&url).await.unwrap() });
    }
    // The others are still running.
    let throttled = timeout(LONG, calls.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("1")));
    assert_eq!(throttled.json().unwrap()["code"], "TOO_MANY_REQUESTS");
}
