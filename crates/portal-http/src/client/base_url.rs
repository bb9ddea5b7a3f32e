//! [`BaseUrl`]: where requests go. Never lets a secret leave the machine unencrypted.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// An `https` URL, or an `http` URL of this machine, to which the paths of the API are appended.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Returns the URL, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the host is this machine: `localhost` or a loopback address.
    pub fn is_this_machine(&self) -> bool {
        self.0.parse().is_ok_and(|uri| is_this_machine(&uri))
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidBaseUrl> {
        let text = text.trim();
        let uri: Uri = text.parse().map_err(|_| InvalidBaseUrl::NoUrl)?;
        let authority = uri.authority().ok_or(InvalidBaseUrl::NoUrl)?.as_str();
        if authority.contains('@') {
            return Err(InvalidBaseUrl::HasUser);
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(InvalidBaseUrl::HasQuery(authority.to_owned()));
        }
        // Without this, that of the scheme would be used.
        if uri.host().is_none_or(|host| host != authority) && uri.port_u16().is_none() {
            return Err(InvalidBaseUrl::Port(authority.to_owned()));
        }
        let scheme = uri.scheme().ok_or(InvalidBaseUrl::NoUrl)?;
        if *scheme == Scheme::HTTP && !is_this_machine(&uri) {
            return Err(InvalidBaseUrl::PlainHttp(authority.to_owned()));
        }
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(InvalidBaseUrl::Scheme(scheme.to_string()));
        }
        // Documentation shows whole endpoints, whose paths would follow twice.
        let endpoint = ["/oauth/v2", "/crm/v"].into_iter().find_map(|path| text.find(path));
        let base = text.get(..endpoint.unwrap_or(text.len())).unwrap_or(text);
        let base = base.trim_end_matches('/');
        // A resolver need not know `localhost.`.
        let host = uri.host().filter(|host| host.ends_with('.') && is_this_machine(&uri));
        let plain = host.map(|host| base.replacen(host, host.trim_end_matches('.'), 1));
        Ok(Self(plain.unwrap_or_else(|| base.to_owned())))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether the host of `uri` is `localhost` or a loopback address.
pub(crate) fn is_this_machine(uri: &Uri) -> bool {
    uri.host().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.trim_end_matches('.').eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    })
}

/// Why a text is not a [`BaseUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBaseUrl {
    /// It is not an absolute URL. The text is not repeated: it could be a secret.
    #[error("not an absolute URL: expected one such as https://www.zohoapis.com")]
    NoUrl,
    /// The scheme is neither https nor http.
    #[error("unsupported scheme \"{0}\": expected https")]
    Scheme(String),
    /// Plain http would send tokens unencrypted.
    #[error(
        "http://{0} would carry secrets in the clear: use https (http is for this machine only)"
    )]
    PlainHttp(String),
    /// A user name or password in a URL tends to end up in logs.
    #[error("unexpected user name: remove everything up to the @")]
    HasUser,
    /// It is not one of 0 to 65535.
    #[error("invalid port in {0}")]
    Port(String),
    /// A path can't be appended to a query or fragment.
    #[error("unexpected query or fragment: remove it from {0}")]
    HasQuery(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_reaches_no_other_machine() {
        let parse = |text: &str| text.parse::<BaseUrl>().map(|url| url.0);
        for here in [
            "http://127.0.0.1:8780",
            "http://[::1]:8780/",
            "http://LOCALHOST",
            "http://127.9.9.9",
            "http://localhost.:8780",
            "http://localhost./",
            "http://[::ffff:127.0.0.1]",
        ] {
            let expected = here.trim_end_matches('/').replace("localhost.", "localhost");
            assert_eq!(parse(here), Ok(expected));
        }
        for there in [
            "http://www.zohoapis.com",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://10.0.0.1",
            "http://[::ffff:10.0.0.1]",
        ] {
            assert!(matches!(parse(there), Err(InvalidBaseUrl::PlainHttp(_))), "{there}");
        }
        assert_eq!(parse("http://127.0.0.1@evil.example"), Err(InvalidBaseUrl::HasUser));
    }

    #[test]
    fn base_url_can_have_path_but_no_query() {
        let base: BaseUrl = "https://gateway.example/zoho/".parse().unwrap();
        assert_eq!(base.as_str(), "https://gateway.example/zoho");
        for (endpoint, base) in [
            ("https://accounts.zoho.eu/oauth/v2/token", "https://accounts.zoho.eu"),
            ("https://accounts.zoho.eu/oauth/v2/", "https://accounts.zoho.eu"),
            ("http://127.0.0.1:8780/oauth/v2/token\r\n", "http://127.0.0.1:8780"),
            ("https://www.zohoapis.eu/crm/v7/settings/portals", "https://www.zohoapis.eu"),
            ("https://gateway.example/zoho/crm/v8", "https://gateway.example/zoho"),
        ] {
            assert_eq!(endpoint.parse::<BaseUrl>().unwrap().as_str(), base);
        }
        for port in ["https://a.example:99999", "http://127.0.0.1:", "https://[::1]:-1"] {
            assert!(matches!(port.parse::<BaseUrl>(), Err(InvalidBaseUrl::Port(_))), "{port}");
        }
        for wrong in
            ["", "www.zohoapis.com", "/crm", "https://", "ftp://a.example", "https://a?b=c"]
        {
            assert!(wrong.parse::<BaseUrl>().is_err(), "{wrong}");
        }
    }
}
