//! What the fuzz targets do with an input: a violated property panics. The tests of portal-http
//! include this file and replay `corpus/`.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use portal_http::server::{FaultSpec, PortalService};
use portal_model::flow::Intent;
use portal_model::oauth::{AccessToken, Grant, RevokeToken, TokenRequest};
use portal_model::server;
use portal_model::{
    CreatePortal, Endpoint, GetOrg, GetPortal, ListPortals, PortalName, RenamePortal, Response,
    Secret, Timestamp,
};
use portal_store::{MemoryRegistry, Registry as _, Seed, TokenRules};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};

/// What a target does with an input.
pub type Target = fn(&[u8]);

/// The targets, each by its name, which is that of its directory in `corpus/`.
pub const TARGETS: [(&str, Target); 8] = [
    ("fault", fault),
    ("intent", intent),
    ("name", name),
    ("request", request),
    ("response", response),
    ("seed", seed),
    ("server", server),
    ("token", token),
];

/// A name is valid if it has 6 to 30 ASCII letters and digits.
pub fn name(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let is_valid =
        (6..=30).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    match PortalName::parse(&text) {
        Ok(name) => assert!(is_valid && name.as_str() == text),
        Err(error) => assert!(!is_valid && !error.to_string().is_empty()),
    }
    let _ = text.parse::<Timestamp>();
}

/// The bodies of a create and a rename: what is accepted survives encoding.
pub fn request(data: &[u8]) {
    let (segment, body) = split(data);
    let old = server::parse_segment(&segment);
    match (server::parse_create(body), server::parse_rename(old.clone(), body)) {
        (Ok(create), Ok(rename)) => {
            assert_eq!(create.name, rename.new);
            let encoded = create.request(portal_model::ApiVersion::V8).body;
            assert_eq!(server::parse_create(&encoded).unwrap(), create);
        }
        (Err(create), Err(rename)) => {
            assert_eq!(create, rename);
            assert!(create.error().http_status >= 400 && !create.response().body.is_empty());
        }
        (create, rename) => panic!("{create:?} {rename:?}"),
    }
}

/// Any response to any request: a success needs the status of one.
pub fn response(data: &[u8]) {
    let (head, body) = split(data);
    let status = head.parse().unwrap_or(200);
    let response = Response::new(status, body);
    let name = PortalName::parse("AcmePortal").unwrap();
    let results = [
        ListPortals.decode(&response).is_ok(),
        GetPortal::new("AcmePortal").decode(&response).is_ok(),
        CreatePortal::new(name.clone()).decode(&response).is_ok(),
        RenamePortal::new("AcmePortal", name).decode(&response).is_ok(),
        GetOrg.decode(&response).is_ok(),
    ];
    // The accounts server's errors come under 200 too: their status means nothing.
    let _ = (AccessToken::decode(&response), RevokeToken::decode(&response));
    assert!((200..300).contains(&status) || !results.contains(&true), "{status}");
    if let Ok(portals) = ListPortals.decode(&response) {
        let again = server::list(&portals);
        assert_eq!(ListPortals.decode(&again).unwrap(), portals);
    }
}

/// The parameters of a token request.
pub fn token(data: &[u8]) {
    let form = String::from_utf8_lossy(data);
    let parameters = server::form_parameters(&form);
    if let Ok(request) = server::parse_token_request(parameters) {
        let encoded = request.request();
        let body = String::from_utf8(encoded.body).unwrap();
        let again = server::parse_token_request(server::form_parameters(&body)).unwrap();
        assert_eq!(again, request);
    }
}

/// A seed file: one that is refused says where.
pub fn seed(data: &[u8]) {
    if let Err(error) = String::from_utf8_lossy(data).parse::<Seed>() {
        assert!(error.to_string().starts_with("line "), "{error}");
    }
}

/// A fault survives its text.
pub fn fault(data: &[u8]) {
    if let Ok(fault) = String::from_utf8_lossy(data).parse::<FaultSpec>() {
        assert_eq!(fault.to_string().parse(), Ok(fault));
    }
}

