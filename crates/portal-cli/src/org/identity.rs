//! [`Identity`]: which org a command talks to, as far as that is known (rule 10).

use std::fmt;

use portal_http::client::Credential;
use portal_model::{DataCenter, Environment};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::sys::hex::hex;

/// An org, without secrets: the origin of its API, its id if the token can read it, and a
/// fingerprint of the credential.
///
/// The fingerprint is stored even if the id is known: a process that temporarily can't read the id
/// must still find what another one left under the same credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Identity {
    origin: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    org: Option<OrgId>,
    fingerprint: String,
}

/// The service's id of an org, and its name for display.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct OrgId {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

impl Identity {
    /// Returns the identity of `credential` at `api_url`. Without an `api_url`, the accounts server
    /// stands for the API of its data center.
    pub(crate) fn new(
        api_url: Option<&str>,
        accounts_url: Option<&str>,
        credential: &Credential,
    ) -> Self {
        let origin = origin(api_url.or(accounts_url).unwrap_or_default());
        Self { origin, org: None, fingerprint: fingerprint(accounts_url, credential) }
    }

    /// Returns the identity of the server started by `--local`, whose port differs each time.
    pub(crate) fn local(credential: &Credential) -> Self {
        Self { origin: "local".to_owned(), org: None, fingerprint: fingerprint(None, credential) }
    }

    #[must_use]
    pub(crate) fn with_org(self, org: Option<OrgId>) -> Self {
        Self { org, ..self }
    }

    /// Returns the org's id and name, if the token can read them.
    pub(crate) fn org(&self) -> Option<&OrgId> {
        self.org.as_ref()
    }

    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether both are the same org: by id, or by credential if either lacks the id.
    pub(crate) fn is_same_org(&self, other: &Self) -> bool {
        self.origin == other.origin
            && match (&self.org, &other.org) {
                (Some(one), Some(other)) => one.id == other.id,
                _ => self.fingerprint == other.fingerprint,
            }
    }

    /// Returns the host of the API for display: `www.zohoapis.eu (EU)`.
    pub(crate) fn host(&self) -> String {
        let Some((data_center, environment)) = zoho(&self.origin) else {
            return self.origin.clone();
        };
        let kind = match environment {
            Environment::Production => String::new(),
            other => format!(", {}", other.as_str()),
        };
        format!("{} ({}{kind})", self.origin, data_center.to_string().to_uppercase())
    }

    /// Returns short hashes for file names. All identities of one org share at least one.
    pub(crate) fn tags(&self) -> Vec<String> {
        let by_credential = short(&["credential", &self.origin, &self.fingerprint]);
        let by_id = self.org.as_ref().map(|org| short(&["org", &self.origin, &org.id]));
        std::iter::once(by_credential).chain(by_id).collect()
    }
}

/// Formats as `Acme Inc. (7000)`, or only the id.
impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.id),
            None => f.write_str(&self.id),
        }
    }
}

/// Formats as `org Acme Inc. (7000) at www.zohoapis.eu` or `the org of the credential 1a2b3c4d at
/// …`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(org) = &self.org {
            write!(f, "org {org}")?;
        } else {
            let start: String = self.fingerprint.chars().take(8).collect();
            write!(f, "the org of the credential {start}")?;
        }
        write!(f, " at {}", self.origin)
    }
}

/// Host and port. Zoho's own hosts map to data center and environment, because several of them
/// serve one API; so do the names of this machine.
fn origin(url: &str) -> String {
    let Ok(uri) = url.parse::<http::Uri>() else { return url.to_ascii_lowercase() };
    let host = uri.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    // All of them lead to the same server of this machine.
    let host = match host.as_str() {
        "localhost" | "[::1]" => "127.0.0.1".to_owned(),
        _ => host,
    };
    if let Some((data_center, environment)) = zoho(&host) {
        return host_of(&data_center.api_url(environment)).to_owned();
    }
    match (uri.scheme_str(), uri.port_u16()) {
        (_, None) | (Some("https"), Some(443)) | (Some("http"), Some(80)) => host,
        (_, Some(port)) => format!("{host}:{port}"),
    }
}

