//! Zoho's data centers, as the official SDKs list them, and which API host to use.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A data center of Zoho, as the official SDKs list them.
///
/// The United Kingdom and the Emirates are reported, but no SDK has them: give both URLs for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataCenter {
    /// United States.
    Us,
    /// Europe.
    Eu,
    /// India.
    In,
    /// Australia.
    Au,
    /// Japan.
    Jp,
    /// China.
    Cn,
    /// Canada.
    Ca,
    /// Saudi Arabia.
    Sa,
}

/// The kind of an org. Portals don't work in a [`Sandbox`](Self::Sandbox).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Environment {
    /// A production org.
    #[default]
    Production,
    /// A copy of an org for tests; the service rejects every operation on portals in it.
    Sandbox,
    /// A developer edition, which behaves like production.
    Developer,
}

impl Environment {
    /// In lower case, such as `sandbox`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
            Self::Developer => "developer",
        }
    }
}

impl DataCenter {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Us, Self::Eu, Self::In, Self::Au, Self::Jp, Self::Cn, Self::Ca, Self::Sa];

    /// The short name, the domain of the API, and the base URL of the accounts server.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Us => ("us", "com", "https://accounts.zoho.com"),
            Self::Eu => ("eu", "eu", "https://accounts.zoho.eu"),
            Self::In => ("in", "in", "https://accounts.zoho.in"),
            Self::Au => ("au", "com.au", "https://accounts.zoho.com.au"),
            Self::Jp => ("jp", "jp", "https://accounts.zoho.jp"),
            Self::Cn => ("cn", "com.cn", "https://accounts.zoho.com.cn"),
            Self::Ca => ("ca", "ca", "https://accounts.zohocloud.ca"),
            Self::Sa => ("sa", "sa", "https://accounts.zoho.sa"),
        }
    }

    /// Its short name, such as `us`.
    pub const fn code(self) -> &'static str {
        self.names().0
    }

    /// Base URL of the accounts server.
    pub const fn accounts_url(self) -> &'static str {
        self.names().2
    }

    /// Base URL of the API.
    pub fn api_url(self, environment: Environment) -> String {
        let host = match environment {
            Environment::Production => "www",
            other => other.as_str(),
        };
        let domain = self.names().1;
        format!("https://{host}.zohoapis.{domain}")
    }

    /// The data center and environment that a host of Zoho's belongs to: of an API, of an accounts
    /// server or of the web client.
    pub fn of_host(host: &str) -> Option<(Self, Environment)> {
        use Environment::{Developer, Production, Sandbox};

        let host_of = |url: &str| url.trim_start_matches("https://").to_owned();
        Self::ALL.into_iter().find_map(|data_center| {
            let production = host_of(&data_center.api_url(Production));
            let api_domain = production.trim_start_matches("www.");
            let accounts = host_of(data_center.accounts_url());
            let domain = accounts.trim_start_matches("accounts.");
            let environment = match (host.strip_suffix(api_domain), host.strip_suffix(domain)) {
                (Some("" | "www."), _) | (_, Some("accounts." | "crm." | "www.")) => Production,
                (Some("sandbox."), _) | (_, Some("crmsandbox.")) => Sandbox,
                (Some("developer."), _) => Developer,
                _ => return None,
            };
            Some((data_center, environment))
        })
    }

    /// The data center and environment of an API with this base URL, exactly.
    fn of_api_url(url: &str) -> Option<(Self, Environment)> {
        let found = Self::of_host(url.trim_start_matches("https://"));
        found.filter(|(data_center, environment)| data_center.api_url(*environment) == url)
    }
}

impl fmt::Display for DataCenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for DataCenter {
    type Err = UnknownDataCenter;

    fn from_str(text: &str) -> Result<Self, UnknownDataCenter> {
        Self::ALL
            .into_iter()
            .find(|data_center| data_center.code().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownDataCenter(text.to_owned()))
    }
}

/// An unknown short name of a data center.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown data center \"{0}\": expected one of us, eu, in, au, jp, cn, ca, sa; \
     for another one, give the API's and the accounts server's URL"
)]
pub struct UnknownDataCenter(String);

/// The host and port of a base URL, in one form for all names of one API: several of Zoho's hosts
/// lead to one, and so do the names of this machine. The port is left out if it is that of the scheme.
///
/// ```
/// use portal_model::datacenter::origin;
///
/// assert_eq!(origin("https://accounts.zoho.eu"), "www.zohoapis.eu");
/// assert_eq!(origin("http://localhost:8780"), "127.0.0.1:8780");
/// ```
pub fn origin(url: &str) -> String {
    let url = url.to_ascii_lowercase();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", &url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
        _ => (authority, None),
    };
    let host = match host.trim_end_matches('.') {
        "localhost" | "[::1]" => "127.0.0.1",
        host => host,
    };
    if let Some((data_center, environment)) = DataCenter::of_host(host) {
        return data_center.api_url(environment).trim_start_matches("https://").to_owned();
    }
    match (scheme, port) {
        (_, None) | ("https", Some("443")) | ("http", Some("80")) => host.to_owned(),
        (_, Some(port)) => format!("{host}:{port}"),
    }
}

