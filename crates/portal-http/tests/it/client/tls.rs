//! TLS and proxies, over real sockets. The certificates in `tls/` are valid for a hundred years and
//! were issued by an authority whose key was discarded.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use portal_http::client::{ClientError, HttpTransport, HttpTransportBuilder, Proxy};
use portal_model::ListPortals;
use portal_model::flow::NotSent;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::peer::{LISTED, Peer, client, plain, with_access_token};
use super::script::credential;

pub(crate) fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/it/client/tls", name].iter().collect()
}

pub(crate) fn acceptor(wants_client_certificate: bool) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
    let verifier = if wants_client_certificate {
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap()
    } else {
        Arc::new(NoClientAuth)
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()],
            PrivateKeyDer::from_pem_file(file("server.key")).unwrap(),
        )
        .unwrap();
    Arc::new(config).into()
}

/// Issues tokens and lists no portals, over TLS.
async fn service(wants_client_certificate: bool) -> Peer {
    let acceptor = acceptor(wants_client_certificate);
    Peer::start(move |connection| {
        let acceptor = acceptor.clone();
        async move {
            if let Some(encrypted) = connection.within(|stream| acceptor.accept(stream)).await {
                encrypted.serve_tokens_and_lists().await;
            }
        }
    })
    .await
}

fn trusting() -> HttpTransportBuilder {
    plain().ca_file(file("ca.pem"))
}

async fn list(transport: HttpTransportBuilder, url: &str) -> Result<usize, ClientError> {
    let client = with_access_token(client(transport, url));
    client.call(&ListPortals).await.map(|portals| portals.len())
}

fn not_sent(result: Result<usize, ClientError>) -> String {
    match result {
        Err(ClientError::NotSent(NotSent::Connect(why))) => why,
        other => panic!("{other:?}"),
    }
}

