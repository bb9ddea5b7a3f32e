//! The example driver of portal-model against a misbehaving server.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use portal_http::server::LocalServer;
use portal_model::flow::{Baseline, CreateIntent, Flow, Intent, Policy};
use portal_model::outcome::{Doubt, NotDone, Origin, Outcome};
use portal_model::server;
use portal_model::{ApiVersion, PortalName, RenameOperation, Secret};
use tempfile::TempDir;
use tokio::task::{JoinSet, spawn_blocking};

#[path = "../../../portal-model/examples/ureq.rs"]
#[allow(dead_code, reason = "its main")]
mod with_ureq;

const NAME: &str = "PortalsAPItest100";

/// A create with an intent file of its own.
struct Run {
    directory: TempDir,
    policy: Policy,
}

impl Run {
    fn new() -> Self {
        let mut policy = Policy::rehearsal();
        policy.backoff_base = Duration::from_millis(10);
        policy.backoff_max = Duration::from_millis(100);
        policy.processing_time = Duration::from_millis(300);
        policy.attempt_timeout = Duration::from_secs(10);
        policy.deadline = Duration::from_secs(30);
        Self { directory: TempDir::new().unwrap(), policy }
    }

    fn intent_file(&self) -> PathBuf {
        self.directory.path().join("intent.json")
    }

    fn intent(&self) -> Option<Intent> {
        let json = std::fs::read(self.intent_file()).ok()?;
        Some(serde_json::from_slice(&json).unwrap())
    }

    async fn create(&self, url: &str, token: Secret, portal: &str) -> Result<Outcome, String> {
        let (url, path, policy) = (url.to_owned(), self.intent_file(), self.policy.clone());
        let portal = name(portal);
        let (sender, delivered) = mpsc::channel();
        let deliver = move |outcome: &Outcome| {
            sender.send(outcome.clone()).unwrap();
            Ok(())
        };
        let driver = with_ureq::Driver::new(url, token);
        let work = move || with_ureq::create(&driver, portal, policy, &path, deliver);
        spawn_blocking(work).await.unwrap().map_err(|error| error.to_string())?;
        Ok(delivered.recv().unwrap())
    }

    async fn create_at(&self, server: &LocalServer) -> Outcome {
        let token = server.access_token().await.unwrap();
        self.create(server.url(), token, NAME).await.unwrap()
    }
}

fn name(name: &str) -> PortalName {
    PortalName::parse(name).unwrap()
}

fn is_unreachable(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotCreated { why: NotDone::Unreachable(_), .. })
}

fn token() -> Secret {
    Secret::new("1000.token")
}

async fn server(faults: &[&str]) -> LocalServer {
    let builder = LocalServer::builder();
    let with_faults =
        faults.iter().fold(builder, |builder, fault| builder.fault(fault.parse().unwrap()));
    with_faults.start().await.unwrap()
}

/// What a service does with a request.
type Handler = fn(&str, TcpStream);

/// Starts a service that lists no portals and handles attempts with `attempt`. It refuses
/// connections after its last request. Returns its URL.
fn service(is_last: fn(&str) -> bool, attempt: Handler) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read_request(&mut stream);
            let handle = if is_list(&request) { no_portals } else { attempt };
            if is_last(&request) {
                drop(listener);
                return handle(&request, stream);
            }
            handle(&request, stream);
        }
    });
    url
}

/// Reads a whole request, because closing a connection with unread bytes may discard the response.
fn read_request(stream: &mut TcpStream) -> String {
    let mut request = String::new();
    while !(request.contains(NAME) || is_list(&request) && request.ends_with("\r\n\r\n")) {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).unwrap();
        assert_ne!(length, 0, "incomplete request: {request}");
        request.push_str(str::from_utf8(&bytes[..length]).unwrap());
    }
    request
}

fn is_list(request: &str) -> bool {
    request.starts_with("GET ")
}

fn is_attempt(request: &str) -> bool {
    request.starts_with("POST ")
}

fn no_portals(_: &str, mut stream: TcpStream) {
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
}

/// Redirects an attempt to a URL where it would succeed.
fn redirect(request: &str, mut stream: TcpStream) {
    let body = server::created(ApiVersion::V7, NAME).body;
    let (head, body) = if request.contains("/elsewhere") {
        (format!("200 OK\r\ncontent-length: {}", body.len()), body)
    } else {
        let head = "307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0";
        (head.to_owned(), Vec::new())
    };
    stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
}

/// Responds with more than a driver accepts.
fn flood(_: &str, mut stream: TcpStream) {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n").unwrap();
    // Until the driver hangs up.
    while stream.write_all(&[b' '; 4096]).is_ok() {}
}

