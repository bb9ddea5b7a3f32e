//! What every operation has in common: plain [`Request`] and [`Response`] values, and the
//! [`Endpoint`] that turns one into the other.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use crate::error::ApiError;
use crate::scope::Scope;
use crate::secret::Secret;

/// The client side of one operation: encode the request, decode whatever comes back.
///
/// A transport needs nothing else:
/// ```
/// use portal_model::{ApiVersion, CreatePortal, Endpoint, Method, PortalName, Response, Secret};
///
/// let create = CreatePortal::new(PortalName::parse("PortalsAPItest100")?);
/// let token = Secret::new("1000.abc.def");
/// let request = create.request(ApiVersion::V7).authorized(&token);
/// assert_eq!(request.method, Method::Post);
/// assert_eq!(request.path, "/crm/v7/settings/portals");
/// assert_eq!(request.body, br#"{"portals":[{"name":"PortalsAPItest100"}]}"#);
///
/// // … send it by any means, then:
/// let response = Response::new(400, br#"{"portals":[{"code":"ALREADY_USED","details":
///     {"api_name":"name"},"message":"The entered portal name is already in use",
///     "status":"error"}]}"#);
/// let error = create.decode(&response).unwrap_err();
/// assert!(error.api().is_some_and(|error| error.is_already_used()));
/// # Ok::<(), portal_model::InvalidPortalName>(())
/// ```
pub trait Endpoint {
    /// The content of a successful response.
    type Output;
    /// The scopes of which any one is enough.
    const SCOPES: &'static [Scope];

    /// The request, without its token: see [`Request::authorized`].
    fn request(&self, version: ApiVersion) -> Request;

    /// Reads any response.
    ///
    /// # Errors
    /// [`ResponseError::Api`] if the service rejected the request, [`ResponseError::Unreadable`] for
    /// everything that is not a response of the service to this operation: HTML of a gateway, an
    /// empty or cut body, a success without its envelope.
    fn decode(&self, response: &Response) -> Result<Self::Output, ResponseError>;
}

/// An [`Endpoint`] whose request changes nothing: to repeat it, or to lose its response, does no harm.
///
/// A client may therefore send it again. A request of any other endpoint must be sent at most once
/// by whoever does not verify its outcome.
pub trait ReadOnly: Endpoint {}

/// The version in a path. [`V7`](Self::V7) is the one that documents the operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ApiVersion {
    /// `/crm/v4`
    V4 = 4,
    /// `/crm/v5`
    V5,
    /// `/crm/v6`
    V6,
    /// `/crm/v7`, the default.
    #[default]
    V7,
    /// `/crm/v8`, which words its successes differently.
    V8,
}

impl ApiVersion {
    /// The versions that are served, oldest first.
    pub const ALL: [Self; 5] = [Self::V4, Self::V5, Self::V6, Self::V7, Self::V8];

    /// The number after the `v`.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.number())
    }
}

impl FromStr for ApiVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        match text.strip_prefix('v').unwrap_or(text) {
            "4" => Ok(Self::V4),
            "5" => Ok(Self::V5),
            "6" => Ok(Self::V6),
            "7" => Ok(Self::V7),
            "8" => Ok(Self::V8),
            _ => Err(UnknownVersion(text.to_owned())),
        }
    }
}

/// A version that is none of v4 to v8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown API version \"{0}\": expected one of v4, v5, v6, v7, v8")]
pub struct UnknownVersion(String);

/// An HTTP method, as far as the operations need one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Read.
    Get,
    /// Create, and everything of OAuth.
    Post,
    /// Rename.
    Put,
}

impl Method {
    /// As in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A request as any transport can send it: append `path` to a base URL, add a `Host` and a
/// `Content-Length`.
///
/// `Debug` shows no query, no `Authorization` and no body, since each may carry a secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Absolute path with its query, percent-encoded.
    pub path: String,
    /// Names in lower case, with their values.
    pub headers: Vec<(&'static str, String)>,
    /// Empty if the method has none.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// The same request with a body.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.headers.push(("content-type", content_type.to_owned()));
        self.body = body;
        self
    }

    /// The same request with its access token: `Authorization: Zoho-oauthtoken …`.
    #[must_use]
    pub fn authorized(mut self, access_token: &Secret) -> Self {
        let value = [AUTHORIZATION_SCHEME, " ", access_token.expose()].concat();
        self.headers.push(("authorization", value));
        self
    }

