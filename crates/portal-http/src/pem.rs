//! Files with certificates and keys, and [`TlsError`], one that is unusable.

use std::fs;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
#[cfg(feature = "server")]
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{self, PemObject};

/// A file with unusable certificates or an unusable key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
#[non_exhaustive]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// What was expected and what was found.
    pub why: String,
}

/// The content of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError { path: path.to_owned(), why: error.to_string() })
}

/// The certificates in the content of a file, at least one.
pub(crate) fn certificates(
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(pem::Error::NoItemsFound),
        found => found,
    }
    .map_err(|error| unusable(path, "certificates", &error))
}

/// The first private key in the content of a file.
#[cfg(feature = "server")]
pub(crate) fn private_key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| unusable(path, "a private key", &error))
}

fn unusable(path: &Path, expected: &str, error: &pem::Error) -> TlsError {
    let why = match error {
        pem::Error::NoItemsFound => format!("expected {expected} in PEM form, found none"),
        error => format!("expected {expected} in PEM form: {error}"),
    };
    TlsError { path: path.to_owned(), why }
}