/// Never responds.
fn stay_silent(_: &str, mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

#[cfg(feature = "test-util")]
#[test]
fn driver_conforms() {
    use portal_http::client::conformance::{self, DriverRun};

    // The test rejects this token once.
    let token = || Secret::new("t1");
    conformance::driver(|DriverRun { base_url, flow, intents, .. }| {
        let driver = with_ureq::Driver::new(base_url, token());
        driver.perform(flow, |intent| intents.record(intent))
    })
    .unwrap();
}

#[tokio::test]
async fn create_is_recorded_sent_once_and_forgotten() {
    let (server, run) = (server(&[]).await, Run::new());
    let outcome = run.create_at(&server).await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    assert_eq!(server.portals().await.unwrap().len(), 1);
    assert_eq!(run.intent(), None);
}

#[tokio::test]
async fn lost_response_is_verified() {
    for fault in ["drop", "cut", "html", "500"] {
        let server = server(&[&format!("POST committed:{fault}")]).await;
        let run = Run::new();
        let outcome = run.create_at(&server).await;
        let appeared = matches!(outcome, Outcome::Present { origin: Origin::Appeared, .. });
        assert!(appeared, "{fault}: {outcome:?}");
        assert_eq!(server.portals().await.unwrap().len(), 1, "{fault}");
        assert_eq!(run.intent(), None, "{fault}");
    }
}

#[tokio::test]
async fn rename_is_verified_in_same_loop() {
    let (server, run) = (server(&["PUT committed:drop"]).await, Run::new());
    run.create_at(&server).await;
    let new = name("PortalsAPItest200");
    let rename = RenameOperation::new(NAME, new);
    let flow = Flow::new(rename.into(), run.policy.clone(), ApiVersion::V7);
    let (url, token) = (server.url().to_owned(), server.access_token().await.unwrap());
    let record = |intent: &Intent| {
        assert!(matches!(intent, Intent::Rename(_)));
        Ok(())
    };
    let driver = with_ureq::Driver::new(url, token);
    let outcome = spawn_blocking(move || driver.perform(flow, record)).await.unwrap();
    assert!(matches!(outcome, Outcome::Renamed { .. }), "{outcome:?}");
    assert_eq!(server.portals().await.unwrap()[0].name, "PortalsAPItest200");
}

#[tokio::test]
async fn failure_without_effect_is_followed_by_attempt() {
    for fault in ["html", "drop", "429=1"] {
        // One of two requests is hit, the second: the first attempt of the second create.
        let server = server(&[&format!("POST request:{fault}:1/2")]).await;
        let mut run = Run::new();
        run.policy.allow_another = true;
        for name in ["FirstPortal", NAME] {
            let token = server.access_token().await.unwrap();
            let outcome = run.create(server.url(), token, name).await.unwrap();
            let created = matches!(outcome, Outcome::Created { .. });
            assert!(created, "{fault}: {outcome:?}");
        }
        assert_eq!(server.portals().await.unwrap().len(), 2, "{fault}");
    }
}

#[tokio::test]
async fn service_out_of_reach_leaves_no_intent() {
    let run = Run::new();
    // Nothing listens there any more.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let outcome = run.create(&url, token(), NAME).await.unwrap();
    assert!(is_unreachable(&outcome), "{outcome:?}");
    assert_eq!(run.intent(), None);
}

#[tokio::test]
async fn attempt_without_connection_leaves_no_doubt() {
    let run = Run::new();
    let url = service(is_list, no_portals);
    let outcome = run.create(&url, token(), NAME).await.unwrap();
    assert!(is_unreachable(&outcome), "{outcome:?}");
    assert_eq!(run.intent(), None);
}

#[tokio::test]
async fn attempt_without_response_keeps_intent() {
    let mut runs = JoinSet::new();
    let services: [(Handler, &str); 3] =
        [(stay_silent, "TimedOut"), (|_, _| {}, "Broken"), (flood, "TooLarge")];
    for (attempt, expected) in services {
        runs.spawn(async move {
            let mut run = Run::new();
            run.policy.attempt_timeout = Duration::from_millis(500);
            run.policy.read_timeout = Duration::from_secs(1);
            run.policy.deadline = Duration::from_secs(4);
            let url = service(is_attempt, attempt);
            let outcome = run.create(&url, token(), NAME).await.unwrap();
            let Outcome::Unknown { doubt: Doubt::NoResponse(why), .. } = outcome else {
                panic!("{expected}: {outcome:?}")
            };
            assert!(format!("{why:?}").starts_with(expected), "{why:?}");
            assert!(run.intent().is_some());
        });
    }
    runs.join_all().await;
}

#[tokio::test]
async fn redirect_of_attempt_is_not_followed() {
    let mut run = Run::new();
    run.policy.max_attempts = 1;
    let url = service(|_| false, redirect);
    let outcome = run.create(&url, token(), NAME).await.unwrap();
    let exhausted = matches!(outcome, Outcome::NotCreated { why: NotDone::Exhausted { .. }, .. });
    assert!(exhausted, "{outcome:?}");
}

#[tokio::test]
async fn intent_of_dead_process_is_taken_over() {
    let (server, run) = (server(&[]).await, Run::new());
    run.create_at(&server).await;
    let mut intent = CreateIntent::new(name(NAME));
    intent.attempts = 1;
    intent.baseline = Some(Baseline::default());
    std::fs::write(run.intent_file(), serde_json::to_vec(&Intent::from(intent)).unwrap()).unwrap();

    let other = run.create(server.url(), token(), "SecondPortal").await.unwrap_err();
    assert_eq!(other, format!("{NAME} is in doubt: recover it first"));
    let outcome = run.create_at(&server).await;
    let appeared = matches!(outcome, Outcome::Present { origin: Origin::Appeared, .. });
    assert!(appeared, "{outcome:?}");
    assert_eq!(run.intent(), None);
}

#[tokio::test]
async fn intent_that_cannot_be_written_sends_nothing() {
    let (server, run) = (server(&[]).await, Run::new());
    // Block the temporary file of the intent with a directory of the same name.
    std::fs::create_dir(run.intent_file().with_added_extension("new")).unwrap();
    let outcome = run.create_at(&server).await;
    let reason = matches!(outcome, Outcome::NotCreated { why: NotDone::NotRecorded(_), .. });
    assert!(reason, "{outcome:?}");
    assert_eq!(server.portals().await.unwrap(), []);
}

#[tokio::test]
async fn intent_file_in_use_is_refused() {
    let (server, run) = (server(&[]).await, Run::new());
    let lock = File::create(run.intent_file().with_added_extension("lock")).unwrap();
    lock.lock().unwrap();
    let error = run.create(server.url(), token(), NAME).await.unwrap_err();
    assert_eq!(error, "in use by another process");
    assert_eq!(server.portals().await.unwrap(), []);
}
