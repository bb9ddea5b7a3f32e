//! The accept loop: limits, timeouts and shutdown.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use portal_http::server::{BODY_LIMIT, BindError, Listener, LocalServer, Server, ServerLimits};
use portal_store::Registry as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::{Builder, Custom, create, list, names, token_of};
use crate::wire::{Wire, WireResponse, exchange};

const LONG: Duration = Duration::from_secs(20);

async fn limited(adjust: impl FnOnce(&mut ServerLimits), fault: Option<&str>) -> Custom {
    let mut limits = ServerLimits::default();
    adjust(&mut limits);
    let fault = fault.map(|fault| fault.parse().unwrap());
    let service = |builder: Builder| fault.into_iter().fold(builder, Builder::fault);
    Custom::start(service, |server| server.with_limits(limits)).await
}

async fn connect(server: &Custom) -> TcpStream {
    TcpStream::connect(&server.host).await.unwrap()
}

/// Waits until a create has taken effect; its response may be delayed.
async fn wait_for_portal(server: &LocalServer) {
    let created = async {
        let mut poll = interval(Duration::from_millis(10));
        while names(server).await.is_empty() {
            poll.tick().await;
        }
    };
    timeout(LONG, created).await.expect("a portal is created");
}

async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut received)).await;
    // A reset ends the connection as well.
    drop(read.expect("the connection ends"));
    received
}

#[tokio::test]
async fn new_connection_displaces_idle_one() {
    let server = limited(|limits| limits.max_connections = 1, None).await;
    let token = token_of(&server.local).await;
    let mut half = connect(&server).await;
    half.write_all(b"GET /crm/v7/org HTTP/1.1\r\nHost: loc").await.unwrap();
    let response = timeout(LONG, list(&token).send(&server.url)).await.unwrap().unwrap();
    assert_eq!(response.status, 204);
    assert_eq!(rest(half).await, b"");
}

#[tokio::test]
async fn new_connection_waits_for_open_request() {
    let limit = |limits: &mut ServerLimits| limits.max_connections = 1;
    let server = limited(limit, Some("POST committed:delay=200ms")).await;
    let token = token_of(&server.local).await;
    let mut first = connect(&server).await;
    first.write_all(&create(&token, "AcmePortal").bytes(&server.host)).await.unwrap();
    wait_for_portal(&server.local).await;
    let (second, url) = (list(&token), server.url.clone());
    let (first, second) = tokio::join!(rest(first), timeout(LONG, second.send(&url)));
    assert_eq!(WireResponse::read(&first).status, 200);
    assert_eq!(second.unwrap().unwrap().status, 200);
}

#[tokio::test]
async fn burst_of_connections_is_queued() {
    // Bound but not serving: the kernel completes as many connections as fit into the backlog.
    let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let mut connecting = JoinSet::new();
    for _ in 0..200 {
        connecting.spawn(TcpStream::connect(server.address()));
    }
    let connected = timeout(LONG, connecting.join_all()).await.expect("no connection is dropped");
    assert!(connected.iter().all(Result::is_ok));
}

#[tokio::test]
async fn localhost_is_served_on_both_families() {
    let local = LocalServer::start().await.unwrap();
    let listener = Listener::bind_localhost(0).await.unwrap();
    let port = listener.address().port();
    let server = Server::on(listener);
    let serving = tokio::spawn(server.serve(local.service().clone(), std::future::pending()));
    let has_both = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok();
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        if host != "[::1]" || has_both {
            let list = list("none").send(&format!("http://{host}:{port}")).await;
            assert_eq!(list.unwrap().status, 401, "{host}");
        }
    }
    let again = Listener::bind_localhost(port).await;
    assert!(matches!(again, Err(BindError::InUse { .. })), "{again:?}");
    serving.abort();
}

/// An attack with more incomplete heads than connections, each renewed as soon as it is closed.
#[tokio::test]
async fn incomplete_heads_do_not_stall_others() {
    let server = limited(|limits| limits.max_connections = 32, None).await;
    let token = token_of(&server.local).await;
    let mut attackers = JoinSet::new();
    for _ in 0..64 {
        let host = server.host.clone();
        attackers.spawn(async move {
            loop {
                let mut half = TcpStream::connect(&host).await.unwrap();
                let _ = half.write_all(b"GET / HTTP/1.1\r\nHost").await;
                let _ = half.read(&mut [0]).await;
            }
        });
    }
    let mut successes = 0;
    let others = async {
        while successes < 20 {
            // Closed without a response if this machine sends the head too slowly.
            if let Some(response) = list(&token).send(&server.url).await {
                assert_eq!(response.status, 204);
                successes += 1;
            }
        }
    };
    timeout(LONG, others).await.expect("others are served");
}

