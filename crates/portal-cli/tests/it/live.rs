//! The hosts of the live service, as far as the command can tell: a proxy on loopback that ends the
//! TLS of `www.zohoapis.eu` and `accounts.zoho.eu` and forwards to a `portal serve`.
//!
//! The certificates in `live/` are valid for a hundred years, and the key of their authority was
//! thrown away.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::orgs::{self, Org};
use crate::support::{Home, Served};

/// Lives as long as a test.
pub(crate) struct Live {
    pub(crate) home: Home,
    pub(crate) server: Served,
    proxy: SocketAddr,
    _runtime: Runtime,
}

impl Live {
    /// With these orgs; the home has no profile.
    pub(crate) fn start(orgs: &[Org]) -> Self {
        let home = Home::new();
        let hosts = ["--allow-host", "www.zohoapis.eu", "--allow-host", "accounts.zoho.eu"];
        let server = orgs::serve(&home, orgs, &hosts);
        let target = server.url().trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let proxy = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(accept(listener, target));
        Self { home, server, proxy, _runtime: runtime }
    }

    /// `portal` with the credentials of `org`, whose data center is the EU's.
    pub(crate) fn command(&self, org: &Org, arguments: &[&str]) -> Command {
        let mut command = self.anonymous(arguments);
        command.envs(org.environment("https://www.zohoapis.eu"));
        command.env("PORTAL_ACCOUNTS_URL", "https://accounts.zoho.eu");
        command
    }

    /// The URL of the proxy.
    pub(crate) fn proxy(&self) -> String {
        format!("http://{}", self.proxy)
    }

    /// `portal` without credentials.
    pub(crate) fn anonymous(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command_elsewhere(arguments);
        command.env("HTTPS_PROXY", self.proxy());
        command.arg("--ca-file").arg(file("ca.pem"));
        command
    }
}

pub(crate) fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/it/live", name].iter().collect()
}

async fn accept(listener: TcpListener, target: SocketAddr) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()],
            PrivateKeyDer::from_pem_file(file("server.key")).unwrap(),
        )
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(tunnel(client, tls.clone(), target));
    }
}

/// Responds to one `CONNECT`, whatever its host is.
async fn tunnel(client: TcpStream, tls: TlsAcceptor, target: SocketAddr) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    while client.read_line(&mut line).await? > 2 {
        line.clear();
    }
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
    let mut client = tls.accept(client).await?;
    let mut server = TcpStream::connect(target).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
