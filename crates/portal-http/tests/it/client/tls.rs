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
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::peer::{Peer, client, plain, with_access_token};
use super::script::credential;

pub(crate) fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/it/client/tls", name].iter().collect()
}

pub(crate) fn acceptor() -> TlsAcceptor {
    acceptor_with("server")
}

fn acceptor_with(certificate: &str) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(file(&format!("{certificate}.pem"))).unwrap()],
            PrivateKeyDer::from_pem_file(file(&format!("{certificate}.key"))).unwrap(),
        )
        .unwrap();
    Arc::new(config).into()
}

/// Issues tokens and lists no portals, over TLS.
async fn service() -> Peer {
    let acceptor = acceptor();
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

/// Why it was not sent, for a failure that retrying will not fix.
fn permanent(result: Result<usize, ClientError>) -> String {
    match result {
        Err(ClientError::NotSent(NotSent::Permanent(why))) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn untrusted_or_misnamed_server_gets_no_request() {
    let service = service().await;
    let port = service.address.port();
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(list(trusting(), &format!("https://{host}:{port}")).await, Ok(0));
    }
    let untrusted = list(plain(), &format!("https://127.0.0.1:{port}")).await.unwrap_err();
    let why = format!("cannot reach 127.0.0.1:{port}: its certificate is not trusted");
    assert_eq!(untrusted.to_string(), why);
    assert_eq!(untrusted, ClientError::NotSent(NotSent::Untrusted(why)));
    let proxy = proxy(&service).await;
    let misnamed = permanent(list(through(&proxy, "p%40ss"), "https://another.example").await);
    assert_eq!(misnamed, "cannot reach another.example: its certificate is for another host");
    assert_eq!(service.heads().len(), 2);
}

#[test]
fn error_names_file_without_certificate() {
    let error = |builder: HttpTransportBuilder| builder.build().unwrap_err().to_string();
    let absent = error(plain().ca_file("/nonexistent/ca.pem"));
    let why = std::fs::read("/nonexistent/ca.pem").unwrap_err();
    assert_eq!(absent, format!("/nonexistent/ca.pem: {why}"));
    let key = error(plain().ca_file(file("server.key")));
    assert!(key.ends_with("server.key: expected certificates in PEM form, found none"), "{key}");
    let damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let damaged = error(plain().ca_pem(damaged));
    assert_eq!(damaged, "the trusted certificates: one can't be read");
}

#[tokio::test]
async fn trust_is_given_as_bytes_or_as_configuration() {
    let service = service().await;
    let url = format!("https://{}", service.address);
    let pem = std::fs::read(file("ca.pem")).unwrap();
    assert_eq!(list(plain().ca_pem(pem.clone()), &url).await, Ok(0));
    let none = plain().ca_pem("no certificate").build().unwrap_err().to_string();
    assert_eq!(none, "the trusted certificates: expected certificates in PEM form, found none");

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    assert_eq!(list(plain().tls_config(config.clone()), &url).await, Ok(0));
    config.enable_early_data = true;
    let early = plain().tls_config(config).build().unwrap_err().to_string();
    assert_eq!(early, "TLS: expected a configuration without early data");
}

#[tokio::test]
async fn peer_without_tls_or_with_ca_certificate_is_named() {
    let peer = Peer::start(|mut connection| async move {
        connection.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        connection.hang().await;
    })
    .await;
    let plain_http = list(trusting(), &format!("https://{}", peer.address)).await.unwrap_err();
    assert!(plain_http.to_string().ends_with("is not TLS; is it an http server?"), "{plain_http}");
    // As `openssl req -x509` makes it.
    let acceptor = acceptor_with("self");
    let ca = Peer::start(move |connection| {
        let acceptor = acceptor.clone();
        async move { drop(acceptor.accept(connection.stream).await) }
    })
    .await;
    let transport = plain().ca_file(file("self.pem"));
    let error = list(transport, &format!("https://{}", ca.address)).await.unwrap_err();
    assert!(error.to_string().ends_with("that of a CA, not of a server"), "{error}");
}

/// A proxy that requires a password, and tunnels every name to `to`.
async fn proxy(to: &Peer) -> Peer {
    let to = to.address;
    Peer::start(move |mut connection| async move {
        let Some(head) = connection.request().await else { return };
        let head = head.to_ascii_lowercase();
        if head.contains("proxy-authorization: basic dxnlcjpwqhnz\r\n") {
            // A blank that some proxies send.
            let established = b"HTTP/1.1 200 Connection established\r\nVia : 1.1 p\r\n\r\n";
            connection.write(established).await;
            let mut upstream = TcpStream::connect(to).await.unwrap();
            // Either side may close the tunnel.
            let _ = copy_bidirectional(&mut connection.stream, &mut upstream).await;
        } else {
            connection.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
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
    let service = service().await;
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
async fn refusing_proxy_sends_nothing_hides_password() {
    let service = service().await;
    let proxy = proxy(&service).await;
    let url = "https://www.zohoapis.example";
    let why = permanent(list(through(&proxy, "hush"), url).await);
    let address = proxy.address;
    assert_eq!(
        why,
        format!("the proxy {address} does not accept its user name and password (HTTP 407)")
    );
    let nobody = Proxy::new("http://127.0.0.1:1", []).unwrap();
    let error = list(trusting().proxy(nobody), url).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot reach the proxy 127.0.0.1:1: connection refused");
}

#[tokio::test]
async fn proxy_that_fails_is_named_with_its_status() {
    let endless = format!("HTTP/1.1 200 OK\r\n{}\r\n", "Via: x\r\n".repeat(101)).leak();
    for (response, expected) in [
        (
            &b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"[..],
            "refused to connect to www.zohoapis.example (HTTP 403)",
        ),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n<html>", "cannot reach www.zohoapis.example (HTTP 502)"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "its response is not HTTP/1.1"),
        (endless.as_bytes(), "the head of its response is too long"),
        (b"HTTP/1.1 20", "it closed the connection"),
    ] {
        let proxy = Peer::closing_after(response).await;
        let through = Proxy::new(&format!("http://{}", proxy.address), []).unwrap();
        let listed = list(trusting().proxy(through), "https://www.zohoapis.example").await;
        let why = listed.unwrap_err().to_string();
        assert!(why.contains(&format!("the proxy {}", proxy.address)), "{why}");
        assert!(why.ends_with(expected), "{why}");
    }
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
    let service = service().await;
    let proxy = proxy(&service).await;
    let to_proxy = format!("http://user:p%40ss@{}", proxy.address);
    let direct = format!("https://{}", service.address);
    for (url, variable, except) in [
        ("https://www.zohoapis.example", "HTTPS_PROXY", ""),
        ("https://www.zohoapis.example", "ALL_PROXY", "zohoapis.com"),
        (&direct, "HTTPS_PROXY", ""),
    ] {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "client::tls::process_behind_proxy"])
            .env_clear()
            // Without it there are no sockets on Windows.
            .envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
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
        ["CONNECT www.zohoapis.example:443 HTTP/1.1", "CONNECT www.zohoapis.example:443 HTTP/1.1"]
    );
}
