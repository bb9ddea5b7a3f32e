//! [`AccessLogEntry`]: one line of an access log, without secrets; [`Exchange`]: all of a request and
//! its response.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, Uri};
use serde::Deserialize;

use super::fault::FaultSpec;

/// One request and its response, reported to
/// [`on_request`](super::PortalServiceBuilder::on_request).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessLogEntry {
    /// When the last byte of the request had been received.
    pub received: SystemTime,
    /// The method.
    pub method: Method,
    /// The path without its query, as received: escape it before showing it on a terminal.
    pub path: String,
    /// The name of the org, if the request had a valid access token.
    pub org: Option<String>,
    /// The name of a portal in the request's body, such as that of a create; escape it too.
    pub portal: Option<String>,
    /// The HTTP status; `None` if a fault withheld the response.
    pub status: Option<u16>,
    /// The error code of the API or of the accounts server.
    pub code: Option<String>,
    /// From the last byte of the request to the response.
    pub elapsed: Duration,
    /// The faults that were injected.
    pub faults: Vec<FaultSpec>,
}

/// One request and its response in full, reported to
/// [`on_exchange`](super::PortalServiceBuilder::on_exchange). Headers and bodies have secrets.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// What the access log has.
    pub entry: &'a AccessLogEntry,
    /// The target of the request, with its query.
    pub target: &'a Uri,
    /// The headers of the request.
    pub request_headers: &'a HeaderMap,
    /// The body of the request, if it was received completely.
    pub request_body: &'a [u8],
    /// The headers of the response, without those that the connection adds.
    pub response_headers: HeaderMap,
    /// The body of the response, if one was sent.
    pub response_body: &'a [u8],
}

/// The name in the body of a create or a rename.
pub(super) fn portal_name(body: &[u8]) -> Option<String> {
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
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    body.portals.into_iter().next().map(|named| named.name.into_owned())
}
