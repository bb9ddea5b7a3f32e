//! Broken and malicious services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portal_http::client::{ClientError, Credential};
use portal_model::error::with_sources;
use portal_model::flow::NoResponse;
use portal_model::outcome::Origin;
use portal_model::{CreatePortal, GetPortal, ListPortals, Outcome};
use tokio::net::TcpStream;

use super::peer::{Connection, LISTED, Peer, response, with_access_token, with_length};
use super::script::{NAME, name, policy, quick, safely};

/// A service that sends the same response to every request.
async fn always(bytes: Vec<u8>) -> Peer {
    let bytes = Arc::new(bytes);
    Peer::start(move |mut connection| {
        let bytes = bytes.clone();
        async move {
            while connection.request().await.is_some() {
                connection.write(&bytes).await;
            }
        }
    })
    .await
}

fn too_large(limit: usize) -> ClientError {
    ClientError::NoResponse(NoResponse::TooLarge { limit })
}

#[tokio::test]
async fn list_over_limit_is_left_unread() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    let peer = Peer::start(move |mut connection| {
        let count = count.clone();
        async move {
            connection.request().await;
            connection.write(b"HTTP/1.1 200 OK\r\n\r\n{\"portals\":[").await;
            let portals = br#"{"name":"PortalsAPItest100"},"#.repeat(1000);
            while count.load(Ordering::Relaxed) < 60 << 20 && connection.try_write(&portals).await {
                count.fetch_add(portals.len(), Ordering::Relaxed);
            }
        }
    })
    .await;
    assert_eq!(
        with_access_token(peer.client()).call(&ListPortals).await.unwrap_err(),
        too_large(4 << 20)
    );
    // The limit, plus the buffers of two sockets.
    let written = written.load(Ordering::Relaxed);
    assert!(written < 32 << 20, "{written} bytes were taken");
}

#[tokio::test]
async fn responses_are_read_to_their_limits() {
    let list = |length: usize| {
        let start = r#"{"portals":[{"name":"PortalsAPItest100","x":""#;
        let end = r#""}]}"#;
        let filler = "x".repeat(length - start.len() - end.len());
        format!("{start}{filler}{end}").into_bytes()
    };
    let error = |length: usize| {
        let start = r#"{"code":"INTERNAL_ERROR","message":"oops","status":"error"}"#;
        (start.to_owned() + &" ".repeat(length - start.len())).into_bytes()
    };

    let fits = always(with_length("200 OK", &list(4 << 20))).await;
    assert_eq!(with_access_token(fits.client()).call(&ListPortals).await.unwrap().len(), 1);
    let exceeds = always(with_length("200 OK", &list((4 << 20) + 1))).await;
    let client = with_access_token(exceeds.client());
    assert_eq!(client.call(&ListPortals).await.unwrap_err(), too_large(4 << 20));
    assert_eq!(
        client.send_once(&CreatePortal::new(name())).await.unwrap_err(),
        too_large(64 << 10)
    );

    let fits = always(with_length("500 Oops", &error(64 << 10))).await;
    let found = with_access_token(fits.client()).call(&ListPortals).await.unwrap_err();
    assert!(matches!(found, ClientError::Api(_)), "{found:?}");
    let exceeds = always(with_length("500 Oops", &error((64 << 10) + 1))).await;
    let found = with_access_token(exceeds.client()).call(&ListPortals).await.unwrap_err();
    assert_eq!(found, too_large(64 << 10));

    let token = always(with_length("200 OK", &error((64 << 10) + 1))).await;
    let credential = Credential::refresh_token("1000.ID", "hush".to_owned(), "hush".to_owned());
    let client = token.client().build(credential).unwrap();
    let found = with_sources(&client.authenticate().await.unwrap_err());
    assert!(found.contains("response of more than 65536 bytes"), "{found}");
}

