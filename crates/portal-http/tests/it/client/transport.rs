//! What is certainly not sent, and what may have been: over real sockets.

use std::net::ToSocketAddrs as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use portal_http::client::{
    Bounds, BuildError, Client, ClientBuilder, ClientError, Credential, HttpTransport,
    InvalidBaseUrl, Transport, TransportError,
};
use portal_model::flow::{NoResponse, NotSent, Policy};
use portal_model::outcome::NotDone;
use portal_model::{ApiVersion, CreatePortal, ListPortals, Outcome};

use super::peer::{Connection, LISTED, Peer, client, plain};
use super::script::{NAME, name};

fn ready(builder: ClientBuilder) -> Client {
    builder.build(Credential::access_token("t1".to_owned())).unwrap()
}

async fn post(client: &Client) -> Result<String, ClientError> {
    client.call(&CreatePortal::new(name())).await
}

fn hasty(attempt: Duration) -> Policy {
    let mut policy = Policy::default();
    policy.attempt_timeout = attempt;
    policy
}

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn connection_refused_by_this_machine_is_permanent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = post(&ready(client(plain(), &url))).await.unwrap_err();
    let ClientError::NotSent(NotSent::Permanent(why)) = &error else { panic!("{error:?}") };
    assert!(why.contains("refused"), "{why}");
    assert!(!error.may_have_been_sent());
}

#[tokio::test]
async fn unknown_host_is_permanent_and_ends_create_at_once() {
    // RFC 6761 reserves the domain: no resolver knows it. Without any resolver the failure is a
    // temporary one, which says nothing about the host.
    let lookup = ("zoho.invalid", 443).to_socket_addrs();
    if lookup.is_err_and(|error| error.to_string().contains("Temporary failure")) {
        return;
    }
    let client = ready(client(plain(), "https://zoho.invalid"));
    let error = post(&client).await.unwrap_err();
    let ClientError::NotSent(NotSent::Permanent(why)) = &error else { panic!("{error:?}") };
    let began = Instant::now();
    let Outcome::NotCreated { reason, .. } = client.create(name()).await else { panic!() };
    assert_eq!(reason, NotDone::Unreachable(format!("no connection: {why}")));
    assert!(began.elapsed() < Policy::default().backoff_base / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_sends_nothing() {
    let peer = Peer::start(Connection::hang).await;
    let url = format!("https://{}", peer.address);
    for builder in [
        client(plain().connect_timeout(SHORT), &url),
        // The time of the attempt is over before that of connecting.
        client(plain(), &url).policy(hasty(SHORT)),
    ] {
        let error = post(&ready(builder)).await.unwrap_err();
        assert_eq!(error, ClientError::NotSent(NotSent::ConnectTimedOut));
    }
    assert_eq!(peer.posts(), 0);
}

#[tokio::test]
async fn what_ends_without_a_whole_answer_may_have_arrived() {
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
        let closes = Peer::start(move |mut connection| async move {
            connection.request().await;
            connection.write(sent).await;
        })
        .await;
        for peer in [resets, closes] {
            let error = post(&ready(peer.client())).await.unwrap_err();
            assert!(matches!(error, ClientError::NoResponse(NoResponse::Broken(_))), "{error:?}");
            assert!(error.may_have_been_sent());
            assert_eq!(peer.posts(), 1);
        }
    }
}

#[tokio::test]
async fn an_answer_that_stalls_may_have_arrived() {
    for sent in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
        let peer = Peer::start(move |mut connection| async move {
            connection.request().await;
            connection.write(sent).await;
            connection.hang().await;
        })
        .await;
        // Long enough for a busy machine to connect.
        let policy = hasty(Duration::from_millis(500));
        let error = post(&ready(peer.client().policy(policy))).await.unwrap_err();
        assert_eq!(error, ClientError::NoResponse(NoResponse::TimedOut));
    }
}