#[tokio::test]
async fn scarce_connections_have_shorter_timeout() {
    let limits = |limits: &mut ServerLimits| {
        limits.max_connections = 4;
        limits.scarce_timeout = Duration::from_millis(50);
    };
    let server = limited(limits, None).await;
    let mut halves = Vec::new();
    for _ in 0..4 {
        let mut half = connect(&server).await;
        let head = "POST /oauth/v2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n";
        half.write_all(head.as_bytes()).await.unwrap();
        halves.push(half);
    }
    // Closing a single one is enough to end the scarcity.
    let ends = halves.iter_mut().map(|half| Box::pin(async { half.read(&mut [0]).await }));
    let (first, ..) = timeout(LONG, futures_util::future::select_all(ends)).await.unwrap();
    assert_eq!(first.unwrap_or(0), 0);
}

#[tokio::test]
async fn half_head_and_idle_connection_time_out() {
    let server =
        limited(|limits| limits.header_read_timeout = Duration::from_millis(50), None).await;
    let mut half = connect(&server).await;
    half.write_all(b"POST /crm/v7/settings/portals HTTP/1.1\r\nHost").await.unwrap();
    rest(half).await;
    assert_eq!(rest(connect(&server).await).await, b"");
}

#[tokio::test]
async fn half_body_gets_400_and_creates_nothing() {
    let server = limited(|limits| limits.body_timeout = Duration::from_millis(50), None).await;
    let token = token_of(&server.local).await;
    let request = create(&token, "AcmePortal").bytes(&server.host);
    let mut stream = connect(&server).await;
    stream.write_all(&request[..request.len() - 5]).await.unwrap();
    let response = WireResponse::read(&rest(stream).await);
    assert_eq!(
        (response.status, response.json().unwrap()["message"].as_str()),
        (400, Some("body"))
    );
    assert!(names(&server.local).await.is_empty());
}

/// The head of a create whose body of `length` bytes the client sends after `100 Continue`.
fn head_of_create(token: &str, host: &str, length: usize) -> String {
    format!(
        "POST /crm/v7/settings/portals HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Authorization: Zoho-oauthtoken {token}\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    )
}

#[tokio::test]
async fn unknown_token_is_refused_before_body() {
    let server = limited(|_| {}, None).await;
    let mut stream = connect(&server).await;
    let head = head_of_create("1000.unknown", &server.host, 60_000);
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(WireResponse::read(&rest(stream).await).status, 401);
}

#[tokio::test]
async fn announced_length_is_refused_before_body() {
    let server = limited(|_| {}, None).await;
    let token = token_of(&server.local).await;
    let mut stream = connect(&server).await;
    let head = head_of_create(&token, &server.host, BODY_LIMIT + 1);
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(WireResponse::read(&rest(stream).await).status, 413);
}

#[tokio::test]
async fn known_token_gets_100_continue() {
    let server = limited(|_| {}, None).await;
    let token = token_of(&server.local).await;
    let body = r#"{"portals":[{"name":"AcmePortal"}]}"#;
    let mut stream = connect(&server).await;
    let head = head_of_create(&token, &server.host, body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    timeout(LONG, stream.read_exact(&mut interim)).await.unwrap().unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100"), "{interim:?}");
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(WireResponse::read(&rest(stream).await).status, 200);
    assert_eq!(names(&server.local).await, ["AcmePortal"]);
}

#[tokio::test]
async fn requests_beyond_max_in_flight_get_429() {
    let server = Custom::start(
        |service| service.max_in_flight(1).fault("POST committed:delay=10m".parse().unwrap()),
        |server| server,
    )
    .await;
    let token = token_of(&server.local).await;
    // Its client disconnects; the request continues and counts.
    let mut stream = connect(&server).await;
    stream.write_all(&create(&token, "AcmePortal").bytes(&server.host)).await.unwrap();
    wait_for_portal(&server.local).await;
    drop(stream);
    let refused = list(&token).send(&server.url).await.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.json().unwrap()["code"], "TOO_MANY_REQUESTS");
    let refused = Wire::new("POST", "/oauth/v2/token").send(&server.url).await.unwrap();
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json().unwrap()["error"], "Access Denied");
}

