//! What processes share of an access token: [`CachedToken`], under a [`CacheKey`].

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portal_model::Secret;
use portal_model::oauth::{AccessToken, TokenState};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::base_url::BaseUrl;

/// Identifies a credential without revealing it: a hash of accounts server, client id, client
/// secret and refresh token, as 64 hexadecimal digits. The secret is included so that a wrong one
/// is rejected at once, not only when the cached token expires.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey(String);

impl CacheKey {
    /// Returns the key of a credential at an accounts server.
    pub fn new(
        accounts_url: &BaseUrl,
        client_id: &str,
        client_secret: &Secret,
        refresh_token: &Secret,
    ) -> Self {
        let mut hash = Sha256::new();
        let parts =
            [accounts_url.as_str(), client_id, client_secret.expose(), refresh_token.expose()];
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
    }

    /// Returns the digits, which are safe as a file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An access token with the data needed for later use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CachedToken {
    /// The token.
    #[serde(serialize_with = "portal_model::secret::serialize_exposed")]
    pub access_token: Secret,
    /// The API that the accounts server named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_domain: Option<String>,
    /// When it expires, in seconds since 1970-01-01.
    pub expires_at: u64,
    /// Its lifetime, in seconds.
    pub lifetime: u64,
}

impl CachedToken {
    /// Creates an entry for a token issued at `now`.
    pub fn new(granted: &AccessToken, now: SystemTime) -> Self {
        let lifetime = granted.expires_in.as_secs();
        Self {
            access_token: granted.access_token.clone(),
            api_domain: granted.api_domain.clone(),
            expires_at: unix_seconds(now).saturating_add(lifetime),
            lifetime,
        }
    }

    /// Returns the lifetime.
    pub fn expires_in(&self) -> Duration {
        Duration::from_secs(self.lifetime)
    }

    /// Returns the age at `now`.
    pub fn age(&self, now: SystemTime) -> Duration {
        let left = self.expires_at.saturating_sub(unix_seconds(now));
        Duration::from_secs(self.lifetime.saturating_sub(left))
    }

    /// Returns whether it is valid at `now`.
    pub(super) fn state(&self, now: SystemTime) -> TokenState {
        TokenState::at(self.age(now), self.expires_in())
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Warns that processes don't share a token.
pub(super) fn warn_unusable(error: &io::Error) {
    tracing::warn!(%error, "cannot use the token cache; continuing without it");
}
