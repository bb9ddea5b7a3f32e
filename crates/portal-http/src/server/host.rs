//! The host that a request names: its syntax (RFC 9112, section 3.2), and which hosts a loopback
//! listener serves.

use std::net::{IpAddr, Ipv6Addr};

use http::uri::{Authority, Scheme};
use http::{Uri, Version, header, request::Parts};
use portal_model::{ApiError, ErrorCode};

/// The host and port that a request names, if they are valid.
///
/// An absolute-form target takes precedence over the `Host` header. The header must be valid
/// nevertheless, and HTTP/1.1 requires exactly one.
pub(super) fn authority(head: &Parts) -> Result<Option<&str>, ApiError> {
    let invalid = |problem: &str| ApiError::new(400, ErrorCode::BadRequest, problem);
    let mut headers = head.headers.get_all(header::HOST).iter();
    let from_header = match (headers.next(), headers.next()) {
        (None, _) if head.version >= Version::HTTP_11 => {
            return Err(invalid("missing Host header"));
        }
        (None, _) => None,
        (Some(_), Some(_)) => return Err(invalid("more than one Host header")),
        (Some(host), None) => {
            let host = host.to_str().ok().filter(|host| is_valid(host));
            Some(host.ok_or_else(|| invalid("invalid Host header"))?)
        }
    };
    let Some(target) = head.uri.authority() else { return Ok(from_header) };
    let scheme = head.uri.scheme();
    let is_http = scheme.is_none_or(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
    if !is_http || !is_valid(target.as_str()) {
        return Err(invalid("invalid request target"));
    }
    Ok(Some(target.as_str()))
}

/// Host and optional port, without user information: a name of letters, digits, `-`, `_` and `.`,
/// an IPv4 address, or an IPv6 address in brackets.
fn is_valid(authority: &str) -> bool {
    let Ok(parsed) = authority.parse::<Authority>() else { return false };
    let (host, port) = (parsed.host(), authority.strip_prefix(parsed.host()));
    let is_port = |port: &str| {
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    // User information precedes the host, which is then not a prefix.
    port.is_some_and(is_port)
        && !host.is_empty()
        && (ipv6(host).is_some() || host.chars().all(is_name))
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// The host of an authority such as `Localhost.:8780` without its port, in lower case and without the dot
/// of the root.
pub fn host_name(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Which hosts a server serves.
#[derive(Clone, Debug)]
pub(super) enum HostPolicy {
    /// Any valid one: a listener that others can reach has names that it does not know.
    Any,
    /// Loopback names, and these. A web page can point a name of its own at a loopback address
    /// (DNS rebinding) and would then pass the browser's same-origin check.
    Loopback(Vec<String>),
}

impl HostPolicy {
    /// The policy of a listener on `ip`, which also serves `allowed` and the host of `public_url`.
    pub(super) fn new(ip: IpAddr, allowed: &[String], public_url: Option<&str>) -> Self {
        if !ip.to_canonical().is_loopback() {
            return Self::Any;
        }
        let public = public_url.and_then(|url| url.parse::<Uri>().ok());
        let public = public.as_ref().and_then(Uri::authority).map(Authority::as_str);
        Self::Loopback(allowed.iter().map(String::as_str).chain(public).map(host_name).collect())
    }

    /// Checks the host of a request.
    ///
    /// # Errors
    /// 400 if the request does not name its host as HTTP requires, 421 if the host is not served.
    pub(super) fn check(&self, head: &Parts) -> Result<(), ApiError> {
        let (authority, allowed) = match (authority(head)?, self) {
            (None, _) | (_, Self::Any) => return Ok(()),
            (Some(authority), Self::Loopback(allowed)) => (authority, allowed),
        };
        let name = host_name(authority);
        if is_loopback(&name) || allowed.contains(&name) {
            return Ok(());
        }
        let problem = "host not allowed: a loopback listener serves loopback names, the host of \
                       its public URL, and names that are allowed explicitly";
        Err(ApiError::new(421, ErrorCode::BadRequest, problem).with("host", name))
    }
}

/// Whether a [`host_name`] is a name or an address of loopback.
///
/// ```
/// use portal_http::server::{host_name, is_loopback};
///
/// assert!(is_loopback(&host_name("Localhost.:8780")) && is_loopback("[::1]"));
/// assert!(!is_loopback("localhost.evil.example"));
/// ```
pub fn is_loopback(name: &str) -> bool {
    match ipv6(name).map(IpAddr::V6).or_else(|| name.parse().ok()) {
        Some(ip) => ip.to_canonical().is_loopback(),
        // RFC 6761 reserves the whole domain for loopback.
        None => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(policy: &HostPolicy, target: &str, hosts: &[&str]) -> u16 {
        let mut request = Request::get(target);
        for host in hosts {
            request = request.header("host", *host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        policy.check(&head).err().map_or(200, |error| error.http_status)
    }

    #[test]
    fn host_must_be_one_and_valid() {
        let any = HostPolicy::Any;
        for host in ["a", "a.example:80", "127.0.0.1:1", "[::1]", "[::1]:8780", "a_b-c.example."] {
            assert_eq!(check(&any, "/", &[host]), 200, "{host}");
        }
        assert_eq!(check(&any, "/", &[]), 400);
        assert_eq!(check(&any, "/", &["a", "a"]), 400);
        for host in
            ["", ":80", "a b", "user@evil", "evil/path", "a:b", "a:", "a:65536", "[::1", "a%62"]
        {
            assert_eq!(check(&any, "/", &[host]), 400, "{host}");
        }
    }

    #[test]
    fn absolute_target_takes_precedence() {
        let loopback = HostPolicy::new(IpAddr::from([127, 0, 0, 1]), &[], None);
        assert_eq!(check(&loopback, "http://evil.example/", &["localhost"]), 421);
        assert_eq!(check(&loopback, "http://localhost/", &["evil.example"]), 200);
        assert_eq!(check(&loopback, "http://localhost/", &[]), 400);
        assert_eq!(check(&loopback, "http://user@localhost/", &["localhost"]), 400);
        assert_eq!(check(&loopback, "ftp://localhost/", &["localhost"]), 400);
    }

    #[test]
    fn http_10_needs_no_host() {
        let (mut head, ()) = Request::get("/").body(()).unwrap().into_parts();
        head.version = Version::HTTP_10;
        assert!(HostPolicy::Any.check(&head).is_ok());
    }

    #[test]
    fn loopback_listener_accepts_allowed_hosts() {
        let allowed = ["Portal.test".to_owned()];
        let ip = IpAddr::from([127, 0, 0, 1]);
        let policy = HostPolicy::new(ip, &allowed, Some("https://crm.acme.example:8443/api"));
        for host in [
            "localhost:1",
            "LOCALHOST.",
            "a.localhost",
            "127.9.9.9",
            "[::1]:1",
            "[::ffff:127.0.0.1]",
            "portal.TEST:80",
            "crm.acme.example",
        ] {
            assert_eq!(check(&policy, "/", &[host]), 200, "{host}");
        }
        for host in
            ["evil.example", "0.0.0.0", "127.1", "localhost.evil.example", "[::]", "acme.example"]
        {
            assert_eq!(check(&policy, "/", &[host]), 421, "{host}");
        }
    }

    #[test]
    fn public_listener_serves_any_name() {
        let policy = HostPolicy::new(IpAddr::from([0, 0, 0, 0]), &[], None);
        assert_eq!(check(&policy, "/", &["anything.example"]), 200);
    }
}