#[tokio::test]
async fn large_head_gets_431() {
    let server = limited(|limits| limits.max_header_size = 8 * 1024, None).await;
    let header = format!("X-Long: {}", "x".repeat(9 * 1024));
    let request = format!("GET /crm/v7/org HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
    let response = WireResponse::read(&exchange(&server.host, request.as_bytes()).await);
    assert_eq!(response.status, 431);
}

#[tokio::test]
async fn open_request_completes_before_shutdown() {
    let mut server = limited(|_| {}, Some("POST committed:delay=200ms")).await;
    let token = token_of(&server.local).await;
    let request = create(&token, "AcmePortal").bytes(&server.host);
    let mut stream = connect(&server).await;
    stream.write_all(&request).await.unwrap();
    // The portal exists, so the request has reached the service.
    wait_for_portal(&server.local).await;
    let idle = connect(&server).await;
    server.shut_down();
    assert_eq!(WireResponse::read(&rest(stream).await).status, 200);
    timeout(LONG, &mut server.serving).await.expect("it ends").unwrap();
    rest(idle).await;
    assert!(TcpStream::connect(&server.host).await.is_err());
}

/// The kernel takes a part of the response only, so that the server still writes it at the shutdown.
#[tokio::test]
async fn slow_reader_gets_whole_response_before_shutdown() {
    const BUFFER: u32 = 4096;
    let listening = TcpSocket::new_v4().unwrap();
    listening.set_send_buffer_size(BUFFER).unwrap();
    listening.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let listener = Listener::from(listening.listen(16).unwrap());
    let mut server = Custom::start(|service| service, |_| Server::on(listener)).await;
    let token = token_of(&server.local).await;
    let (registry, org) = (server.local.registry(), server.local.org_id().await.unwrap());
    let user = registry.users(org).await.unwrap()[0].id;
    let now = server.local.service().now();
    for number in 0..4000 {
        let name = format!("Portal{number}").parse().unwrap();
        registry.create_portal(user, &name, now).await.unwrap().unwrap();
    }
    let reading = TcpSocket::new_v4().unwrap();
    reading.set_recv_buffer_size(BUFFER).unwrap();
    let mut reader = reading.connect(server.host.parse().unwrap()).await.unwrap();
    reader.write_all(&list(&token).bytes(&server.host)).await.unwrap();
    let first = timeout(LONG, reader.read_u8()).await.unwrap().unwrap();
    let idle = connect(&server).await;
    server.shut_down();
    rest(idle).await;
    let received = [vec![first], rest(reader).await].concat();
    let response = WireResponse::read(&received);
    assert_eq!(Some(response.body.len()), response.content_length());
    timeout(LONG, &mut server.serving).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn half_requests_do_not_delay_shutdown() {
    let body_timeout = Duration::from_millis(100);
    let mut server = limited(|limits| limits.shutdown_body_timeout = body_timeout, None).await;
    let token = token_of(&server.local).await;
    let mut half_head = connect(&server).await;
    half_head.write_all(b"GET /crm/v7/org HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut half_body = connect(&server).await;
    let head = head_of_create(&token, &server.host, 60);
    half_body.write_all(head.as_bytes()).await.unwrap();
    // The server waits for the body.
    let mut interim = [0; 25];
    timeout(LONG, half_body.read_exact(&mut interim)).await.unwrap().unwrap();
    server.shut_down();
    let started = Instant::now();
    timeout(LONG, &mut server.serving).await.expect("it ends").unwrap();
    let limit = ServerLimits::default().shutdown_timeout;
    assert!(started.elapsed() < limit / 2, "{:?}", started.elapsed());
    assert_eq!((rest(half_head).await, rest(half_body).await), (vec![], vec![]));
}

#[tokio::test]
async fn half_closed_connection_gets_its_response() {
    let server = limited(|_| {}, Some("GET request:delay=50ms")).await;
    let token = token_of(&server.local).await;
    let mut stream = connect(&server).await;
    stream.write_all(&list(&token).bytes(&server.host)).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(WireResponse::read(&rest(stream).await).status, 204);
}

#[tokio::test]
async fn shutdown_ends_after_timeout() {
    let limit = Duration::from_millis(50);
    let mut server =
        limited(|limits| limits.shutdown_timeout = limit, Some("POST committed:delay=10m")).await;
    let token = token_of(&server.local).await;
    let mut stream = connect(&server).await;
    let request = create(&token, "AcmePortal").bytes(&server.host);
    stream.write_all(&request).await.unwrap();
    wait_for_portal(&server.local).await;
    server.shut_down();
    timeout(LONG, &mut server.serving).await.expect("it ends").unwrap();
    assert_eq!(rest(stream).await, b"");
}

#[tokio::test]
async fn connection_serves_many_requests() {
    let server = limited(|_| {}, None).await;
    let token = token_of(&server.local).await;
    let mut request = String::from_utf8(list(&token).bytes(&server.host)).unwrap();
    let last = request.clone();
    request = request.replace("Connection: close\r\n", "");
    let mut stream = connect(&server).await;
    stream.write_all(format!("{request}{request}{last}").as_bytes()).await.unwrap();
    let received = String::from_utf8(rest(stream).await).unwrap();
    assert_eq!(received.matches("HTTP/1.1 204").count(), 3);
}

#[tokio::test]
async fn bind_names_address_in_use() {
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
async fn quota_limits_21st_concurrent_request() {
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
