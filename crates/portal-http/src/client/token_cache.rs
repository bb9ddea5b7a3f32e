//! Access tokens that outlive a process: [`TokenCache`].

mod file;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portal_model::Secret;
use portal_model::oauth::{AccessToken, TokenState};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::file::FileTokenCache;
use super::base_url::BaseUrl;

/// Where processes share access tokens. The service grants ten in ten minutes to a refresh token,
/// then locks it out; so of all who share a cache one asks, and the others read what it was given.
///
/// A client loads; where there is nothing of use it locks, loads again, asks, stores, and unlocks.
/// [`conformance::token_cache`](super::conformance::token_cache) checks an implementation.
///
/// # Cancel safety
/// Any future may be dropped: a `lock` must then not stay locked, and a `store` must leave the old
/// token or the new one.
pub trait TokenCache: Send + Sync + 'static {
    /// Is unlocked by being dropped, and by the end of the process in any case.
    type Lock: Send;

    /// The last token that was stored under `key`. What can't be understood is nothing.
    fn load(&self, key: &CacheKey) -> impl Future<Output = io::Result<Option<CachedToken>>> + Send;

    /// Waits until nobody else holds the lock of `key`.
    fn lock(&self, key: &CacheKey) -> impl Future<Output = io::Result<Self::Lock>> + Send;

    /// Replaces the token of `key`, whose lock is held.
    fn store(
        &self,
        key: &CacheKey,
        token: &CachedToken,
    ) -> impl Future<Output = io::Result<()>> + Send;
}

/// Tells credentials apart without showing them: a hash of the accounts server, the client, its
/// secret and the refresh token, as 64 hexadecimal digits. With another secret there is another
/// key, so that a wrong one is found out at once and not when the token ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey(String);

impl CacheKey {
    /// The key of a credential at an accounts server.
    pub fn new(
        accounts_url: &BaseUrl,
        client_id: &str,
        client_secret: &Secret<String>,
        refresh_token: &Secret<String>,
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

    /// Its digits, fit for the name of a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An access token with what must be known to use it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CachedToken {
    /// The token.
    pub access_token: Secret<String>,
    /// Where the answer said that the API is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_domain: Option<String>,
    /// When it ends, in seconds since the beginning of 1970.
    pub expires_at: u64,
    /// For how long it was granted, in seconds.
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

    /// For how long it was granted.
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
    /// Whether it is of use at `now`.
    pub(super) fn state(&self, now: SystemTime) -> TokenState {
        TokenState::at(self.age(now), self.expires_in())
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Keeps nothing: each client asks for itself.
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

/// A [`TokenCache`] whose type doesn't show.
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
