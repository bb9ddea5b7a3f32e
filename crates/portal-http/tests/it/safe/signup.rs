//! The example of a service, killed in mid-create and started again.

#[path = "../../../examples/signup.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod example;

use std::future::pending;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use portal_http::server::LocalServer;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{names, server};
use crate::wire::{WireResponse, exchange};

/// Set for the process that is the service.
const SERVICE: &str = "PORTAL_TEST_SIGNUP";
const LONGEST: Duration = Duration::from_secs(30);

/// Not a test: the service, in a process of its own.
#[tokio::test]
async fn service() {
    if std::env::var_os(SERVICE).is_some() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("at {}", listener.local_addr().unwrap());
        example::run(listener, pending()).await.unwrap();
    }
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
            .env(SERVICE, "1")
            .env("SIGNUP_DATA", data)
            .env("PORTAL_ACCOUNTS_URL", server.url())
            .env("PORTAL_CLIENT_ID", server.client_id())
            .env("PORTAL_CLIENT_SECRET", server.client_secret().expose())
            .env("PORTAL_REFRESH_TOKEN", server.refresh_token().expose())
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
        let body = format!("name={name}");
        let request = format!(
            "POST /signups/{id} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let received = timeout(LONGEST, exchange(&host, request.as_bytes())).await.unwrap();
        let response = (!received.is_empty()).then(|| WireResponse::read(&received))?;
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
