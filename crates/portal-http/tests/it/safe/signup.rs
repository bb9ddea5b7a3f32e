//! The example of a service, killed in mid-create and started again.

#[path = "../../../examples/signup.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod example;

use std::future::pending;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use portal_http::client::{Client, Credential, SafeClient};
use portal_http::ledger::Ledger;
use portal_http::server::LocalServer;
use portal_model::flow::Policy;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{names, server};
use crate::wire::WireResponse;

/// The directory of the ledger, set for the process that is the service.
const SERVICE: &str = "PORTAL_TEST_SIGNUP";
const LONGEST: Duration = Duration::from_secs(30);
const LEASE: Duration = Duration::from_secs(1);
/// At how many random moments the service is killed.
const POINTS: &str = "PORTAL_KILL_POINTS";

/// Not a test: the service, in a process of its own.
#[tokio::test]
async fn service() {
    let Some(data) = std::env::var_os(SERVICE) else { return };
    let text = |name| std::env::var(name).unwrap();
    let credential = Credential::refresh_token(text("ID"), text("SECRET"), text("TOKEN"));
    // An attempt that the killed one made ends soon.
    let mut policy = Policy::rehearsal();
    (policy.attempt_timeout, policy.record_timeout) = (LEASE, LEASE);
    let client = Client::builder().accounts_url(text("ACCOUNTS")).policy(policy);
    let ledger = Ledger::open(data).unwrap();
    let portals = SafeClient::new(client.build(credential).unwrap(), ledger);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("at {}", listener.local_addr().unwrap());
    example::run(portals, listener, pending()).await.unwrap();
}

/// A process that is killed when it is dropped.
struct Service {
    process: Child,
    host: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Service {
    fn start(server: &LocalServer, data: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "safe::signup::service", "--nocapture"])
            .env(SERVICE, data)
            .env("ACCOUNTS", server.url())
            .env("ID", server.client_id())
            .env("SECRET", server.client_secret().expose())
            .env("TOKEN", server.refresh_token().expose())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut hosts =
            lines.filter_map(|line| Some(line.unwrap().strip_prefix("at ")?.to_owned()));
        let host = hosts.next().unwrap();
        Self { process, host }
    }

    /// Sends the form; nothing if the process dies before it responds.
    async fn sign_up(host: String, id: &str, name: &str) -> Option<(u16, String)> {
        loop {
            let page = Self::sign_up_once(host.clone(), id, name).await?;
            if page.0 != 202 {
                return Some(page);
            }
            // As the page says: it is reloaded.
            assert_eq!(page.1, "This takes a while: reload the page.");
        }
    }

    async fn sign_up_once(host: String, id: &str, name: &str) -> Option<(u16, String)> {
        let body = format!("name={name}");
        let request = format!(
            "POST /signups/{id} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let exchange = async {
            let mut stream = TcpStream::connect(&host).await.ok()?;
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.ok().filter(|read| *read > 0)?;
            Some(received)
        };
        let response = WireResponse::read(&timeout(LONGEST, exchange).await.unwrap()?);
        Some((response.status, String::from_utf8(response.body).unwrap()))
    }
}

#[tokio::test]
async fn service_killed_in_mid_create_makes_one_portal() {
    let (server, data) = (server(&["POST committed:delay=1h:@1"]).await, TempDir::new().unwrap());
    let service = Service::start(&server, data.path());
    let first = tokio::spawn(Service::sign_up(service.host.clone(), "4711", "AcmePortal"));
    let created = async {
        while names(&server).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONGEST, created).await.unwrap();
    drop(service);
    assert_eq!(first.await.unwrap(), None);

    let service = Service::start(&server, data.path());
    let sign_up = async |id, name| Service::sign_up(service.host.clone(), id, name).await.unwrap();
    for _ in 0..2 {
        let (status, page) = sign_up("4711", "AcmePortal").await;
        assert_eq!(status, 201, "{page}");
        assert!(page.starts_with("AcmePortal exists"), "{page}");
    }
    // Another customer, who wants the same name, gets nobody else's portal.
    assert_eq!(sign_up("4712", "AcmePortal").await.0, 409);
    assert_eq!(sign_up("4712", "Acme Portal").await.0, 422);
    assert_eq!(names(&server).await, ["AcmePortal"]);
}

/// Kills the service within `longest` after the form was sent, and starts it again; or not, to measure
/// how long it takes.
async fn sign_up_killed_within(longest: Option<Duration>) -> Duration {
    let (server, data) = (server(&[]).await, TempDir::new().unwrap());
    if let Some(longest) = longest {
        let service = Service::start(&server, data.path());
        let form = tokio::spawn(Service::sign_up(service.host.clone(), "4711", "AcmePortal"));
        // Not a wait for anything: the moment is what is tested.
        let share = f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX);
        tokio::time::sleep(longest.mul_f64(share)).await;
        drop(service);
        form.await.unwrap();
    }
    let service = Service::start(&server, data.path());
    let started = Instant::now();
    let (status, page) =
        Service::sign_up(service.host.clone(), "4711", "AcmePortal").await.unwrap();
    let took = started.elapsed();
    let is_truthful =
        ["AcmePortal exists", "AcmePortal was created"].iter().any(|it| page.starts_with(it));
    assert!(status == 201 && is_truthful, "{status} {page}");
    assert_eq!(names(&server).await, ["AcmePortal"]);
    took
}

#[tokio::test]
async fn service_killed_at_random_makes_one_portal() {
    const AT_ONCE: usize = 4;
    let points = std::env::var(POINTS).map_or(10, |points| points.parse().unwrap());
    // As many at once as are killed later, so that the moments are spread over all that they do.
    let whole = join_all([(); AT_ONCE].map(|()| sign_up_killed_within(None))).await;
    let longest = whole.into_iter().max().unwrap().mul_f64(1.2);
    let killed = stream::iter(0..points).map(|_| sign_up_killed_within(Some(longest)));
    killed.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
}
