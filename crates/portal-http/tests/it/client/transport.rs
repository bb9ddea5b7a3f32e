//! Which requests were certainly not sent, and which may have been: over real sockets.

use std::net::ToSocketAddrs as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use portal_http::client::{
    Bounds, BuildError, Client, ClientError, HttpTransport, InvalidBaseUrl, Transport,
    TransportError,
};
use portal_http::ledger::{Clock, Moment};
use portal_model::flow::{NoResponse, NotSent, Policy};
use portal_model::server::{self, rejections};
use portal_model::{ApiVersion, CreatePortal, ListPortals, Outcome};

use super::peer::{Connection, LISTED, Peer, client, plain, with_access_token};
use super::script::{
    CREATE, NAME, Scripted, TOKEN, access_token, created, name, policy, refused, safely,
};

async fn post(client: &Client) -> Result<String, ClientError> {
    client.send_once(&CreatePortal::new(name())).await
}

fn attempt_timeout(timeout: Duration) -> Policy {
    policy(|policy| policy.attempt_timeout = timeout)
}

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn port_of_this_machine_without_listener_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = post(&with_access_token(client(plain(), &url))).await.unwrap_err();
    let ClientError::NotSent(NotSent::NoListener(why)) = &error else { panic!("{error:?}") };
    let address = url.trim_start_matches("http://");
    assert_eq!(why, &format!("cannot reach {address}: nothing listens there"));
    assert!(!error.may_have_been_sent());
}

#[tokio::test]
async fn unknown_host_ends_create_at_once() {
    // RFC 6761 reserves the domain, so no resolver knows it. Without a resolver the failure is
    // temporary, which proves nothing about the host.
    let lookup = ("zoho.invalid", 443).to_socket_addrs();
    if lookup.is_err_and(|error| error.to_string().contains("Temporary failure")) {
        return;
    }
    let client = with_access_token(client(plain(), "https://zoho.invalid"));
    let error = post(&client).await.unwrap_err();
    let ClientError::NotSent(why @ NotSent::Permanent(_)) = error else { panic!("{error:?}") };
    assert_eq!(why.to_string(), "cannot reach zoho.invalid: its name can't be resolved");
    let began = Instant::now();
    let outcome = safely(client).create(name()).await;
    assert!(outcome.to_string().ends_with(&why.to_string()), "{outcome}");
    assert!(began.elapsed() < Policy::default().backoff_base / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn timed_out_handshake_sends_nothing() {
    let peer = Peer::start(Connection::hang).await;
    let url = format!("https://{}", peer.address);
    for builder in [
        client(plain().connect_timeout(SHORT), &url),
        // The timeout of the attempt is shorter than that of connecting.
        client(plain(), &url).policy(attempt_timeout(SHORT)),
    ] {
        let error = post(&with_access_token(builder)).await.unwrap_err();
        assert!(matches!(error, ClientError::NotSent(_)), "{error:?}");
        assert!(error.to_string().contains("no connection within"), "{error}");
    }
    assert_eq!(peer.posts(), 0);
}

#[tokio::test]
async fn incomplete_response_may_have_been_sent() {
    for sent in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"portals\"",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"por\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let resets = Peer::start(move |mut connection| async move {
            connection.request().await;
            connection.write(sent).await;
            connection.reset();
        })
        .await;
        let closes = Peer::closing_after(sent).await;
        for peer in [resets, closes] {
            let error = post(&with_access_token(peer.client())).await.unwrap_err();
            assert!(matches!(error, ClientError::NoResponse(NoResponse::Broken(_))), "{error:?}");
            assert!(error.may_have_been_sent());
            assert_eq!(peer.posts(), 1);
        }
    }
}

#[tokio::test]
async fn stalled_response_may_have_been_sent() {
    for sent in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
        let peer = Peer::start(move |mut connection| async move {
            connection.request().await;
            connection.write(sent).await;
            connection.hang().await;
        })
        .await;
        // Long enough to connect on a busy machine.
        let policy = attempt_timeout(Duration::from_millis(500));
        let error = post(&with_access_token(peer.client().policy(policy))).await.unwrap_err();
        assert_eq!(error, ClientError::NoResponse(NoResponse::TimedOut));
    }
}

