//! [`Tls`]: trusted certificates and the client certificate.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, Write};
use hyper_rustls::HttpsConnector;
pub(super) use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::Connection;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;
use tower_service::Service;

use super::boxed::{BoxError, Connecting};
use crate::pem::{TlsError, certificates, private_key};

/// What was read from files, and the configuration built from it by the first connection: plain
/// http to this machine works on systems without certificates.
#[derive(Debug, Default)]
pub(super) struct Tls {
    roots: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
    config: OnceLock<Result<Arc<ClientConfig>, rustls::Error>>,
}

#[derive(Debug)]
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Tls {
    pub(super) fn read(
        ca_file: Option<&Path>,
        client_certificate: Option<&(PathBuf, PathBuf)>,
    ) -> Result<Self, TlsError> {
        let identity = client_certificate.map(|(chain, key)| {
            Ok(Identity { chain: certificates(chain)?, key: private_key(key)? })
        });
        let tls = Self {
            roots: ca_file.map(certificates).transpose()?.unwrap_or_default(),
            identity: identity.transpose()?,
            config: OnceLock::new(),
        };
        // Validate the files now, so that a bad one fails before anything is sent.
        if let Some(path) = client_certificate.map(|(_, key)| key.as_path()).or(ca_file)
            && let Err(error) = tls.config()
        {
            return Err(TlsError { path: path.to_owned(), why: error.to_string() });
        }
        Ok(tls)
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        self.config.get_or_init(|| self.make_config().map(Arc::new)).clone()
    }

    fn make_config(&self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier =
            Verifier::new_with_extra_roots(self.roots.iter().cloned(), provider.clone())?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        match &self.identity {
            Some(Identity { chain, key }) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key())
            }
            None => Ok(builder.with_no_client_auth()),
        }
    }
}

/// Adds TLS on top of another connector if the URL is https.
#[derive(Clone)]
pub(super) struct MaybeTls<C> {
    pub(super) inner: C,
    tls: Arc<Tls>,
}

impl<C> MaybeTls<C> {
    pub(super) fn new(inner: C, tls: &Arc<Tls>) -> Self {
        Self { inner, tls: tls.clone() }
    }
}

impl<C> Service<Uri> for MaybeTls<C>
where
    C: Service<Uri> + Clone,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = MaybeHttpsStream<C::Response>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        if destination.scheme() != Some(&Scheme::HTTPS) {
            let connecting = self.inner.call(destination);
            return Box::pin(async move {
                Ok(MaybeHttpsStream::Http(connecting.await.map_err(Into::into)?))
            });
        }
        match self.tls.config() {
            Ok(config) => HttpsConnector::from((self.inner.clone(), config)).call(destination),
            Err(error) => Box::pin(async move { Err(error.into()) }),
        }
    }
}

/// A connection without TLS.
pub(super) fn plain<S>(stream: S) -> MaybeHttpsStream<S> {
    MaybeHttpsStream::Http(stream)
}

/// Whether a retry would fail the same way.
pub(super) fn is_permanent(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_before_first_connection_only() {
        let tls = Tls::read(None, None).unwrap();
        assert!(tls.config.get().is_none());
    }
}
