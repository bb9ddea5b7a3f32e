//! [`AccessLogEntry`]: one line of an access log, without secrets.

use std::time::Duration;

use http::Method;

/// One request and its response, reported to
/// [`on_request`](super::PortalServiceBuilder::on_request).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessLogEntry {
    /// The method.
    pub method: Method,
    /// The path without its query, as received: escape it before showing it on a terminal.
    pub path: String,
    /// The name of the org, if the request had a valid access token.
    pub org: Option<String>,
    /// The HTTP status; `None` if a fault withheld the response.
    pub status: Option<u16>,
    /// The error code of the API or of the accounts server.
    pub code: Option<String>,
    /// From the last byte of the request to the response.
    pub elapsed: Duration,
}