/// Which API host a client was configured with, and so what the `api_domain` of a token response
/// can change.
///
/// A rule of ours: a response can correct a guess, but never directs a token to a host that nobody
/// configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApiDomain {
    /// Not configured: the response decides among the hosts of Zoho's APIs.
    #[default]
    Unset,
    /// By data center: the account may be in another one.
    DataCenter(DataCenter, Environment),
    /// By base URL: it stays.
    Given(String),
}

/// What an `api_domain` changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiDomainChange {
    /// Nothing.
    Keep,
    /// Use this base URL from now on.
    Use(String),
    /// Nothing, but warn: the response names this other host.
    Mismatch(String),
}

impl ApiDomain {
    /// The base URL, if it is already known.
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Unset => None,
            Self::DataCenter(data_center, environment) => Some(data_center.api_url(*environment)),
            Self::Given(url) => Some(url.clone()),
        }
    }

    /// What to do about `received`, the `api_domain` of a token response.
    pub fn after(&self, received: &str) -> ApiDomainChange {
        let received = received.trim_end_matches('/');
        match (self, DataCenter::of_api_url(received)) {
            // A response names the production host, of a sandbox too.
            (Self::DataCenter(here, _), Some((there, Environment::Production)))
                if there == *here =>
            {
                ApiDomainChange::Keep
            }
            (Self::Unset, Some(_))
            | (Self::DataCenter(_, Environment::Production), Some((_, Environment::Production))) => {
                ApiDomainChange::Use(received.to_owned())
            }
            (Self::Given(url), _) if url.trim_end_matches('/') == received => ApiDomainChange::Keep,
            _ => ApiDomainChange::Mismatch(received.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_data_center_are_one_origin() {
        for alias in ["https://www.zohoapis.eu", "https://ZOHOAPIS.eu:443/", "https://crm.zoho.eu"]
        {
            assert_eq!(origin(alias), "www.zohoapis.eu", "{alias}");
        }
        assert_eq!(origin("https://accounts.zohocloud.ca"), "www.zohoapis.ca");
        assert_eq!(origin("https://www.zohoapis.com.au"), "www.zohoapis.com.au");
        assert_eq!(origin("https://sandbox.zohoapis.eu"), "sandbox.zohoapis.eu");
        assert_eq!(origin("https://zohoapis.eu.example"), "zohoapis.eu.example");
        assert_eq!(origin("http://127.0.0.1:8780/"), "127.0.0.1:8780");
        assert_ne!(origin("http://127.0.0.1:8780"), origin("http://127.0.0.1:8781"));
        for alias in ["http://localhost:8780", "http://LOCALHOST.:8780", "http://[::1]:8780"] {
            assert_eq!(origin(alias), "127.0.0.1:8780", "{alias}");
        }
        assert_eq!(origin("http://[::1]"), "127.0.0.1");
    }

    #[test]
    fn data_center_is_found_by_code() {
        for data_center in DataCenter::ALL {
            assert_eq!(data_center.code().to_uppercase().parse(), Ok(data_center));
        }
        assert!("uk".parse::<DataCenter>().unwrap_err().to_string().contains("us, eu, in"));
    }

    #[test]
    fn only_known_production_host_replaces_another() {
        let us = ApiDomain::DataCenter(DataCenter::Us, Environment::Production);
        assert_eq!(us.after("https://www.zohoapis.com/"), ApiDomainChange::Keep);
        let eu = "https://www.zohoapis.eu".to_owned();
        assert_eq!(us.after(&eu), ApiDomainChange::Use(eu));
        for foreign in [
            "https://www.zohoapis.com.evil.example",
            "http://www.zohoapis.eu",
            "https://sandbox.zohoapis.eu",
            "https://www.zohoapis.eu@evil.example",
        ] {
            assert_eq!(us.after(foreign), ApiDomainChange::Mismatch(foreign.to_owned()));
        }
    }

    #[test]
    fn sandbox_and_given_host_stay() {
        let sandbox = ApiDomain::DataCenter(DataCenter::In, Environment::Sandbox);
        assert_eq!(sandbox.after("https://www.zohoapis.in"), ApiDomainChange::Keep);
        let eu = "https://www.zohoapis.eu".to_owned();
        assert_eq!(sandbox.after(&eu), ApiDomainChange::Mismatch(eu.clone()));
        let given = ApiDomain::Given("http://127.0.0.1:8780".to_owned());
        assert_eq!(given.after("http://127.0.0.1:8780/"), ApiDomainChange::Keep);
        assert_eq!(given.after(&eu), ApiDomainChange::Mismatch(eu.clone()));
        assert_eq!(ApiDomain::Unset.after(&eu), ApiDomainChange::Use(eu));
        for foreign in [
            "https://evil.example",
            "http://www.zohoapis.eu",
            "https://www.zohoapis.eu.evil.example",
            "https://www.zohoapis.eu:8443",
            "https://www.zohoapis.eu@evil.example",
        ] {
            let mismatch = ApiDomainChange::Mismatch(foreign.to_owned());
            assert_eq!(ApiDomain::Unset.after(foreign), mismatch);
        }
    }
}