#[tokio::test]
async fn endless_response_is_read_up_to_limit() {
    let endless = Peer::start(|mut connection| async move {
        connection.request().await;
        connection.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for _ in 0..100 {
            connection.write(b"10\r\n0123456789abcdef\r\n").await;
        }
        connection.hang().await;
    })
    .await;
    let transport: HttpTransport = plain().build().unwrap();
    let request = http::Request::get(format!("http://{}/", endless.address));
    let mut bounds = Bounds::new(Duration::from_secs(10));
    bounds.body = 1000;
    let error = transport.send(request.body(Bytes::new()).unwrap(), bounds).await.unwrap_err();
    assert_eq!(error, TransportError::NoResponse(NoResponse::TooLarge { limit: 1000 }));

    let oversized = Peer::start(|mut connection| async move {
        connection.request().await;
        connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await;
        connection.hang().await;
    })
    .await;
    let error = with_access_token(oversized.client()).call(&ListPortals).await.unwrap_err();
    assert_eq!(error, ClientError::NoResponse(NoResponse::TooLarge { limit: 4 << 20 }));
}

/// Sends a request that may use the connection of an earlier one.
async fn send(
    transport: &HttpTransport,
    method: Method,
    peer: &Peer,
) -> Result<http::Response<Bytes>, TransportError> {
    let request = http::Request::builder().method(method).uri(format!("http://{}/", peer.address));
    let bounds = Bounds::new(Duration::from_secs(10));
    transport.send(request.body(Bytes::new()).unwrap(), bounds).await
}

#[tokio::test]
async fn post_on_broken_connection_is_not_resent() {
    let peer = Peer::start(|mut connection| async move {
        connection.request().await;
        connection.write(LISTED).await;
        connection.request().await;
        connection.reset();
    })
    .await;
    let transport = plain().build().unwrap();
    send(&transport, Method::GET, &peer).await.unwrap();
    let error = send(&transport, Method::POST, &peer).await.unwrap_err();
    assert!(matches!(error, TransportError::NoResponse(NoResponse::Broken(_))), "{error:?}");
    assert_eq!(peer.posts(), 1);
}

#[tokio::test]
async fn post_on_closing_connection_is_not_repeated() {
    let peer = Peer::closing_after(LISTED).await;
    let transport = plain().build().unwrap();
    for _ in 0..200 {
        send(&transport, Method::GET, &peer).await.ok();
        let before = peer.posts();
        let sent = send(&transport, Method::POST, &peer).await;
        let arrived = peer.posts() - before;
        match sent {
            Err(TransportError::NotSent(_)) => assert_eq!(arrived, 0),
            _ => assert!(arrived <= 1, "{arrived}"),
        }
    }
}

