//! The server over TLS. The two certificates in `tls/` are self-signed, for localhost and 127.0.0.1,
//! and valid for a hundred years.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portal_http::server::{Server, ServerLimits, ServerTls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Custom;
use crate::wire::{Wire, WireResponse};

const LONG: Duration = Duration::from_secs(20);
const LIST: &[u8] = b"GET /crm/v7/settings/portals HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/server/tls").join(name)
}

/// A server whose certificate files are in a directory of its own.
struct Encrypted {
    server: Custom,
    files: TempDir,
    tls: ServerTls,
}

impl Encrypted {
    async fn start(adjust: impl FnOnce(&mut ServerLimits)) -> Self {
        let files = TempDir::new().unwrap();
        install(files.path(), "first");
        let tls = ServerTls::from_files(files.path().join("tls.pem"), files.path().join("tls.key"))
            .unwrap();
        let mut limits = ServerLimits::default();
        adjust(&mut limits);
        let with_tls = |server: Server| server.with_limits(limits).with_tls(tls.clone());
        let server = Custom::start(|service| service, with_tls).await;
        assert_eq!(server.url, format!("https://{}", server.host));
        Self { server, files, tls }
    }

    /// A connection of a client that trusts one certificate.
    async fn connect(&self, trusted: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(fixture(trusted)).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(&self.server.host).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    async fn send(&self, request: &Wire) -> WireResponse {
        let mut stream = self.connect("first.pem").await.unwrap();
        stream.write_all(&request.bytes(&self.server.host)).await.unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.unwrap();
        WireResponse::read(&response)
    }
}

/// Writes a copy that is newer than its source: on Windows, `fs::copy` keeps the time.
fn copy(source: &Path, to: &Path) {
    fs::write(to, fs::read(source).unwrap()).unwrap();
}

/// Makes the certificate `name` the one of the server in `directory`.
fn install(directory: &Path, name: &str) {
    for end in ["pem", "key"] {
        let new = directory.join("new");
        copy(&fixture(&format!("{name}.{end}")), &new);
        fs::rename(new, directory.join(format!("tls.{end}"))).unwrap();
    }
}

/// The status of the next response on a connection that stays open.
async fn list_on(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(LIST).await.unwrap();
    let mut response = vec![0; 4096];
    let length = timeout(LONG, stream.read(&mut response)).await.unwrap().unwrap();
    String::from_utf8_lossy(&response[..length]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn token_over_tls_leads_to_https() {
    let server = Encrypted::start(|_| {}).await;
    let local = &server.server.local;
    let form = format!(
        "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
        local.client_id(),
        local.client_secret().expose(),
        local.refresh_token().expose()
    );
    let granted = server.send(&Wire::new("POST", "/oauth/v2/token").body(form)).await;
    let granted: Value = granted.json().unwrap();
    assert_eq!(granted["api_domain"], server.server.url);
    let token = granted["access_token"].as_str().unwrap();
    assert_eq!(server.send(&super::create(token, "AcmePortal")).await.status, 200);
    assert_eq!(super::names(local).await, ["AcmePortal"]);
}

#[tokio::test]
async fn reload_keeps_open_connections() {
    let server = Encrypted::start(|_| {}).await;
    let mut open = server.connect("first.pem").await.unwrap();
    assert_eq!(list_on(&mut open).await, "HTTP/1.1 401 Unauthorized");
    assert_eq!(server.tls.reload(), Ok(false));
    install(server.files.path(), "second");
    assert_eq!(server.tls.reload(), Ok(true));
    assert_eq!(list_on(&mut open).await, "HTTP/1.1 401 Unauthorized");
    let mut new = server.connect("second.pem").await.unwrap();
    assert_eq!(list_on(&mut new).await, "HTTP/1.1 401 Unauthorized");
    assert!(server.connect("first.pem").await.is_err());
}

#[tokio::test]
async fn unusable_files_keep_certificate() {
    let server = Encrypted::start(|_| {}).await;
    let path = server.files.path().join("tls.pem");
    copy(&fixture("second.pem"), &path);
    let half = server.tls.reload().unwrap_err();
    assert!(half.path.ends_with("tls.key"), "{half}");
    for (text, why) in [("", "expected certificates in PEM form, found none"), ("x", "found none")]
    {
        fs::write(&path, text).unwrap();
        let error = server.tls.reload().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    fs::remove_file(&path).unwrap();
    let missing = std::io::Error::from_raw_os_error(2).to_string();
    assert!(server.tls.reload().unwrap_err().to_string().contains(&missing));
    assert!(server.connect("first.pem").await.is_ok());
    let swapped = ServerTls::from_files(fixture("first.key"), fixture("first.pem")).unwrap_err();
    assert!(!swapped.to_string().contains("BEGIN"), "{swapped}");
}

#[tokio::test]
async fn slow_handshake_is_closed() {
    let server =
        Encrypted::start(|limits| limits.handshake_timeout = Duration::from_millis(50)).await;
    let mut silent = TcpStream::connect(&server.server.host).await.unwrap();
    let read = timeout(LONG, silent.read_u8()).await.expect("the connection is closed");
    assert!(read.is_err());
}

#[tokio::test]
async fn plain_http_is_closed_and_others_are_served() {
    let server = Encrypted::start(|_| {}).await;
    let mut plain = TcpStream::connect(&server.server.host).await.unwrap();
    plain.write_all(LIST).await.unwrap();
    let mut received = Vec::new();
    let _ = timeout(LONG, plain.read_to_end(&mut received)).await.expect("it is closed");
    assert!(!received.starts_with(b"HTTP"), "{received:?}");
    let mut stream = server.connect("first.pem").await.unwrap();
    assert_eq!(list_on(&mut stream).await, "HTTP/1.1 401 Unauthorized");
}

#[tokio::test]
async fn half_handshake_does_not_delay_shutdown() {
    let mut server = Encrypted::start(|limits| {
        limits.shutdown_timeout = LONG * 3;
        limits.handshake_timeout = LONG * 3;
    })
    .await;
    let mut half = TcpStream::connect(&server.server.host).await.unwrap();
    half.write_all(&[22, 3, 1]).await.unwrap();
    let mut idle = server.connect("first.pem").await.unwrap();
    assert_eq!(list_on(&mut idle).await, "HTTP/1.1 401 Unauthorized");
    server.server.shut_down();
    timeout(LONG, &mut server.server.serving).await.expect("it ends").unwrap();
}
