//! Access tokens that outlive a process: [`TokenCache`].

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portal_model::Secret;
use portal_model::oauth::{AccessToken, TokenState};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::base_url::BaseUrl;

/// Where processes share access tokens. The service grants a refresh token ten of them in ten minutes,
/// then locks it out; so one of the processes that share a cache requests a token for all of them.
///
/// A client loads; without a valid token it locks, loads again, requests one, stores it, and unlocks.
/// If the cache fails, the client logs a warning and requests a token for itself alone; a lock that
/// fails with [`io::ErrorKind::TimedOut`] is an error, since others are requesting one already.
/// [`conformance::token_cache`](super::conformance::token_cache) checks an implementation.
///
/// # Cancel safety
/// Any future may be dropped: a `lock` must then not stay locked, and a `store` must leave the old
/// token or the new one.
pub trait TokenCache: Send + Sync + 'static {
    /// Unlocks when it is dropped, and when the process ends.
    type Lock: Send;

    /// The last token stored under `key`. An unreadable entry counts as absent.
    fn load(&self, key: &CacheKey) -> impl Future<Output = io::Result<Option<CachedToken>>> + Send;

    /// Acquires the lock of `key`.
    fn lock(&self, key: &CacheKey) -> impl Future<Output = io::Result<Self::Lock>> + Send;

    /// Replaces the token of `key`, whose lock is held.
    fn store(
        &self,
        key: &CacheKey,
        token: &CachedToken,
    ) -> impl Future<Output = io::Result<()>> + Send;
}

/// Tells credentials apart without revealing them: a hash of the accounts server, the client, its
/// secret and the refresh token, as 64 hexadecimal digits. Another secret gives another key, so a
/// wrong one is rejected at once and not when the cached token expires.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey(String);

impl CacheKey {
    /// The key of a credential at an accounts server.
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
        let hex = |byte: &u8| {
            let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
            [digit(byte >> 4), digit(byte & 15)]
        };
        Self(hash.finalize().iter().flat_map(hex).collect())
    }

    /// The digits, fit for a file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An access token with what a later use needs.
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
    /// A token that was granted at `now`.
    pub fn new(granted: &AccessToken, now: SystemTime) -> Self {
        let lifetime = granted.expires_in.as_secs();
        Self {
            access_token: granted.access_token.clone(),
            api_domain: granted.api_domain.clone(),
            expires_at: unix_seconds(now).saturating_add(lifetime),
            lifetime,
        }
    }

    /// Its lifetime.
    pub fn expires_in(&self) -> Duration {
        Duration::from_secs(self.lifetime)
    }

    /// How old it is at `now`.
    pub fn age(&self, now: SystemTime) -> Duration {
        let left = self.expires_at.saturating_sub(unix_seconds(now));
        Duration::from_secs(self.lifetime.saturating_sub(left))
    }
}

impl CachedToken {
    /// Whether it is valid at `now`.
    pub(super) fn state(&self, now: SystemTime) -> TokenState {
        TokenState::at(self.age(now), self.expires_in())
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Logs that processes do not share a token, and why.
pub(super) fn warn_unusable(error: &io::Error) {
    tracing::warn!(%error, "cannot use the token cache; going on without it");
}

/// Stores nothing: each client requests its own token.
pub(super) struct NoCache;

impl TokenCache for NoCache {
    type Lock = ();

    async fn load(&self, _: &CacheKey) -> io::Result<Option<CachedToken>> {
        Ok(None)
    }

    async fn lock(&self, _: &CacheKey) -> io::Result<()> {
        Ok(())
    }

    async fn store(&self, _: &CacheKey, _: &CachedToken) -> io::Result<()> {
        Ok(())
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// A [`TokenCache`] without its type.
pub(super) trait AnyTokenCache: Send + Sync {
    fn load_boxed<'a>(&'a self, key: &'a CacheKey) -> Boxed<'a, Option<CachedToken>>;
    fn lock_boxed<'a>(&'a self, key: &'a CacheKey) -> Boxed<'a, Box<dyn Send + 'a>>;
    fn store_boxed<'a>(&'a self, key: &'a CacheKey, token: &'a CachedToken) -> Boxed<'a, ()>;
}

impl<C: TokenCache> AnyTokenCache for C {
    fn load_boxed<'a>(&'a self, key: &'a CacheKey) -> Boxed<'a, Option<CachedToken>> {
        Box::pin(self.load(key))
    }

    fn lock_boxed<'a>(&'a self, key: &'a CacheKey) -> Boxed<'a, Box<dyn Send + 'a>> {
        Box::pin(async move { Ok(Box::new(self.lock(key).await?) as Box<dyn Send + 'a>) })
    }

    fn store_boxed<'a>(&'a self, key: &'a CacheKey, token: &'a CachedToken) -> Boxed<'a, ()> {
        Box::pin(self.store(key, token))
    }
}
