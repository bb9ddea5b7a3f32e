//! [`Proxy`]: which requests go through which proxy.

use std::ffi::OsString;

use http::Uri;
use http::uri::{Authority, Scheme};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::base_url::is_this_machine;

/// The proxy of a client, for the API and the accounts server alike.
///
/// Only `https` uses it, through a tunnel (`CONNECT`), so the proxy sees no request. Requests to this
/// machine, in any spelling, never leave it.
// `Intercept` shows neither user nor password.
#[derive(Clone, Debug)]
pub struct Proxy(Option<Rules>);

/// A proxy, and the hosts that it is not for.
#[derive(Clone, Debug)]
struct Rules {
    proxy: Intercept,
    except: Vec<Exception>,
}

/// Hosts as [`Matcher`] takes them, or `*`; on one port or on all.
#[derive(Clone, Debug)]
struct Exception {
    host: String,
    port: Option<u16>,
}

impl Proxy {
    /// Uses no proxy.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Reads `HTTPS_PROXY` or else `ALL_PROXY`, and `NO_PROXY`, in upper or lower case. In `NO_PROXY`
    /// commas or blanks separate names with their subdomains, addresses and networks, each with a port
    /// if it has one; `*` is every host.
    ///
    /// # Errors
    /// [`InvalidProxy`] if a variable is unusable: it never leads to a direct connection.
    pub fn from_env() -> Result<Self, InvalidProxy> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, InvalidProxy> {
        let first = |names: &[&'static str]| -> Result<_, InvalidProxy> {
            let found = |name: &&'static str| Some((*name, variable(name)?));
            let mut set = names.iter().filter_map(found).filter(|(_, text)| !text.is_empty());
            let Some((name, text)) = set.next() else { return Ok(None) };
            let text = text.into_string().map_err(|_| InvalidProxy { name, why: NOT_UTF8 })?;
            Ok(Some((name, text)))
        };
        let url = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?;
        let Some((name, url)) = url else { return Ok(Self::none()) };
        let (except, list) = first(&["NO_PROXY", "no_proxy"])?.unwrap_or_default();
        if is_quoted(&list) {
            return Err(InvalidProxy { name: except, why: QUOTED });
        }
        Rules::new(name, &url, list.split([',', ' ', '\t', '\r', '\n']))
            .map(|rules| Self(Some(rules)))
    }

    /// Uses the proxy at `url`, such as `http://user:password@proxy.example:3128`, for every `https`
    /// request except those to the hosts in `except`, as in `NO_PROXY`. The last `@` separates.
    ///
    /// # Errors
    /// [`InvalidProxy`] if `url` is not the URL of an HTTP proxy.
    pub fn new<'a>(
        url: &str,
        except: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidProxy> {
        Rules::new("the proxy", url, except).map(|rules| Self(Some(rules)))
    }

    /// Returns the proxy for `destination`.
    pub(super) fn on_the_way_to(&self, destination: &Uri) -> Option<Intercept> {
        if destination.scheme() != Some(&Scheme::HTTPS) || is_this_machine(destination) {
            return None;
        }
        let rules = self.0.as_ref().filter(|rules| !rules.except(destination))?;
        Some(rules.proxy.clone())
    }
}

/// Any `https` URL, for a [`Matcher`] of which only the rest matters.
const ANY: &str = "https://proxy.invalid";

impl Rules {
    fn new<'a>(
        name: &'static str,
        url: &str,
        except: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidProxy> {
        let url = normal(url).map_err(|why| InvalidProxy { name, why })?;
        let matcher = Matcher::builder().https(url).build();
        let proxy = matcher.intercept(&Uri::from_static(ANY));
        let proxy = proxy.ok_or(InvalidProxy { name, why: EXPECTED })?;
        let except = except.into_iter().map(str::trim).filter(|host| !host.is_empty());
        Ok(Self { proxy, except: except.map(Exception::parse).collect() })
    }

    fn except(&self, destination: &Uri) -> bool {
        let port = destination.port_u16().unwrap_or(443);
        let here = self.except.iter().filter(|except| except.port.is_none_or(|only| only == port));
        let hosts: Vec<_> = here.map(|except| except.host.as_str()).collect();
        // The matcher's own `*` leaves out addresses.
        let matcher = || Matcher::builder().https(ANY).no(hosts.join(",")).build();
        hosts.contains(&"*") || matcher().intercept(destination).is_none()
    }
}

