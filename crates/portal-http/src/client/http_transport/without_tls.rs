//! Replaces `tls.rs` without the feature `tls`: https URLs are refused, and no certificates are
//! read.

use std::error::Error;

use http::Uri;
use portal_model::flow::NotSent;

use super::layer::{BoxError, BoxLayer, Kind};
use super::trust::Trust;
use crate::pem::TlsError;

/// An https URL in a build without TLS.
#[derive(Debug, thiserror::Error)]
#[error("portal-http was built without TLS: enable its feature `tls`")]
pub(super) struct NoTls;

#[derive(Debug, Default)]
pub(super) struct Tls {}

impl Tls {
    pub(super) fn read(trust: &Trust) -> Result<Self, TlsError> {
        match trust {
            Trust::Platform => Ok(Self {}),
            Trust::File(path) => Err(TlsError { path: path.clone(), why: NoTls.to_string() }),
        }
    }

    #[expect(clippy::unused_self, reason = "the signature of the other one")]
    pub(super) fn config(&self) -> Result<(), NoTls> {
        Err(NoTls)
    }

    #[expect(clippy::unused_async, reason = "the signature of the other one")]
    pub(super) async fn encrypt(&self, _: BoxLayer, _: &Uri) -> Result<BoxLayer, BoxError> {
        Err(NoTls.into())
    }
}

/// Why there is no TLS, if this is an error of it.
pub(super) fn cause(error: &(dyn Error + 'static)) -> Option<(Kind, String)> {
    let no_tls = error.downcast_ref::<NoTls>()?;
    Some((NotSent::Permanent, no_tls.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::Request;
    use portal_model::flow::{NotSent, TransportError};

    use super::super::HttpTransport;
    use crate::client::{Bounds, Transport as _};

    #[tokio::test]
    async fn https_url_is_not_sent_and_not_tried_again() {
        let request = Request::get("https://127.0.0.1:9/").body(Bytes::new()).unwrap();
        let sent = HttpTransport::new().send(request, Bounds::new(Duration::from_secs(5))).await;
        match sent {
            Err(TransportError::NotSent(NotSent::Permanent(why))) => {
                assert!(why.contains("enable its feature `tls`"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ca_file_is_refused() {
        assert!(HttpTransport::builder().ca_file("ca.pem").build().is_err());
    }
}