/// An intent as it is kept on disk: what can be read survives being written.
pub fn intent(data: &[u8]) {
    if let Ok(intent) = serde_json::from_slice::<Intent>(data) {
        let kept = serde_json::to_vec(&intent).unwrap();
        assert_eq!(serde_json::from_slice::<Intent>(&kept).unwrap(), intent);
    }
}

const SEED: &str = r#"
    [[org]]
    name = "Acme"
    [[org.user]]
    name = "Ada Admin"
    email = "ada@acme.example"
    permissions = ["manage_portal", "manage_portal_users"]
    [[org.user.credential]]
    client_id = "1000.ACME"
    client_secret = "acme-secret"
    refresh_token = "1000.acme.all"
    scopes = ["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ"]
"#;

/// A service in memory.
struct InMemory {
    runtime: Runtime,
    service: PortalService<MemoryRegistry>,
    token: String,
    requests: usize,
}

/// The time of the service, in seconds since 1970.
const NOW: u64 = 1_790_000_000;

impl InMemory {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let registry = MemoryRegistry::new();
        let now = Timestamp::from_unix_seconds(NOW.cast_signed()).unwrap();
        let grant = Grant::RefreshToken(Secret::new("1000.acme.all"));
        let request = TokenRequest::new("1000.ACME", "acme-secret".to_owned(), grant);
        let granted = runtime.block_on(async {
            registry.apply_seed(&SEED.parse().unwrap(), now).await.unwrap();
            registry.issue_token(&request, TokenRules::LifetimesOnly, now).await.unwrap().unwrap()
        });
        let token = granted.access_token.expose().to_string();
        let service = PortalService::builder(registry)
            .clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
            .build();
        Self { runtime, service, token, requests: 0 }
    }
}

/// What a client may write on a connection; `$TOKEN` stands for a valid access token. Every response
/// is one of the service's, and none is a failure of its own.
pub fn server(data: &[u8]) {
    thread_local! {
        static SERVICE: RefCell<InMemory> = RefCell::new(InMemory::new());
    }
    SERVICE.with_borrow_mut(|state| {
        // Portals are kept: memory must stay flat.
        if state.requests == 1000 {
            *state = InMemory::new();
        }
        state.requests += 1;
        let sent = with_token(data, &state.token);
        let service = state.service.clone();
        let received = state.runtime.block_on(async move {
            let (mut client, served) = tokio::io::duplex(1 << 20);
            let connection = http1::Builder::new()
                .half_close(true)
                .serve_connection(TokioIo::new(served), TowerToHyperService::new(service));
            let serving = tokio::spawn(async move { drop(connection.await) });
            // A connection that is closed early fails the write: what it sent still counts.
            let _ = client.write_all(&sent).await;
            let _ = client.shutdown().await;
            let mut received = Vec::new();
            let _ = client.read_to_end(&mut received).await;
            serving.await.unwrap();
            received
        });
        check_responses(&received);
    });
}

fn with_token(data: &[u8], token: &str) -> Vec<u8> {
    const PLACEHOLDER: &[u8] = b"$TOKEN";
    let mut sent = Vec::with_capacity(data.len() + token.len());
    let mut rest = data;
    while let Some(at) = rest.windows(PLACEHOLDER.len()).position(|window| window == PLACEHOLDER) {
        sent.extend_from_slice(&rest[..at]);
        sent.extend_from_slice(token.as_bytes());
        rest = &rest[at + PLACEHOLDER.len()..];
    }
    sent.extend_from_slice(rest);
    sent
}

/// The first response, or none at all; those to pipelined requests follow in the same form.
fn check_responses(received: &[u8]) {
    let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
        assert!(received.is_empty());
        return;
    };
    let head = std::str::from_utf8(&received[..end]).unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(matches!(status, 100 | 200 | 204 | 400 | 401 | 404 | 413 | 415 | 431 | 501), "{head}");
    assert!(head.starts_with("HTTP/1.1 ") || head.starts_with("HTTP/1.0 "), "{head}");
}

/// The first line, and the rest.
fn split(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let rest = data.get(end + 1..).unwrap_or_default();
    (String::from_utf8_lossy(&data[..end]).into_owned(), rest)
}
