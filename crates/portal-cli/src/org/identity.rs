//! The [`Identity`] of a credential, and the hashes by which files are found (rule 10).

use portal_http::client::Credential;
use portal_model::datacenter::origin;
use schemars::JsonSchema;
use sha2::{Digest as _, Sha256};

pub(crate) use portal_model::OrgIdentity as Identity;

use crate::sys::hex::hex;

/// Returns the identity of `credential` at `api_url`. Without an `api_url`, the accounts server stands
/// for the API of its data center.
pub(crate) fn of(
    api_url: Option<&str>,
    accounts_url: Option<&str>,
    credential: &Credential,
) -> Identity {
    let url = api_url.or(accounts_url).unwrap_or_default();
    Identity::new(url, fingerprint(accounts_url, credential))
}

/// Returns the identity of the server started by `--local`, whose port differs each time.
pub(crate) fn local(credential: &Credential) -> Identity {
    Identity::new("local", fingerprint(None, credential))
}

/// The service's id of an org, and its name for display.
#[derive(JsonSchema)]
#[schemars(rename = "org")]
#[expect(dead_code, reason = "the library serializes it")]
pub(crate) struct OrgObject {
    id: String,
    #[schemars(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Returns short hashes for file names. All identities of one org share at least one.
pub(crate) fn tags(identity: &Identity) -> Vec<String> {
    let by_credential = short(&["credential", identity.origin(), identity.fingerprint()]);
    let by_id = identity.org().map(|org| short(&["org", identity.origin(), &org.id]));
    std::iter::once(by_credential).chain(by_id).collect()
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
    use portal_model::Org;

    use super::*;

    /// The identity of an access token at the API of the EU data center.
    pub(crate) fn of_token(token: &str) -> Identity {
        let credential = Credential::access_token(token.to_owned());
        of(Some("https://www.zohoapis.eu"), None, &credential)
    }

    pub(crate) fn org(id: &str) -> Org {
        Org::new(id)
    }

    #[test]
    fn identity_covers_client_and_accounts_server() {
        let of = |accounts, client: &str, secret: &str, token: &str| {
            let credential = Credential::refresh_token(client, secret.to_owned(), token.to_owned());
            of(Some("https://www.zohoapis.eu"), Some(accounts), &credential)
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
        assert_eq!(tags(&known)[0], tags(&one)[0]);
        assert_eq!(tags(&known)[1], tags(&other.clone().with_org(Some(org("7000"))))[1]);
        assert_ne!(tags(&one), tags(&other));
    }
}