impl Exception {
    /// Parses `zoho.eu`, `*.zoho.eu`, `10.0.0.0/8`, `[::1]:443` or the like.
    fn parse(text: &str) -> Self {
        let is_host = |host: &str| !host.contains(':') || host.ends_with(']');
        let with_port = text.rsplit_once(':').filter(|(host, _)| is_host(host));
        let with_port = with_port.and_then(|(host, port)| Some((host, Some(port.parse().ok()?))));
        let (host, port) = with_port.unwrap_or((text, None));
        let host = host.trim_matches(['[', ']']);
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        Self { host: host.to_owned(), port }
    }
}

/// The URL with a scheme, and with what is special in a URL encoded in its user and password.
fn normal(url: &str) -> Result<String, &'static str> {
    const SPECIAL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'%');
    let url = url.trim();
    if is_quoted(url) {
        return Err(QUOTED);
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(EXPECTED);
    }
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    let host: Authority = host.trim_end_matches('/').parse().map_err(|_| EXPECTED)?;
    let has_odd_port = host.as_str() != host.host() && host.port_u16().is_none();
    if host.host().is_empty() || has_odd_port {
        return Err(EXPECTED);
    }
    let encoded = |text| utf8_percent_encode(text, SPECIAL);
    Ok(match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        Some((user, password)) => {
            format!("{scheme}://{}:{}@{host}", encoded(user), encoded(password))
        }
        None => format!("{scheme}://{host}"),
    })
}

/// Whether a text has what neither a URL nor a list of hosts has: a sign that a file was read as if it
/// were a shell's.
fn is_quoted(text: &str) -> bool {
    let text = text.trim();
    text.contains(['"', '\'', '`']) || text.contains(|c: char| c.is_control() && c != '\t')
}

const EXPECTED: &str = "expected an HTTP proxy, such as http://user:password@proxy.example:3128";
const QUOTED: &str = "it has a quote or a control character";
const NOT_UTF8: &str = "it is not UTF-8";

/// A text that is not the URL of an HTTP proxy. It is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not usable: {why}")]
pub struct InvalidProxy {
    /// The variable, if there is one.
    name: &'static str,
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(proxy: &Proxy, destination: &str) -> bool {
        proxy.on_the_way_to(&destination.parse().unwrap()).is_some()
    }

