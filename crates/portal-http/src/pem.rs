//! Files with certificates and keys, and [`TlsError`], one that is unusable.

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

/// The certificates in a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path).and_then(at_least_one);
    found.map_err(|error| unusable(path, "certificates", &error))
}

/// The same of bytes.
#[cfg(feature = "sockets")]
pub(crate) fn certificates_in(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    at_least_one(CertificateDer::pem_slice_iter(pem))
        .map_err(|error| unusable(Path::new("the trusted certificates"), "certificates", &error))
}

fn at_least_one<T>(
    found: impl Iterator<Item = Result<T, pem::Error>>,
) -> Result<Vec<T>, pem::Error> {
    let found: Vec<_> = found.collect::<Result<_, _>>()?;
    if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) }
}

/// The first private key in a file.
#[cfg(feature = "server")]
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unusable(path, "a private key", &error))
}

fn unusable(path: &Path, expected: &str, error: &pem::Error) -> TlsError {
    let why = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("expected {expected} in PEM form, found none"),
        error => format!("expected {expected} in PEM form: {error}"),
    };
    TlsError { path: path.to_owned(), why }
}