    /// The same request with one more header; `name` is in lower case.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The path without its query, fit for a log.
    pub fn path_without_query(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

/// What is percent-encoded in a path segment and in a query: everything but the unreserved characters
/// of RFC 3986.
pub(crate) const UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The scheme of the `Authorization` header.
pub const AUTHORIZATION_SCHEME: &str = "Zoho-oauthtoken";

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header_names: Vec<_> = self.headers.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path_without_query())
            .field("headers", &header_names)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// A response as any transport can produce it, and as a server sends it.
///
/// `Debug` shows no body, since it may carry a token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header, as a time from now.
    pub retry_after: Option<Duration>,
    /// Whether `Age`, `Cache-Status`, `Warning`, `X-Cache` or a header like it marks the response as a
    /// cache's: it shows an earlier state.
    pub is_from_cache: bool,
    /// Whether the response is one page of several, as `Link` (RFC 8288) or a header like it says.
    pub has_next_page: bool,
    /// How many records there are in all, as `X-Total-Count` says.
    pub total_count: Option<usize>,
    /// The complete body.
    pub body: Vec<u8>,
}

/// Headers in which a cache says whether the response is its own: of Varnish, Squid, Cloudflare, and
/// nginx as its documentation and others name it.
const CACHES: [&str; 5] =
    ["x-cache", "x-cache-lookup", "cf-cache-status", "x-cache-status", "x-proxy-cache"];

impl Response {
    /// A response without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            retry_after: None,
            is_from_cache: false,
            has_next_page: false,
            total_count: None,
            body: body.into(),
        }
    }

    /// The same response with what matters of its headers. `header` gives the lines of the
    /// one of a name, in lower case: all of them, or an [`Option`] where there is one at most.
    ///
    /// `Retry-After` is whole seconds, or a date relative to the response's own `Date`; one that
    /// cannot be read counts as absent.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portal_model::Response;
    ///
    /// let limited = Response::new(429, "")
    ///     .with_headers(|name| (name == "retry-after").then_some("7"));
    /// assert_eq!(limited.retry_after, Some(Duration::from_secs(7)));
    /// ```
    #[must_use]
    pub fn with_headers<'a, V: IntoIterator<Item = &'a str>>(
        mut self,
        header: impl Fn(&'static str) -> V,
    ) -> Self {
        let first = |name| header(name).into_iter().next();
        // A proxy may add a line of its own, and each counts.
        let any = |name, is: &dyn Fn(&str) -> bool| header(name).into_iter().any(is);
        let retry_after = first("retry-after");
        self.retry_after =
            retry_after.and_then(|value| parse_retry_after(value.trim(), first("date")));
        // A response of the service itself has no age (RFC 9111, section 5.1), no warning of how fresh it is,
        // all of which begin with 1 (RFC 7234, section 5.5), and is no cache's hit: a parameter `hit`
        // (RFC 9211), or `X-Cache` in any of its wordings, such as `TCP_HIT`.
        let is_aged = |age: &str| age.trim().parse() != Ok(0_u64);
        // Fastly counts its hits at each cache; Varnish adds the id of the request that filled it.
        let is_counted = |hits: &str| hits.split(',').any(is_aged);
        let is_of_other = |ids: &str| ids.split_whitespace().count() > 1;
        let is_hit = |status: &str| {
            let mut words = status.split([',', ';']).map(|word| word.trim().to_ascii_lowercase());
            words.any(|word| word == "hit" || word == "hit=?1")
        };
        let is_stale = |warning: &str| warning.trim().starts_with('1');
        let is_past = |status: &str| {
            let status = status.to_ascii_lowercase();
            ["hit", "stale", "updating"].iter().any(|past| status.contains(past))
        };
        self.is_from_cache = any("age", &is_aged)
            || any("cache-status", &is_hit)
            || any("warning", &is_stale)
            || any("x-cache-hits", &is_counted)
            || any("x-varnish", &is_of_other)
            || CACHES.iter().any(|name| any(name, &is_past));
        // One relation or several, in quotes or not, also with a character set (RFC 8288, section 3.3).
        let is_next = |parameter: &str| {
            let parameter = parameter.to_ascii_lowercase();
            let (name, relations) = parameter.split_once('=').unwrap_or_default();
            matches!(name.trim(), "rel" | "rel*")
                && relations.split([' ', '"', '\'']).any(|relation| relation == "next")
        };
        let is_several = |pages: &str| !matches!(pages.trim(), "" | "0" | "1");
        // A range is of a part, and only 206 has it (RFC 9110, section 14.4).
        let is_there = |value: &str| !value.trim().is_empty();
        self.has_next_page = any("link", &|link| link.split([',', ';']).any(is_next))
            || any("x-total-pages", &is_several)
            || ["x-next-page", "content-range"].iter().any(|name| any(name, &is_there));
        self.total_count = first("x-total-count").and_then(|count| count.trim().parse().ok());
        self
    }
}