#[tokio::test]
async fn an_answer_without_end_is_read_no_further_than_its_bound() {
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

    let boastful = Peer::start(|mut connection| async move {
        connection.request().await;
        connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await;
        connection.hang().await;
    })
    .await;
    let error = ready(boastful.client()).call(&ListPortals).await.unwrap_err();
    assert_eq!(error, ClientError::NoResponse(NoResponse::TooLarge { limit: 4 << 20 }));
}

#[tokio::test]
async fn a_post_on_a_kept_connection_that_dies_is_not_sent_again() {
    let peer = Peer::start(|mut connection| async move {
        connection.request().await;
        connection.write(LISTED).await;
        connection.request().await;
        connection.reset();
    })
    .await;
    let client = ready(peer.client());
    client.call(&ListPortals).await.unwrap();
    let error = post(&client).await.unwrap_err();
    assert!(matches!(error, ClientError::NoResponse(NoResponse::Broken(_))), "{error:?}");
    assert_eq!(peer.posts(), 1);
}

#[tokio::test]
async fn a_post_that_meets_a_closing_connection_arrives_at_most_once_and_the_error_says_which() {
    let peer = Peer::start(|mut connection| async move {
        connection.request().await;
        connection.write(LISTED).await;
    })
    .await;
    let client = ready(peer.client());
    for _ in 0..200 {
        client.call(&ListPortals).await.ok();
        let before = peer.posts();
        let error = post(&client).await.map_err(|error| error.may_have_been_sent());
        let arrived = peer.posts() - before;
        match error {
            Ok(_) | Err(true) => assert!(arrived <= 1, "{arrived}"),
            Err(false) => assert_eq!(arrived, 0),
        }
    }
}

#[tokio::test]
async fn attempt_of_flow_has_its_own_connection() {
    // A peer out of step: on a connection that has had a list, a create seems to succeed.
    let peer = Peer::start(|mut connection| async move {
        let first = connection.request().await.unwrap_or_default();
        if first.starts_with("GET") {
            connection.write(LISTED).await;
            connection.request().await;
            let body = CreatePortal::response(ApiVersion::V7, NAME).body;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            connection.write(&[head.as_bytes(), &body].concat()).await;
        }
    })
    .await;
    let mut policy = Policy::default();
    policy.processing_time = Duration::ZERO;
    policy.list_lag = Duration::ZERO;
    policy.max_attempts = 1;
    let client = ready(peer.client().policy(policy));
    let outcome = client.create(name()).await;
    assert_eq!(peer.posts(), 1);
    assert!(!matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
}

#[tokio::test]
async fn create_without_time_limit_ends() {
    let peer = Peer::start(|mut connection| async move {
        let head = connection.request().await.unwrap_or_default();
        if head.starts_with("GET") {
            connection.write(LISTED).await;
        } else {
            let body = CreatePortal::response(ApiVersion::V7, NAME).body;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            connection.write(&[head.as_bytes(), &body].concat()).await;
        }
    })
    .await;
    let mut policy = Policy::default();
    policy.attempt_timeout = Duration::MAX;
    policy.read_timeout = Duration::MAX;
    policy.deadline = Duration::MAX;
    let outcome = ready(peer.client().policy(policy)).create(name()).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_request_carries_what_the_service_needs_and_nothing_twice() {
    let peer = Peer::start(|mut connection| async move {
        connection.request().await;
        connection.write(LISTED).await;
    })
    .await;
    post(&ready(peer.client())).await.unwrap_err();
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

#[tokio::test]
async fn plain_http_to_another_machine_is_refused_before_anything_is_sent() {
    let builder = Client::builder().api_url("http://www.zohoapis.com");
    let error = builder.build(Credential::access_token("t1".to_owned())).unwrap_err();
    let plain = InvalidBaseUrl::PlainHttp("www.zohoapis.com".to_owned());
    assert_eq!(error, BuildError::ApiUrl(plain));
}