/// The data center and environment of one of Zoho's hosts.
fn zoho(host: &str) -> Option<(DataCenter, Environment)> {
    use Environment::{Developer, Production, Sandbox};

    DataCenter::ALL.into_iter().find_map(|data_center| {
        let production = data_center.api_url(Production);
        let api_domain = host_of(&production).trim_start_matches("www.");
        let domain = host_of(data_center.accounts_url()).trim_start_matches("accounts.");
        let environment = match (host.strip_suffix(api_domain), host.strip_suffix(domain)) {
            (Some("" | "www."), _) | (_, Some("accounts." | "crm." | "www.")) => Production,
            (Some("sandbox."), _) | (_, Some("crmsandbox.")) => Sandbox,
            (Some("developer."), _) => Developer,
            _ => return None,
        };
        Some((data_center, environment))
    })
}

fn host_of(url: &str) -> &str {
    url.trim_start_matches("https://")
}

/// A hash that tells credentials apart. The client secret is excluded, because it can be renewed.
fn fingerprint(accounts_url: Option<&str>, credential: &Credential) -> String {
    match credential {
        Credential::RefreshToken { client_id, refresh_token, .. } => {
            let accounts = accounts_url.map(origin).unwrap_or_default();
            hash(&["refresh", &accounts, client_id, refresh_token.expose()])
        }
        Credential::AccessToken(token) => hash(&["access", token.expose()]),
        // Credentials that can't be told apart may lead to one org.
        _ => hash(&["other"]),
    }
}

fn short(parts: &[&str]) -> String {
    hash(parts).chars().take(8).collect()
}

/// Returns 16 hexadecimal digits.
fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Prefixed with its length, so that no two lists of parts hash alike.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()).chars().take(16).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The identity of an access token at the API of the EU data center.
    pub(crate) fn of_token(token: &str) -> Identity {
        let credential = Credential::access_token(token.to_owned());
        Identity::new(Some("https://www.zohoapis.eu"), None, &credential)
    }

    pub(crate) fn org(id: &str) -> OrgId {
        OrgId { id: id.to_owned(), name: None }
    }

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
    }

    #[test]
    fn ids_decide_and_credentials_only_without_them() {
        let (one, other) = (of_token("1000.a"), of_token("1000.b"));
        assert!(one.is_same_org(&one) && !one.is_same_org(&other));
        let with = |identity: &Identity, id| identity.clone().with_org(Some(org(id)));
        assert!(with(&one, "7000").is_same_org(&with(&other, "7000")));
        assert!(!with(&one, "7000").is_same_org(&with(&one, "8000")));
        // One of the processes could not read the id.
        assert!(with(&one, "7000").is_same_org(&one));
        let elsewhere = Identity { origin: "www.zohoapis.com".to_owned(), ..with(&one, "7000") };
        assert!(!with(&one, "7000").is_same_org(&elsewhere));
    }

    #[test]
    fn identity_covers_client_and_accounts_server() {
        let of = |accounts, client: &str, secret: &str, token: &str| {
            let credential = Credential::refresh_token(client, secret.to_owned(), token.to_owned());
            Identity::new(Some("https://www.zohoapis.eu"), Some(accounts), &credential)
        };
        let accounts = "https://accounts.zoho.eu";
        let one = of(accounts, "1000.A", "hush", "1000.r");
        assert_eq!(one, of(accounts, "1000.A", "renewed", "1000.r"));
        assert_ne!(one, of(accounts, "1000.B", "hush", "1000.r"));
        assert_ne!(one, of(accounts, "1000.A", "hush", "1000.s"));
        assert_ne!(one, of("https://accounts.zoho.in", "1000.A", "hush", "1000.r"));
        let text = serde_json::to_string(&one).unwrap() + &one.to_string();
        assert!(!text.contains("1000.r") && !text.contains("hush"), "{text}");
    }

    #[test]
    fn identities_of_one_org_share_tag() {
        let (one, other) = (of_token("1000.a"), of_token("1000.b"));
        let known = one.clone().with_org(Some(org("7000")));
        assert_eq!(known.tags()[0], one.tags()[0]);
        assert_eq!(known.tags()[1], other.clone().with_org(Some(org("7000"))).tags()[1]);
        assert_ne!(one.tags(), other.tags());
    }
}