fn parse_retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("is_from_cache", &self.is_from_cache)
            .field("has_next_page", &self.has_next_page)
            .field("total_count", &self.total_count)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// Why a response is not a success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The service rejected the request.
    #[error(transparent)]
    Api(ApiError),
    /// Not a response of the service to this operation. It does not show whether the service did
    /// what was requested.
    #[error(transparent)]
    Unreadable(Unreadable),
}

impl ResponseError {
    pub(crate) fn unreadable(response: &Response, why: UnreadableReason) -> Self {
        Self::Unreadable(Unreadable::new(response, why))
    }

    /// The service's error, if it sent one.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            Self::Unreadable(_) => None,
        }
    }

    /// Whether a read-only request deserves another access token: it came with HTTP 401, whatever the
    /// body, or as in [`ApiError::needs_new_token`].
    pub fn needs_new_token(&self) -> bool {
        match self {
            Self::Api(error) => error.needs_new_token(),
            Self::Unreadable(response) => response.http_status == 401,
        }
    }
}

/// A response that is not the service's, with the excerpt that helps to find out whose it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid response (HTTP {http_status}): {why}{}", self.quoted())]
#[non_exhaustive]
pub struct Unreadable {
    /// The HTTP status.
    pub http_status: u16,
    /// What is wrong with it.
    pub why: UnreadableReason,
    /// The beginning of the body: at most [`EXCERPT_LEN`](Self::EXCERPT_LEN) bytes, made valid UTF-8.
    pub excerpt: String,
}

impl Unreadable {
    /// How many bytes of an unreadable body are kept: 4 KiB.
    pub const EXCERPT_LEN: usize = 4096;

    /// An excerpt of `response`.
    pub fn new(response: &Response, why: UnreadableReason) -> Self {
        let kept = response.body.get(..Self::EXCERPT_LEN).unwrap_or(&response.body);
        Self { http_status: response.status, why, excerpt: String::from_utf8_lossy(kept).into() }
    }

    /// The first line of the excerpt, short enough for a message.
    fn quoted(&self) -> String {
        const SHOWN: usize = 80;
        let line = self.excerpt.trim_start().lines().next().unwrap_or_default();
        let shown: String = line.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        match shown.as_str() {
            "" => String::new(),
            _ if shown.len() < self.excerpt.trim().len() => format!(": {shown}…"),
            _ => format!(": {shown}"),
        }
    }
}

