//! What TLS trusts and shows: [`Tls`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;

/// What was read from files, and the configuration that the first connection builds from it: plain
/// http to this machine needs no certificates on it.
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
            Ok(Identity {
                chain: certificates(chain)?,
                key: PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| TlsError::new(key, "a private key", &error))?,
            })
        });
        let tls = Self {
            roots: ca_file.map(certificates).transpose()?.unwrap_or_default(),
            identity: identity.transpose()?,
            config: OnceLock::new(),
        };
        // What the files hold is checked now, so that it fails before anything is sent.
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

fn certificates(path: impl AsRef<Path>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let path = path.as_ref();
    let wrong = |error| TlsError::new(path, "certificates", &error);
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(wrong)?
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    if found.is_empty() {
        return Err(wrong(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}

/// A file whose certificates or key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
#[non_exhaustive]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// What was expected of it and what is wrong with it.
    pub why: String,
}

impl TlsError {
    fn new(path: &Path, expected: &str, error: &rustls_pki_types::pem::Error) -> Self {
        let why = match error {
            rustls_pki_types::pem::Error::Io(error) => error.to_string(),
            rustls_pki_types::pem::Error::NoItemsFound => {
                format!("expected {expected} in PEM form, found none")
            }
            error => format!("expected {expected} in PEM form: {error}"),
        };
        Self { path: path.to_owned(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_nothing_is_read_before_the_first_connection() {
        let tls = Tls::read(None, None).unwrap();
        assert!(tls.config.get().is_none());
    }
}
