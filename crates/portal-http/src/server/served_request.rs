//! [`ServedRequest`]: one request and its response, as access logs and monitoring see them.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use serde::Deserialize;

use super::fault::FaultSpec;
use super::response::ServerResponse;

/// One request and its response, reported to
/// [`on_request`](super::PortalServiceBuilder::on_request).
///
/// It borrows everything, so that a callback pays only for what it looks at. The query, the headers
/// and the bodies have secrets: keep them out of logs. `Debug` leaves them out.
pub struct ServedRequest<'a> {
    pub(super) received: SystemTime,
    pub(super) elapsed: Duration,
    pub(super) head: &'a Parts,
    pub(super) body: &'a [u8],
    pub(super) response: &'a ServerResponse,
    pub(super) faults: &'a [FaultSpec],
}

impl<'a> ServedRequest<'a> {
    /// When the last byte of the request had been received.
    pub fn received(&self) -> SystemTime {
        self.received
    }

    /// From the last byte of the request to the response.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The method.
    pub fn method(&self) -> &'a Method {
        &self.head.method
    }

    /// The path without its query, as received: escape it before showing it on a terminal.
    pub fn path(&self) -> &'a str {
        self.head.uri.path()
    }

    /// The name of the org, if the request had a valid access token.
    pub fn org(&self) -> Option<&'a str> {
        self.response.org()
    }

    /// The name of a portal in the request's body, such as that of a create; escape it too. Parses
    /// the body.
    pub fn portal(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            portals: Vec<Named<'a>>,
        }
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow)]
            name: Cow<'a, str>,
        }
        let body: Body<'_> = serde_json::from_slice(self.body).ok()?;
        body.portals.into_iter().next().map(|named| named.name.into_owned())
    }

    /// The HTTP status; `None` if a fault withheld the response.
    pub fn status(&self) -> Option<u16> {
        self.response.status()
    }

    /// The error code of the API or of the accounts server.
    pub fn code(&self) -> Option<&'a str> {
        self.response.code.as_deref()
    }

    /// The faults that were injected.
    pub fn faults(&self) -> &'a [FaultSpec] {
        self.faults
    }

    /// The target of the request, with its query.
    pub fn target(&self) -> &'a Uri {
        &self.head.uri
    }

    /// The headers of the request.
    pub fn request_headers(&self) -> &'a HeaderMap {
        &self.head.headers
    }

    /// The body of the request, if it was received completely.
    pub fn request_body(&self) -> &'a [u8] {
        self.body
    }

    /// The headers of the response, without those that the connection adds.
    pub fn response_headers(&self) -> HeaderMap {
        self.response.headers()
    }

    /// The body of the response, if one was sent.
    pub fn response_body(&self) -> &'a [u8] {
        self.response.body()
    }
}

impl fmt::Debug for ServedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedRequest")
            .field("method", self.method())
            .field("path", &self.path())
            .field("org", &self.org())
            .field("status", &self.status())
            .field("code", &self.code())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}