    #[test]
    fn this_machine_is_never_proxied() {
        let proxy = Proxy::new("http://127.0.0.1:3128", []).unwrap();
        assert!(takes(&proxy, "https://www.zohoapis.com"));
        for here in [
            "http://127.0.0.1:8780",
            "https://127.0.0.1:8780",
            "https://127.8.9.1",
            "https://localhost:8780",
            "https://LocalHost.",
            "https://[::1]:8780",
            "https://[::ffff:127.0.0.1]",
            "http://10.0.0.1",
            "https://LOCALHOST",
            "https://127.255.255.254",
            "https://[0:0:0:0:0:0:0:1]",
            "https://[::ffff:7f00:1]:8780",
        ] {
            assert!(!takes(&proxy, here), "{here}");
        }
        for elsewhere in [
            "https://localhost.evil.example",
            "https://127.0.0.1.evil.example",
            "https://localhost.localdomain",
            "https://[::2]",
        ] {
            assert!(takes(&proxy, elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn excepted_host_bypasses_proxy() {
        for (list, around, through) in [
            ("zohoapis.eu,10.0.0.0/8", "https://www.zohoapis.eu", "https://accounts.zoho.eu"),
            ("zohoapis.eu,10.0.0.0/8", "https://10.1.2.3", "https://11.1.2.3"),
            ("*", "https://10.1.2.3", ""),
            ("a.example, *", "https://www.zohoapis.eu", ""),
            ("a.example b.example", "https://b.example", "https://c.example"),
            ("*.zoho.eu", "https://accounts.zoho.eu", "https://accounts.zoho.eu.example"),
            ("zoho.eu:443", "https://accounts.zoho.eu", "https://accounts.zoho.eu:8443"),
            ("zoho.eu:8443", "https://accounts.zoho.eu:8443", "https://accounts.zoho.eu"),
            ("[fd00::1]:443,[fd00::2]", "https://[fd00::1]", "https://[fd00::1]:8443"),
            ("fd00::2", "https://[fd00::2]:8443", "https://[fd00::3]"),
        ] {
            let variables = [("HTTPS_PROXY", "proxy.example:3128"), ("NO_PROXY", list)];
            let proxy = from_variables(&variables).unwrap();
            assert!(!takes(&proxy, around), "{list} {around}");
            assert!(through.is_empty() || takes(&proxy, through), "{list} {through}");
        }
    }

    fn from_variables(variables: &[(&str, &str)]) -> Result<Proxy, InvalidProxy> {
        Proxy::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn unusable_variable_is_named_and_never_ignored() {
        for (name, value) in [
            ("HTTPS_PROXY", "\"http://127.0.0.1:3128\""),
            ("https_proxy", "'http://127.0.0.1:3128'"),
            ("HTTPS_PROXY", "http://127.0.0.1\r:3128"),
            ("ALL_PROXY", "socks5://127.0.0.1:1080"),
            ("HTTPS_PROXY", "http://"),
            ("HTTPS_PROXY", "http://127.0.0.1:99999"),
            ("HTTPS_PROXY", "http://user:hush@pro xy"),
            ("HTTPS_PROXY", "ftp://user:hush@proxy"),
            ("HTTPS_PROXY", "\u{201c}http://user:hush@proxy\u{201d}"),
            ("HTTPS_PROXY", "\u{feff}http://user:hush@proxy"),
            ("HTTPS_PROXY", "http://proxy/path?x"),
            ("HTTPS_PROXY", "http://[::1"),
            ("HTTPS_PROXY", "//proxy:3128"),
            ("HTTPS_PROXY", "http://user:hush@proxy:3128;http=other"),
        ] {
            let error = from_variables(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name} is not usable")), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
        let list = [("HTTPS_PROXY", "proxy:3128"), ("NO_PROXY", "\"zoho.eu\"")];
        assert!(from_variables(&list).unwrap_err().to_string().starts_with("NO_PROXY"));
        for usable in ["http://127.0.0.1:3128\r", " http://127.0.0.1:3128/ ", "HTTP://proxy"] {
            let proxy = from_variables(&[("HTTPS_PROXY", ""), ("ALL_PROXY", usable)]).unwrap();
            assert!(takes(&proxy, "https://accounts.zoho.eu"), "{usable}");
        }
        let other = from_variables(&[("HTTP_PROXY", "http://proxy")]).unwrap();
        assert!(!takes(&other, "https://a.example"));
    }

    #[cfg(unix)]
    #[test]
    fn variable_beyond_utf8_is_named() {
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = || OsString::from_vec(b"http://caf\xe9:3128".to_vec());
        let proxy = Proxy::from_variables(|name| (name == "HTTPS_PROXY").then(bytes));
        assert!(proxy.unwrap_err().to_string().contains("HTTPS_PROXY"));
    }

    #[test]
    fn last_at_sign_ends_password() {
        // user:p@ss/w#rd%
        for url in [
            "http://user:p@ss/w#rd%@proxy",
            "http://user:p%40ss%2Fw%23rd%25@proxy:80/",
            "user:p@ss/w#rd%@proxy:80",
            " http://user:p%40ss/w%23rd%25@proxy\r\n",
        ] {
            let proxy = Proxy::new(url, []).unwrap();
            let found = proxy.on_the_way_to(&Uri::from_static("https://a.example")).unwrap();
            assert_eq!(found.uri().host(), Some("proxy"));
            assert_eq!(found.basic_auth().unwrap(), "Basic dXNlcjpwQHNzL3cjcmQl");
        }
    }

    #[test]
    fn debug_hides_proxy_password() {
        let proxy = Proxy::new("http://user:hush@proxy.example:3128", []).unwrap();
        assert!(!format!("{proxy:?}").contains("hush"));
        let found = proxy.on_the_way_to(&Uri::from_static("https://a.example")).unwrap();
        assert_eq!(format!("{:?}", found.basic_auth().unwrap()), "Sensitive");
        let wrong = Proxy::new("socks5://user:hush@proxy.example", []).unwrap_err();
        assert!(!wrong.to_string().contains("hush"));
    }
}