#[tokio::test]
async fn attempt_of_flow_has_its_own_connection() {
    // A peer out of step: after a list on the same connection, a create would seem to succeed.
    let peer = Peer::start(|mut connection| async move {
        let first = connection.request().await.unwrap_or_default();
        if first.starts_with("GET /crm/v7/org") {
            connection.respond(br#"{"org":[{"id":"7000"}]}"#).await;
        } else if first.starts_with("GET") {
            connection.write(LISTED).await;
            connection.request().await;
            connection.respond(&server::created(ApiVersion::V7, NAME).body).await;
        }
    })
    .await;
    let policy = policy(|policy| {
        policy.processing_time = Duration::ZERO;
        policy.list_lag = Duration::ZERO;
        policy.max_attempts = 1;
    });
    let client = with_access_token(peer.client().policy(policy));
    let outcome = safely(client).create(name()).await;
    assert_eq!(peer.posts(), 1);
    assert!(!matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
}

#[tokio::test]
async fn create_without_time_limit_ends() {
    let peer = Peer::start(|mut connection| async move {
        let head = connection.request().await.unwrap_or_default();
        if head.starts_with("GET /crm/v7/org") {
            connection.respond(br#"{"org":[{"id":"7000"}]}"#).await;
        } else if head.starts_with("GET") {
            connection.write(LISTED).await;
        } else {
            connection.respond(&server::created(ApiVersion::V7, NAME).body).await;
        }
    })
    .await;
    let policy = policy(|policy| {
        policy.attempt_timeout = Duration::MAX;
        policy.read_timeout = Duration::MAX;
        policy.deadline = Duration::MAX;
    });
    let client = with_access_token(peer.client().policy(policy));
    let outcome = safely(client).create(name()).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
}

#[tokio::test]
async fn request_has_required_headers_once() {
    let peer = Peer::closing_after(LISTED).await;
    post(&with_access_token(peer.client())).await.unwrap_err();
    let head = peer.heads().remove(0);
    let mut lines: Vec<_> = head.trim_end().lines().collect();
    assert_eq!(lines.remove(0), "POST /crm/v7/settings/portals HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "authorization: Zoho-oauthtoken t1",
            "content-length: 42",
            "content-type: application/json",
            &format!("host: {}", peer.address),
            concat!("user-agent: portal-http/", env!("CARGO_PKG_VERSION")),
        ]
    );
}

/// What [`Transport`] requires of every transport, attempts aside.
async fn fulfills_contract(transport: impl Transport) {
    let request = |peer: &Peer| {
        let request = http::Request::post(format!("http://{}/contract", peer.address));
        request.body(Bytes::from_static(b"a body")).unwrap()
    };
    let bounds = Bounds::new(Duration::from_secs(10));
    let is_lost = |sent| matches!(sent, Err(TransportError::NoResponse(_)));

    let responding = Peer::closing_after(
        b"HTTP/1.1 400 Bad Request\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nbody",
    )
    .await;
    let response = transport.send(request(&responding), bounds.clone()).await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.body(), "body");
    assert_eq!(responding.request_lines(), ["POST /contract HTTP/1.1"]);
    let mut short = bounds.clone();
    short.body = 3;
    let error = transport.send(request(&responding), short).await.unwrap_err();
    assert_eq!(error, NoResponse::TooLarge { limit: 3 }.into());

    let cutting = Peer::closing_after(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut").await;
    for sent in 1..=2 {
        assert!(is_lost(transport.send(request(&cutting), bounds.clone()).await));
        assert_eq!(cutting.posts(), sent);
    }

    let silent = Peer::start(Connection::hang).await;
    assert!(transport.send(request(&silent), Bounds::new(SHORT)).await.is_err());

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let request = http::Request::get(gone).body(Bytes::new()).unwrap();
    assert!(transport.send(request, bounds).await.is_err());
}

#[tokio::test]
async fn http_transport_fulfills_contract() {
    fulfills_contract(plain().build().unwrap()).await;
}

#[tokio::test]
async fn tower_service_fulfills_contract() {
    let tower = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .retry_canceled_requests(false)
        .build_http();
    fulfills_contract(tower).await;
}

#[tokio::test]
async fn socket_is_closed_when_attempt_ends() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let request = http::Request::post(url).body(Bytes::new()).unwrap();
    let transport = plain().build().unwrap();
    let sent = transport.send(request, Bounds::of_attempt(Duration::from_millis(500))).await;
    assert_eq!(sent.unwrap_err(), NoResponse::TimedOut.into());
    // This runtime has one thread, so nothing in the background could close it now.
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let error = std::io::copy(&mut stream, &mut std::io::sink()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn attempt_that_may_not_begin_sends_nothing() {
    let peer = Peer::closing_after(LISTED).await;
    let request = || {
        let url = format!("http://{}/", peer.address);
        http::Request::post(url).body(Bytes::new()).unwrap()
    };
    let (transport, now) = (plain().build().unwrap(), Clock::system().now());
    // Its timeouts say nothing of a system that was suspended.
    let bounds = Bounds::of_attempt(Duration::from_secs(10));
    for passed in [now.clone(), Moment::new("another boot", Duration::MAX)] {
        let bounds = bounds.clone().not_after(&passed);
        let late = transport.send(request(), bounds).await.unwrap_err();
        assert!(matches!(late, TransportError::NotSent(_)), "{late:?}");
    }
    assert_eq!(peer.heads(), [""; 0]);
    let in_time = bounds.not_after(&now.plus(Duration::from_secs(60)));
    assert!(transport.send(request(), in_time).await.is_ok());
}

#[tokio::test]
async fn sent_once_request_with_rejected_token_is_not_repeated() {
    let service = Scripted::granting(|call| match call.token.as_deref() {
        Some("t1") => refused(rejections::invalid_token()),
        _ => created(),
    });
    let client = service.client();
    assert!(matches!(post(&client).await, Err(ClientError::Api(_))));
    assert_eq!(service.count(CREATE), 1);
    // The next one has another token.
    post(&client).await.unwrap();
    assert_eq!((service.count(CREATE), service.count(TOKEN)), (2, 2));
}

#[tokio::test]
async fn plain_http_to_other_machine_is_build_error() {
    let builder = Client::builder().api_url("http://www.zohoapis.com");
    let error = builder.build(access_token()).unwrap_err();
    let plain = InvalidBaseUrl::PlainHttp("www.zohoapis.com".to_owned());
    assert_eq!(error, BuildError::ApiUrl(plain));
}