#[tokio::test]
async fn head_over_limit_is_lost_response() {
    let one = format!("x: {}\r\n", "x".repeat(128 << 10));
    let many = "x: y\r\n".repeat(1000);
    for headers in [one, many] {
        let peer = always(response("200 OK", &headers, b"")).await;
        let error = with_access_token(peer.client()).call(&ListPortals).await.unwrap_err();
        assert!(matches!(error, ClientError::NoResponse(NoResponse::Broken(_))), "{error:?}");
    }
}

#[tokio::test]
async fn create_with_too_large_response_is_verified() {
    let is_created = Arc::new(AtomicBool::new(false));
    let peer = Peer::start(move |mut connection| {
        let is_created = is_created.clone();
        async move {
            while let Some(head) = connection.request().await {
                let response = if head.starts_with("GET /crm/v7/org") {
                    with_length("200 OK", br#"{"org":[{"id":"7000"}]}"#)
                } else if head.starts_with("POST") {
                    is_created.store(true, Ordering::Relaxed);
                    with_length("201 Created", &vec![b' '; 1 << 20])
                } else if is_created.load(Ordering::Relaxed) {
                    with_length(
                        "200 OK",
                        format!(r#"{{"portals":[{{"name":"{NAME}"}}]}}"#).as_bytes(),
                    )
                } else {
                    LISTED.to_vec()
                };
                connection.write(&response).await;
            }
        }
    })
    .await;
    let outcome = safely(with_access_token(peer.client().policy(quick()))).create(name()).await;
    assert!(matches!(outcome, Outcome::Present { origin: Origin::Appeared, .. }), "{outcome:?}");
    assert_eq!(peer.posts(), 1);
}

#[tokio::test]
async fn dripping_response_ends_with_its_timeout() {
    let peer = Peer::start(|mut connection| async move {
        connection.request().await;
        connection.write(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let mut drip = tokio::time::interval(Duration::from_millis(20));
        while connection.try_write(b" ").await {
            drip.tick().await;
        }
    })
    .await;
    let policy = policy(|policy| policy.read_timeout = Duration::from_millis(500));
    let began = Instant::now();
    let error =
        with_access_token(peer.client().policy(policy)).call(&ListPortals).await.unwrap_err();
    assert_eq!(error, ClientError::NoResponse(NoResponse::TimedOut));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

/// A reproducible source of random choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }

    fn body(&mut self) -> Vec<u8> {
        let depth = 1 << self.below(15);
        match self.below(9) {
            0 => "[".repeat(depth).into_bytes(),
            1 => format!("{}{}", r#"{"portals":"#.repeat(depth), "}".repeat(depth)).into_bytes(),
            2 => format!(r#"{{"portals":[{{"name":"{}"}}]}}"#, "ä\u{1b}".repeat(depth)).into(),
            3 => br#"{"portals":[{"name":"\ud800","active":1e999,"zaid":-0}]}"#.to_vec(),
            4 => self.bytes(depth),
            5 => [&br#"{"portals":[{"name":""#[..], &self.bytes(64), br#""}]}"#].concat(),
            6 => format!("{}0", "9".repeat(depth)).into_bytes(),
            7 => {
                br#"{"portals":[{"name":"PortalsAPItest100"}],"info":{"more_records":7}}"#.to_vec()
            }
            _ => br#"{"portals":[{"name":"PortalsAPItest100"}]}"#.to_vec(),
        }
    }

    /// Returns a response with any number of defects.
    fn response(&mut self) -> Vec<u8> {
        let body = self.body();
        let status = self.of(&[
            "200 OK",
            "200 OK",
            "201 ",
            "204 No",
            "301 Moved",
            "401 No",
            "429 Later",
            "500 Oops",
            "100 Continue",
            "101 Switching",
            "099 Low",
            "999 High",
            "99999 Long",
            "-1 Below",
            "",
            "200 \u{1b}[31mred",
        ]);
        let length = body.len();
        let mut headers = match self.below(9) {
            0 => String::new(),
            1 => format!("content-length: {}\r\n", length + 7),
            2 => format!("content-length: {}\r\n", length / 2),
            3 => format!("content-length: {length}\r\ncontent-length: 3\r\n"),
            4 => "content-length: -1\r\n".to_owned(),
            5 => "content-length: 18446744073709551616\r\n".to_owned(),
            6 => "transfer-encoding: chunked\r\n".to_owned(),
            7 => format!("transfer-encoding: gzip, chunked\r\ncontent-length: {length}\r\n"),
            _ => format!("content-length: {length}\r\n"),
        };
        for _ in 0..self.below(4) {
            headers += self.of(&[
                "content-encoding: gzip\r\n",
                "retry-after: 99999999999999999999\r\n",
                "retry-after: Mon, 99 Foo 0000 99:99:99 GMT\r\n",
                "date: \u{1b}]0;owned\u{7}\r\n",
                "location: file:///etc/passwd\r\n",
                "age: -1\r\n",
                ": nameless\r\n",
                " folded\r\n",
                "x\0y: z\r\n",
                "connection: close, keep-alive, upgrade\r\n",
            ]);
        }
        if self.below(8) == 0 {
            headers = headers + "x: " + &"y".repeat(1 << self.below(18)) + "\r\n";
        }
        let mut bytes = response(status, &headers, &body);
        match self.below(6) {
            0 => bytes.truncate(self.below(bytes.len()) + 1),
            1 => {
                let at = self.below(bytes.len());
                bytes[at] = self.bytes(1)[0];
            }
            _ => {}
        }
        bytes
    }
}

/// Makes `count` calls, each with a different hostile response, over connections that the client may
/// reuse. Afterwards the client must still understand a good response.
async fn survives(count: usize) {
    let served = Arc::new(AtomicUsize::new(0));
    let number = served.clone();
    let peer = Peer::start(move |mut connection: Connection<TcpStream>| {
        let number = number.clone();
        async move {
            while connection.request().await.is_some() {
                let seed = number.fetch_add(1, Ordering::Relaxed);
                if seed >= count {
                    connection.write(LISTED).await;
                    continue;
                }
                let mut choices = Choices(seed as u64 + 1);
                connection.write(&choices.response()).await;
                if choices.below(4) != 0 {
                    return;
                }
            }
        }
    })
    .await;
    let policy = policy(|policy| {
        policy.read_timeout = Duration::from_millis(100);
        policy.attempt_timeout = policy.read_timeout;
    });
    let client = with_access_token(peer.client().policy(policy));
    let (mut understood, mut failed) = (0, 0);
    let mut warm = None;
    while served.load(Ordering::Relaxed) < count {
        let call = served.load(Ordering::Relaxed);
        let is_ok = match call % 3 {
            0 => client.call(&ListPortals).await.is_ok(),
            1 => client.call(&GetPortal::new("PortalsAPItest100")).await.is_ok(),
            _ => client.send_once(&CreatePortal::new(name())).await.is_ok(),
        };
        *(if is_ok { &mut understood } else { &mut failed }) += 1;
        peer.forget();
        if call >= 1000 && warm.is_none() {
            warm = resident();
        }
    }
    if let (Some(warm), Some(now)) = (warm, resident()) {
        assert!(now < warm + 8192, "memory grew from {warm} to {now} pages");
    }
    assert!(understood > 0 && failed > understood, "{understood} and {failed}");
    // The client may not have noticed yet that a pooled connection was closed.
    let deadline = Instant::now() + Duration::from_secs(60);
    while client.call(&ListPortals).await != Ok(Vec::new()) {
        assert!(Instant::now() < deadline);
    }
}

/// Pages of this process in memory.
fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

/// `PORTAL_HOSTILE_RESPONSES` chooses how many.
#[tokio::test]
async fn hostile_responses_do_no_harm() {
    let count = std::env::var("PORTAL_HOSTILE_RESPONSES");
    survives(count.map_or(1000, |count| count.parse().unwrap())).await;
}
