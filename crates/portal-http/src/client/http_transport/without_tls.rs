//! Replaces `tls.rs` without the feature `tls`: https URLs are refused, and no certificates are
//! read.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use tower_service::Service;

use super::boxed::{BoxError, Connecting};
use crate::pem::TlsError;

/// An https URL in a build without TLS.
#[derive(Debug, thiserror::Error)]
#[error("portal-http was built without TLS: enable its feature `tls`")]
struct NoTls;

#[derive(Debug, Default)]
pub(super) struct Tls {}

impl Tls {
    pub(super) fn read(
        ca_file: Option<&Path>,
        client_certificate: Option<&(PathBuf, PathBuf)>,
    ) -> Result<Self, TlsError> {
        match ca_file.or(client_certificate.map(|(certificate, _)| certificate.as_path())) {
            Some(path) => Err(TlsError { path: path.to_owned(), why: NoTls.to_string() }),
            None => Ok(Self {}),
        }
    }
}

/// The connection itself.
pub(super) type MaybeHttpsStream<S> = S;

pub(super) fn plain<S>(stream: S) -> MaybeHttpsStream<S> {
    stream
}

/// Another connector, restricted to http URLs.
#[derive(Clone)]
pub(super) struct MaybeTls<C> {
    pub(super) inner: C,
}

impl<C> MaybeTls<C> {
    pub(super) fn new(inner: C, _: &Arc<Tls>) -> Self {
        Self { inner }
    }
}

impl<C> Service<Uri> for MaybeTls<C>
where
    C: Service<Uri> + Clone,
    C::Response: Send + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        if destination.scheme() == Some(&Scheme::HTTPS) {
            return Box::pin(async { Err(NoTls.into()) });
        }
        let connecting = self.inner.call(destination);
        Box::pin(async move { connecting.await.map_err(Into::into) })
    }
}

/// Whether a retry would fail the same way.
pub(super) fn is_permanent(error: &(dyn Error + 'static)) -> bool {
    error.is::<NoTls>()
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
