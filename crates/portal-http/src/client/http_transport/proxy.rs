//! [`Proxy`]: which requests go through which proxy.

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::super::base_url::is_this_machine;

/// The proxy of a client, for the API and the accounts server alike.
///
/// `https` goes through a tunnel (`CONNECT`), so the proxy sees no request. Plain `http` is allowed
/// only to this machine, and therefore uses only a proxy on this machine.
#[derive(Clone)]
pub struct Proxy(Option<Arc<Matcher>>);

impl Proxy {
    /// Uses no proxy.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case, as
    /// curl does.
    pub fn from_env() -> Self {
        Self(Some(Arc::new(Matcher::from_env())))
    }

    /// Uses the proxy at `url`, such as `http://user:password@proxy.example:3128`, for every
    /// request except those to the hosts in `except`: names with their subdomains, addresses,
    /// networks.
    ///
    /// # Errors
    /// [`InvalidProxy`] if `url` is not the URL of an HTTP proxy.
    pub fn new<'a>(
        url: &str,
        except: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidProxy> {
        let uri: Uri = url.parse().map_err(|_| InvalidProxy)?;
        if uri.host().is_none() || !matches!(uri.scheme_str(), None | Some("http" | "https")) {
            return Err(InvalidProxy);
        }
        let except: Vec<_> = except.into_iter().collect();
        Ok(Self(Some(Arc::new(Matcher::builder().all(url).no(except.join(",")).build()))))
    }

    /// Returns the proxy for `destination`.
    pub(super) fn on_the_way_to(&self, destination: &Uri) -> Option<Intercept> {
        let proxy = self.0.as_ref()?.intercept(destination)?;
        let stays_here = is_this_machine(proxy.uri());
        (destination.scheme_str() == Some("https") || stays_here).then_some(proxy)
    }

    /// Returns the credentials of the proxy for `destination`.
    pub(super) fn credentials_for(&self, destination: &Uri) -> Option<HeaderValue> {
        self.on_the_way_to(destination)?.basic_auth().cloned()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `Matcher` shows neither user nor password.
        f.debug_tuple("Proxy").field(&self.0).finish()
    }
}

/// A text that is not the URL of an HTTP proxy. It is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the URL of an HTTP proxy: expected one such as http://proxy.example:3128")]
pub struct InvalidProxy;

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(proxy: &Proxy, destination: &'static str) -> bool {
        proxy.on_the_way_to(&Uri::from_static(destination)).is_some()
    }

    #[test]
    fn plain_http_leaves_this_machine_by_no_proxy() {
        let elsewhere = Proxy::new("http://proxy.example:3128", []).unwrap();
        assert!(takes(&elsewhere, "https://www.zohoapis.com"));
        assert!(!takes(&elsewhere, "http://127.0.0.1:8780"));
        let here = Proxy::new("127.0.0.1:3128", []).unwrap();
        assert!(takes(&here, "http://127.0.0.1:8780"));
    }

    #[test]
    fn excepted_host_bypasses_proxy() {
        let proxy = Proxy::new("http://proxy.example:3128", ["zohoapis.eu", "10.0.0.0/8"]).unwrap();
        assert!(!takes(&proxy, "https://www.zohoapis.eu"));
        assert!(!takes(&proxy, "https://10.1.2.3"));
        assert!(takes(&proxy, "https://accounts.zoho.eu"));
    }

    #[test]
    fn debug_hides_proxy_password() {
        let proxy = Proxy::new("http://user:hush@proxy.example:3128", []).unwrap();
        assert!(!format!("{proxy:?}").contains("hush"));
        let credentials = proxy.credentials_for(&Uri::from_static("https://a.example")).unwrap();
        assert_eq!(format!("{credentials:?}"), "Sensitive");
        let wrong = Proxy::new("socks5://user:hush@proxy.example", []).unwrap_err();
        assert!(!wrong.to_string().contains("hush"));
    }
}