/// Like [`not_sent`], for a failure that retrying will not fix.
fn permanent(result: Result<usize, ClientError>) -> String {
    match result {
        Err(ClientError::NotSent(NotSent::Permanent(why))) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn untrusted_or_misnamed_server_gets_no_request() {
    let service = service(false).await;
    let port = service.address.port();
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(list(trusting(), &format!("https://{host}:{port}")).await, Ok(0));
    }
    let untrusted = permanent(list(plain(), &format!("https://127.0.0.1:{port}")).await);
    assert!(untrusted.contains("UnknownIssuer"), "{untrusted}");
    let proxy = proxy(&service).await;
    let misnamed = permanent(list(through(&proxy, "p%40ss"), "https://another.example").await);
    assert!(misnamed.contains("certificate not valid for name"), "{misnamed}");
    assert_eq!(service.heads().len(), 2);
}

#[tokio::test]
async fn client_certificate_is_sent_on_request() {
    let service = service(true).await;
    let url = format!("https://{}", service.address);
    let certified = trusting().client_certificate(file("client.pem"), file("client.key"));
    assert_eq!(list(certified, &url).await, Ok(0));
    assert!(list(trusting(), &url).await.is_err());
    assert_eq!(service.heads().len(), 1);
}

#[test]
fn error_names_file_without_certificate_or_key() {
    let error = |builder: HttpTransportBuilder| builder.build().unwrap_err().to_string();
    let absent = error(plain().ca_file("/nonexistent/ca.pem"));
    assert_eq!(absent, "/nonexistent/ca.pem: No such file or directory (os error 2)");
    let key = error(plain().ca_file(file("server.key")));
    assert!(key.ends_with("server.key: expected certificates in PEM form, found none"), "{key}");
    let swapped = error(plain().client_certificate(file("client.key"), file("client.pem")));
    assert!(swapped.contains("client.key: expected certificates"), "{swapped}");
    let foreign = error(plain().client_certificate(file("client.pem"), file("server.key")));
    assert!(foreign.contains("server.key: "), "{foreign}");
}

/// A proxy that requires a password, tunnels every name to `to`, and responds to plain requests itself.
async fn proxy(to: &Peer) -> Peer {
    let to = to.address;
    Peer::start(move |mut connection| async move {
        let Some(head) = connection.request().await else { return };
        let head = head.to_ascii_lowercase();
        if !head.contains("proxy-authorization: basic dxnlcjpwqhnz\r\n") {
            connection.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        } else if head.starts_with("connect") {
            connection.write(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
            let mut upstream = TcpStream::connect(to).await.unwrap();
            // Either side may close the tunnel.
            let _ = copy_bidirectional(&mut connection.stream, &mut upstream).await;
        } else {
            connection.write(LISTED).await;
        }
    })
    .await
}

fn through(proxy: &Peer, password: &str) -> HttpTransportBuilder {
    let url = format!("http://user:{password}@{}", proxy.address);
    trusting().proxy(Proxy::new(&url, []).unwrap())
}

#[tokio::test]
async fn api_and_accounts_server_use_same_tunnel() {
    let service = service(false).await;
    let proxy = proxy(&service).await;
    let client = client(through(&proxy, "p%40ss"), "https://www.zohoapis.example")
        .accounts_url("https://accounts.zoho.example")
        .build(credential())
        .unwrap();
    assert_eq!(client.call(&ListPortals).await.unwrap(), []);
    assert_eq!(
        proxy.request_lines(),
        ["CONNECT accounts.zoho.example:443 HTTP/1.1", "CONNECT www.zohoapis.example:443 HTTP/1.1"]
    );
    assert_eq!(service.heads().len(), 2);
    // The proxy's credentials stay with the proxy.
    assert!(!service.heads().concat().to_ascii_lowercase().contains("proxy-authorization"));
}

#[tokio::test]
async fn plain_http_to_loopback_uses_loopback_proxy() {
    let service = service(false).await;
    let proxy = proxy(&service).await;
    assert_eq!(list(through(&proxy, "p%40ss"), "http://127.0.0.1:9").await, Ok(0));
    let head = &proxy.heads()[0];
    assert!(
        head.starts_with("GET http://127.0.0.1:9/crm/v7/settings/portals HTTP/1.1\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn refusing_proxy_sends_nothing_hides_password() {
    let service = service(false).await;
    let proxy = proxy(&service).await;
    let why = not_sent(list(through(&proxy, "hush"), "https://www.zohoapis.example").await);
    assert_eq!(why, "tunnel error: proxy authorization required");
    let socks = Proxy::new("http://127.0.0.1:1", []).unwrap();
    let why = not_sent(list(trusting().proxy(socks), "https://www.zohoapis.example").await);
    assert!(why.contains("refused"), "{why}");
}

/// Lists portals in the environment that the next test sets.
#[tokio::test]
#[ignore = "a process that another test starts"]
async fn process_behind_proxy() {
    let url = std::env::var("IT_LISTS").expect("another test starts it");
    let transport = HttpTransport::builder().ca_file(file("ca.pem"));
    assert_eq!(list(transport, &url).await, Ok(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_from_environment_honors_exceptions() {
    let service = service(false).await;
    let proxy = proxy(&service).await;
    let to_proxy = format!("http://user:p%40ss@{}", proxy.address);
    let direct = format!("https://{}", service.address);
    for (url, variable, except) in [
        ("https://www.zohoapis.example", "HTTPS_PROXY", ""),
        ("http://127.0.0.1:9", "http_proxy", ""),
        ("https://www.zohoapis.example", "ALL_PROXY", "zohoapis.com"),
        (&direct, "HTTPS_PROXY", "localhost,127.0.0.1"),
    ] {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "client::tls::process_behind_proxy"])
            .env_clear()
            .env("IT_LISTS", url)
            .env(variable, &to_proxy)
            .env("NO_PROXY", except)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{variable} {url}");
    }
    assert_eq!(
        proxy.request_lines(),
        [
            "CONNECT www.zohoapis.example:443 HTTP/1.1",
            "GET http://127.0.0.1:9/crm/v7/settings/portals HTTP/1.1",
            "CONNECT www.zohoapis.example:443 HTTP/1.1"
        ]
    );
}
