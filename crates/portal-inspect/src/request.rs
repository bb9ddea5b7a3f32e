//! [`ReceivedRequest`]: a request whose host and origin are checked, and whose body is received.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use portal_http::server::{host_name, is_loopback};
use tokio::time::timeout;

use crate::inspector::About;
use crate::response::{Refusal, bad_request};

/// Longest body of a request.
const MAX_BODY: usize = 64 * 1024;
/// Longest wait for all of a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A GET, a HEAD or a POST that is not another origin's.
pub(crate) struct ReceivedRequest {
    head: Parts,
    pub(crate) body: Bytes,
}

impl ReceivedRequest {
    pub(crate) async fn receive(
        request: Request<Incoming>,
        about: &About,
    ) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        check_host(about, &head.headers)?;
        let body = match head.method {
            Method::GET | Method::HEAD => Bytes::new(),
            Method::POST => {
                check_origin(&head.headers)?;
                let late = "timed out waiting for the body".into();
                let body = timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
                let body = body.map_err(|_| Refusal(StatusCode::REQUEST_TIMEOUT, late))?;
                body.map_err(bad_request)?.to_bytes()
            }
            _ => {
                return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "expected GET or POST".into()));
            }
        };
        Ok(Self { head, body })
    }

    pub(crate) fn is_post(&self) -> bool {
        self.head.method == Method::POST
    }

    pub(crate) fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        find(self.head.uri.query().unwrap_or_default().as_bytes(), name)
    }

    /// A field of a form, empty if it is absent.
    pub(crate) fn field(&self, name: &str) -> Cow<'_, str> {
        find(&self.body, name).unwrap_or_default()
    }

    /// The request after which a reader continues: a browser that connects again has it in a header.
    pub(crate) fn after(&self) -> Result<u64, Refusal> {
        let header = self.head.headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let after = header.map(Cow::Borrowed).or_else(|| self.parameter("after"));
        let after = after.map_or(Ok(0), |after| after.parse());
        after.map_err(|_| bad_request("expected the id of a request in `after`"))
    }
}

fn find<'a>(parameters: &'a [u8], wanted: &str) -> Option<Cow<'a, str>> {
    let mut all = form_urlencoded::parse(parameters);
    all.find(|(name, _)| name == wanted).map(|(_, value)| value)
}

/// A web page can point a name of its own at a loopback address and read what is there.
fn check_host(about: &About, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host_name(host);
    let is_address = || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    // Other names can be anybody's.
    let is_allowed = || about.allowed_hosts.iter().any(|allowed| host_name(allowed) == name);
    if is_loopback(&name) || is_allowed() || about.is_exposed && is_address() {
        return Ok(());
    }
    let message = format!(
        "expected the host localhost, an IP address of this machine or a name that is allowed, found \
         {host:?}"
    );
    Err(Refusal(StatusCode::MISDIRECTED_REQUEST, message))
}

/// A page of another origin must not change anything. Browsers send the origin of a POST; programs
/// send none.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("null"));
    let own = format!("http://{}", text("host").unwrap_or_default());
    let is_own = text("origin").is_none_or(|origin| origin == own)
        && text("sec-fetch-site").is_none_or(|site| ["same-origin", "none"].contains(&site));
    if is_own {
        return Ok(());
    }
    Err(Refusal(StatusCode::FORBIDDEN, "a page of another origin cannot change this server".into()))
}
