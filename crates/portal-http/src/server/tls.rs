//! [`ServerTls`]: the certificate and the key of a server, which can be replaced while it serves.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::connections::Connection;
use crate::pem::{TlsError, certificates, private_key, read};

/// How often [`ServerTls::watch`] looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long before its expiry a certificate is told of, and how often.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
const TELL_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// What becomes of a certificate: see [`ServerTls::watch`].
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsEvent {
    /// It was replaced by a new one.
    Replaced,
    /// The files have changed and are unusable, so that it stays: each reason once.
    Kept(TlsError),
    /// It expires at that time, within two weeks, or has expired: once a day.
    Expires(SystemTime),
}

/// The certificate and the key of a [`Server`](super::Server), read from files in PEM form.
///
/// TLS 1.2 and later are spoken, and HTTP/1.1 over it. A value is a handle: its clones share one
/// certificate.
#[derive(Clone, Debug)]
pub struct ServerTls {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    chain: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    certificates: Vec<CertificateDer<'static>>,
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// Reads a certificate, with those between it and a root, and its private key.
    ///
    /// # Errors
    /// [`TlsError`] if a file can't be read or is unusable, or the key is another certificate's.
    pub fn from_files(
        chain: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsError> {
        let (chain, key) = (chain.into(), key.into());
        let loaded = RwLock::new(load(&chain, &key)?);
        Ok(Self { shared: Arc::new(Shared { chain, key, loaded }) })
    }

    /// Reads the files again. Connections from now on get the new certificate; those that are open
    /// stay. Returns whether there is one.
    ///
    /// [`watch`](Self::watch) does it now and then: a certificate is renewed by programs that know of no
    /// server.
    ///
    /// # Errors
    /// [`TlsError`]; the server keeps the certificate that it has. Between the replacement of one
    /// file and of the other the two don't match.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let Shared { chain, key, loaded } = &*self.shared;
        let new = load(chain, key)?;
        let mut loaded = loaded.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = new.certificates != loaded.certificates;
        if is_new {
            *loaded = new;
        }
        Ok(is_new)
    }

    /// [Reloads](Self::reload) the certificate every five seconds until it is dropped, and tells what becomes of
    /// it. To be spawned beside the server.
    pub async fn watch(self, tell: impl Fn(TlsEvent)) {
        // The last failure, and the last one that was told.
        let (mut failed, mut told) = (None, None);
        let mut tell_at = SystemTime::now();
        loop {
            let expires = self.expires().filter(|at| *at < SystemTime::now() + EXPIRES_SOON);
            if let (Some(at), true) = (expires, SystemTime::now() >= tell_at) {
                tell(TlsEvent::Expires(at));
                tell_at = SystemTime::now() + TELL_INTERVAL;
            }
            sleep(INTERVAL).await;
            match self.reload() {
                Ok(is_new) => {
                    (failed, told) = (None, None);
                    if is_new {
                        tell(TlsEvent::Replaced);
                        tell_at = SystemTime::now();
                    }
                }
                Err(error) => {
                    let why = Some(error.to_string());
                    // Not at first: one file is replaced before the other.
                    if why == failed && why != told {
                        told.clone_from(&why);
                        tell(TlsEvent::Kept(error));
                    }
                    failed = why;
                }
            }
        }
    }

    /// When the certificate expires; `None` if that cannot be read.
    pub fn expires(&self) -> Option<SystemTime> {
        let loaded = self.shared.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let certificate = Certificate::from_der(loaded.certificates.first()?).ok()?;
        Some(certificate.tbs_certificate.validity.not_after.to_system_time())
    }

    /// The handshake, unless it fails, takes too long or the connection has to make room.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        limit: Duration,
        state: &Connection,
    ) -> Option<TlsStream<S>> {
        let config = {
            let loaded = self.shared.loaded.read().unwrap_or_else(PoisonError::into_inner);
            loaded.config.clone()
        };
        let handshake = timeout(limit, TlsAcceptor::from(config).accept(stream));
        tokio::select! {
            biased;
            result = handshake => match result {
                Ok(Ok(stream)) => return Some(stream),
                // Such as plain HTTP, or a client that does not trust the certificate.
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake timed out"),
            },
            () = state.closed() => tracing::debug!("connection closed to make room"),
        }
        None
    }
}

fn load(chain: &Path, key: &Path) -> Result<Loaded, TlsError> {
    let unusable = |error: rustls::Error| TlsError {
        path: key.to_owned(),
        why: match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("expected the private key of the certificate in {}", chain.display())
            }
            error => error.to_string(),
        },
    };
    let certificates = certificates(chain, &read(chain)?)?;
    let private_key = private_key(key, &read(key)?)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(certificates.clone(), private_key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded { certificates, config: Arc::new(config) })
}
