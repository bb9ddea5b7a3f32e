//! [`ServedRequest`]: one request and its response, as access logs and monitoring see them, and
//! [`RequestRecord`] and [`MaskedRequest`]: what is kept of them.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{HeaderMap, Method, header};
use portal_model::neutral::cut;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::FaultSpec;
use super::mask;
use super::response::ServerResponse;

/// One request and its response, reported to
/// [`on_request`](super::PortalServiceBuilder::on_request).
///
/// It borrows everything, so that a callback pays only for what it looks at. The path, the query, the
/// headers and the bodies can have secrets: log what [`RequestRecord`] and [`masked`](Self::masked)
/// have of them. `Debug` leaves them out.
pub struct ServedRequest<'a> {
    /// When the last byte of the request had been received.
    pub received: SystemTime,
    /// From the last byte of the request to the response.
    pub elapsed: Duration,
    /// The method, the target and the headers of the request.
    pub head: &'a Parts,
    /// The body of the request, if it was received completely.
    pub body: &'a [u8],
    /// The faults that were injected.
    pub faults: &'a [FaultSpec],
    pub(super) response: &'a ServerResponse,
}

impl<'a> ServedRequest<'a> {
    /// The method.
    pub fn method(&self) -> &'a Method {
        &self.head.method
    }

    /// The path without its query, as received, with a token that a client has put there.
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
        let body: Value = serde_json::from_slice(self.body).ok()?;
        body.pointer("/portals/0/name")?.as_str().map(str::to_owned)
    }

    /// The HTTP status; `None` if a fault withheld the response.
    pub fn status(&self) -> Option<u16> {
        self.response.status()
    }

    /// The error code of the API or of the accounts server.
    pub fn code(&self) -> Option<&'a str> {
        self.response.code.as_deref()
    }

    /// The request and its response in full, with `•••` for each secret.
    pub fn masked(&self) -> MaskedRequest {
        let headers = &self.head.headers;
        MaskedRequest {
            query: self.head.uri.query().map(mask::parameters),
            request: MaskedMessage::new(headers, mask::body(self.body, self.path(), headers)),
            response: MaskedMessage::new(
                &self.response.headers(),
                mask::response_body(&self.response.response.body),
            ),
        }
    }
}

/// What a [`RequestRecord`] leaves out, with `•••` for each secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MaskedRequest {
    /// The query of the target.
    pub query: Option<String>,
    /// The request.
    pub request: MaskedMessage,
    /// The response.
    pub response: MaskedMessage,
}

/// The headers and the body of a request or a response, with `•••` for each secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MaskedMessage {
    /// Names and values, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it is kept.
    pub body: String,
    /// Bytes of the body that are not kept, such as one that is not text or may hold a secret.
    pub left_out: usize,
}

impl MaskedMessage {
    fn new(headers: &HeaderMap, (body, left_out): (String, usize)) -> Self {
        Self { headers: mask::headers(headers), body, left_out }
    }
}

impl fmt::Debug for ServedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        RequestRecord::from(self).fmt(f)
    }
}

/// What is kept of one request and its response: an entry of an access log.
///
/// It serializes as an object of its fields, without the body of the request. Every text is as the
/// client sent it, but with `•••` for each secret: escape it before showing it on a terminal.
///
/// ```
/// use portal_http::server::{RequestRecord, RequestResult};
///
/// let line = r#"{"time":"2026-11-25T14:03:25.114Z","method":"POST","path":"/crm/v7/settings/portals",
///     "org":"Acme","portal":"AcmePortal","status":400,"code":"ALREADY_USED","us":2390,"agent":"curl/8.14.1","faults":[]}"#;
/// let record: RequestRecord = serde_json::from_str(line)?;
/// assert_eq!((record.clock(), record.result()), ("14:03:25.114Z", RequestResult::Refused));
/// assert_eq!(record.duration(), "2.3 ms");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestRecord {
    /// When the last byte of the request had been received: RFC 3339 in UTC, with milliseconds.
    pub time: String,
    /// The method.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The name of the org, if the request had a valid access token.
    pub org: Option<String>,
    /// The name of a portal in the request's body, such as that of a create.
    pub portal: Option<String>,
    /// The HTTP status; `None` if a fault withheld the response.
    pub status: Option<u16>,
    /// The error code of the API or of the accounts server.
    pub code: Option<String>,
    /// From the last byte of the request to the response, in microseconds.
    pub us: u64,
    /// The `User-Agent` of the client.
    pub agent: Option<String>,
    /// The faults that were injected, as [`FaultSpec`] writes them.
    pub faults: Vec<String>,
    /// The body of the request, with `\u{FFFD}` in place of what is not UTF-8. Only
    /// [`LocalServer::requests`](super::LocalServer::requests) has it, since a token request has
    /// secrets in its body; empty otherwise, and never serialized.
    #[serde(skip)]
    pub request_body: String,
}

/// As JSON, without the body of the request: that of a token request has secrets.
impl fmt::Debug for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}

impl From<&ServedRequest<'_>> for RequestRecord {
    fn from(request: &ServedRequest<'_>) -> Self {
        Self {
            time: humantime::format_rfc3339_millis(request.received).to_string(),
            method: mask::text(request.method().as_str()),
            path: mask::path(request.path()),
            org: request.org().map(str::to_owned),
            portal: request.portal().as_deref().map(mask::text),
            status: request.status(),
            code: request.code().map(str::to_owned),
            us: u64::try_from(request.elapsed.as_micros()).unwrap_or(u64::MAX),
            agent: request
                .head
                .headers
                .get(header::USER_AGENT)
                .map(|agent| cut(&mask::text(&String::from_utf8_lossy(agent.as_bytes())))),
            faults: request.faults.iter().map(ToString::to_string).collect(),
            request_body: String::new(),
        }
    }
}

impl RequestRecord {
    /// The time without its date.
    pub fn clock(&self) -> &str {
        self.time.split_once('T').map_or(&self.time, |(_, clock)| clock)
    }

    /// How long it took, in the unit that says something: `850 µs`, `2.3 ms`, `48 ms` or `1.2 s`.
    pub fn duration(&self) -> String {
        let of = |unit: u64| match self.us / (unit / 10) {
            tenths @ 0..100 => format!("{}.{}", tenths / 10, tenths % 10),
            tenths => (tenths / 10).to_string(),
        };
        match self.us {
            us @ 0..1_000 => format!("{us} µs"),
            1_000..1_000_000 => format!("{} ms", of(1_000)),
            _ => format!("{} s", of(1_000_000)),
        }
    }

    /// How it ended.
    pub fn result(&self) -> RequestResult {
        match self.status {
            // The accounts server refuses under 200.
            Some(200..300) if self.code.is_none() => RequestResult::Success,
            Some(200..500) => RequestResult::Refused,
            _ => RequestResult::Failed,
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestResult {
    /// With what was asked for.
    Success,
    /// With a refusal of the API or of the accounts server.
    Refused,
    /// With a failure of the server, or without a response.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_has_unit_that_says_something() {
        for (us, text) in [
            (0, "0 µs"),
            (850, "850 µs"),
            (1_000, "1.0 ms"),
            (2_390, "2.3 ms"),
            (48_000, "48 ms"),
            (999_999, "999 ms"),
            (1_250_000, "1.2 s"),
            (72_000_000, "72 s"),
        ] {
            let line = r#"{"time":"","method":"","path":"","faults":[],"us":"#.to_owned();
            let record: RequestRecord = serde_json::from_str(&format!("{line}{us}}}")).unwrap();
            assert_eq!(record.duration(), text);
        }
    }
}