/// What is wrong with an [`Unreadable`] response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableReason {
    /// The body is empty, but one is needed.
    #[error("empty body")]
    Empty,
    /// The body is not JSON: HTML of a gateway, or JSON that was cut.
    #[error("not JSON")]
    NotJson,
    /// JSON without an envelope that the service uses.
    #[error("unexpected JSON")]
    NoEnvelope,
    /// A record of a list has no name.
    #[error("portal record without a name")]
    NoName,
    /// A list that does not show what there is now: a part of one, or one of a cache.
    #[error("incomplete list: {0}")]
    IncompleteList(&'static str),
    /// A success that names another portal, or that comes with an error status.
    #[error("contradicts itself or the request")]
    Contradiction,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_401_but_scope_needs_new_token() {
        let body = |code: &str| format!(r#"{{"code":"{code}","status":"error","message":"m"}}"#);
        for (status, body, expected) in [
            (401, body("INVALID_OAUTHTOKEN"), true),
            (401, body("NO_IDEA"), true),
            (401, r#"{"code":"INVALID_OAUTHTOKEN"}"#.to_owned(), true),
            (401, "<html>".to_owned(), true),
            (401, String::new(), true),
            (400, body("INVALID_TOKEN"), true),
            (403, body("INVALID_OAUTHTOKEN"), true),
            (400, body("AUTHENTICATION_FAILURE"), true),
            (401, body("OAUTH_SCOPE_MISMATCH"), false),
            (403, body("NO_PERMISSION"), false),
            (500, body("INVALID_TOKEN"), false),
            (400, "<html>".to_owned(), false),
        ] {
            let error =
                crate::read::decode_page(&Response::new(status, body.as_str())).unwrap_err();
            assert_eq!(error.needs_new_token(), expected, "{status} {body}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let request = Request::new(Method::Post, "/oauth/v2/token/revoke?token=hush")
            .with_body("text/plain", b"hush".to_vec())
            .authorized(&Secret::new("hush"));
        let shown = format!("{request:?}");
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("authorization"), "{shown}");
        let response = Response::new(200, r#"{"access_token":"hush"}"#);
        assert!(!format!("{response:?}").contains("hush"));
    }

    #[test]
    fn unreadable_response_keeps_bounded_excerpt() {
        let page = format!("<html>\u{1b}[31m502 Bad Gateway\n{}", "x".repeat(9000));
        let unreadable =
            Unreadable::new(&Response::new(502, page.as_bytes()), UnreadableReason::NotJson);
        assert_eq!(unreadable.excerpt.len(), Unreadable::EXCERPT_LEN);
        assert_eq!(
            unreadable.to_string(),
            "invalid response (HTTP 502): not JSON: <html>[31m502 Bad Gateway…"
        );
    }

    #[test]
    fn retry_after_is_seconds_or_date() {
        let after = |value: Option<&'static str>, date: Option<&'static str>| {
            let header = |name| match name {
                "retry-after" => value,
                "date" => date,
                _ => None,
            };
            Response::new(429, "").with_headers(header).retry_after
        };
        let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(after(Some(" 120 "), None), Some(Duration::from_secs(120)));
        assert_eq!(
            after(Some("Wed, 21 Oct 2015 07:29:30 GMT"), date),
            Some(Duration::from_secs(90))
        );
        assert_eq!(after(Some("Wed, 21 Oct 2015 07:00:00 GMT"), date), Some(Duration::ZERO));
        for unreadable in ["", "-1", "soon", "1e9", "Wed, 21 Oct 2015 07:29:30 GMT"] {
            assert_eq!(after(Some(unreadable), None), None, "{unreadable}");
        }
        assert_eq!(after(None, date), None);
    }

    #[test]
    fn age_or_hit_marks_response_from_cache() {
        let is_from_cache = |header: &str, value| {
            let response = Response::new(200, "");
            response.with_headers(|name| (name == header).then_some(value)).is_from_cache
        };
        for (header, value, expected) in [
            ("age", "3600", true),
            ("age", "soon", true),
            ("age", " 0 ", false),
            ("cache-status", "ExampleCache; hit; ttl=376", true),
            ("cache-status", "origin; fwd=miss, edge;HIT", true),
            ("cache-status", "hitman; fwd=uri-miss; key=\"hit/1\"", false),
            ("x-cache", "Hit from cloudfront", true),
            ("x-cache", "TCP_HIT", true),
            ("x-cache", "MISS, HIT", true),
            ("x-cache", "Miss from cloudfront", false),
            ("x-cache-lookup", "HIT from squid:3128", true),
            ("x-cache-lookup", "NONE from squid:3128", false),
            ("x-cache-hits", "0, 3", true),
            ("x-cache-hits", "0, 0", false),
            ("x-varnish", "32770 3", true),
            ("x-varnish", "32770", false),
            ("cf-cache-status", "HIT", true),
            ("cf-cache-status", "DYNAMIC", false),
            ("x-cache-status", "UPDATING", true),
            ("x-cache-status", "BYPASS", false),
            ("x-proxy-cache", "STALE", true),
            ("warning", "110 squid \"Response is stale\"", true),
            ("warning", "111 gw \"Revalidation Failed\"", true),
            ("warning", "112 - \"Disconnected Operation\"", true),
            ("warning", "214 - \"Transformation applied\"", false),
            ("date", "hit", false),
        ] {
            assert_eq!(is_from_cache(header, value), expected, "{header}: {value}");
        }
    }

    #[test]
    fn version_is_read_with_and_without_letter() {
        assert_eq!("v8".parse(), Ok(ApiVersion::V8));
        assert_eq!("4".parse(), Ok(ApiVersion::V4));
        for wrong in ["", "v", "v3", "v9", "vv7", "v7.0", "seven"] {
            let error = wrong.parse::<ApiVersion>().unwrap_err();
            assert!(error.to_string().contains("v4, v5, v6, v7, v8"), "{error}");
        }
    }
}
