//! [`Tls`]: which servers are trusted, and encryption to one.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use http::Uri;
use portal_model::flow::NotSent;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::layer::{BoxError, BoxLayer, Kind, Layer};
use crate::pem::{TlsError, certificates, read};

/// What decides which servers are trusted.
#[derive(Clone, Debug, Default)]
pub(super) enum Trust {
    #[default]
    Platform,
    /// Besides those of the platform.
    File(PathBuf),
    /// The same.
    Pem(Vec<u8>),
    Config(Arc<ClientConfig>),
}

/// What was read, and the configuration built from it by the first connection: plain http to this
/// machine works on systems without certificates.
#[derive(Debug, Default)]
pub(super) struct Tls {
    roots: Vec<CertificateDer<'static>>,
    config: OnceLock<Result<Arc<ClientConfig>, rustls::Error>>,
}

impl Tls {
    pub(super) fn read(trust: &Trust) -> Result<Self, TlsError> {
        let (path, pem) = match trust {
            Trust::Platform => return Ok(Self::default()),
            Trust::Config(config) if config.enable_early_data => {
                let why = "expected a configuration without early data";
                return Err(TlsError { path: "TLS".into(), why: why.to_owned() });
            }
            Trust::Config(config) => {
                return Ok(Self { roots: Vec::new(), config: OnceLock::from(Ok(config.clone())) });
            }
            Trust::File(path) => (path.as_path(), &read(path)?),
            Trust::Pem(pem) => (Path::new("the trusted certificates"), pem),
        };
        let roots = certificates(path, pem)?;
        let tls = Self { roots, config: OnceLock::new() };
        // Validate them now, so that a bad one fails before anything is sent.
        match tls.config() {
            Ok(_) => Ok(tls),
            Err(error) => {
                let why = match error {
                    rustls::Error::InvalidCertificate(_) => "one can't be read".to_owned(),
                    other => other.to_string(),
                };
                Err(TlsError { path: path.to_owned(), why })
            }
        }
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        self.config.get_or_init(|| self.make_config().map(Arc::new)).clone()
    }

    fn make_config(&self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier =
            Verifier::new_with_extra_roots(self.roots.iter().cloned(), provider.clone())?;
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth())
    }

    /// Encrypts `stream` and verifies that the host of `uri` is at its other end.
    pub(super) async fn encrypt(&self, stream: BoxLayer, uri: &Uri) -> Result<BoxLayer, BoxError> {
        // A URL has an IPv6 address in brackets.
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let host = ServerName::try_from(host.to_owned())?;
        Ok(Box::new(TlsConnector::from(self.config()?).connect(host, stream).await?))
    }
}

impl Layer for TlsStream<BoxLayer> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0.socket()
    }
}

/// Why there is no TLS, if this is an error of it.
pub(super) fn cause(error: &(dyn Error + 'static)) -> Option<(Kind, String)> {
    use rustls::CertificateError as Invalid;
    use rustls::Error::{AlertReceived, General, InvalidCertificate, InvalidMessage};

    let (kind, why): (Kind, &str) = match error.downcast_ref::<rustls::Error>()? {
        InvalidCertificate(invalid) => match invalid {
            // The latter three: the issuer is called like a CA that this machine trusts, and is not it.
            Invalid::UnknownIssuer
            | Invalid::BadSignature
            | Invalid::UnsupportedSignatureAlgorithmContext { .. }
            | Invalid::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                (NotSent::Untrusted, "its certificate is not trusted")
            }
            Invalid::BadEncoding => (NotSent::Permanent, "its certificate can't be read"),
            Invalid::Expired | Invalid::ExpiredContext { .. } => {
                (NotSent::Permanent, "its certificate has expired")
            }
            Invalid::NotValidYet | Invalid::NotValidYetContext { .. } => (
                NotSent::Permanent,
                "its certificate is not valid yet; is this machine's clock right?",
            ),
            Invalid::NotValidForName | Invalid::NotValidForNameContext { .. } => {
                (NotSent::Permanent, "its certificate is for another host")
            }
            Invalid::Revoked => (NotSent::Permanent, "its certificate is revoked"),
            Invalid::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                (NotSent::Permanent, "its certificate is that of a CA, not of a server")
            }
            other => {
                let text = format!("{other:?}");
                let name = text.split([' ', '(']).next().unwrap_or_default();
                return Some((NotSent::Permanent, format!("its certificate is invalid: {name}")));
            }
        },
        InvalidMessage(_) => (NotSent::Connect, "its response is not TLS; is it an http server?"),
        AlertReceived(alert) => {
            return Some((NotSent::Connect, format!("it ended the TLS handshake: {alert:?}")));
        }
        General(why) => (NotSent::Connect, why.as_str()),
        other => return Some((NotSent::Connect, other.to_string())),
    };
    Some((kind, why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_is_called_what_is_wrong_with_it() {
        use rustls::{CertificateError as Invalid, Error};

        let (algorithm, key) = (vec![6, 8, 42], vec![6, 9, 42]);
        let of_another_kind = Invalid::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: algorithm,
            public_key_algorithm_id: key,
        };
        for (invalid, is_untrusted, expected) in [
            (Invalid::UnknownIssuer, true, "is not trusted"),
            (Invalid::BadSignature, true, "is not trusted"),
            (of_another_kind, true, "is not trusted"),
            (Invalid::Expired, false, "has expired"),
            (Invalid::Revoked, false, "is revoked"),
            (Invalid::BadEncoding, false, "can't be read"),
            (Invalid::UnhandledCriticalExtension, false, "is invalid: UnhandledCriticalExtension"),
            (
                Invalid::InvalidPurposeContext {
                    required: rustls::ExtendedKeyPurpose::ServerAuth,
                    presented: vec![rustls::ExtendedKeyPurpose::ClientAuth],
                },
                false,
                "is invalid: InvalidPurposeContext",
            ),
        ] {
            let (kind, why) = cause(&Error::InvalidCertificate(invalid)).unwrap();
            assert_eq!(why, format!("its certificate {expected}"));
            assert_eq!(matches!(kind(why.clone()), NotSent::Untrusted(_)), is_untrusted, "{why}");
        }
    }

    #[test]
    fn certificates_are_read_before_first_connection_only() {
        let tls = Tls::read(&Trust::Platform).unwrap();
        assert!(tls.config.get().is_none());
    }

    #[test]
    fn nothing_is_sent_before_handshake_ends() {
        assert!(!Tls::default().make_config().unwrap().enable_early_data);
    }
}
