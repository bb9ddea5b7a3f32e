//! [`TokenCache`]: access tokens shared between processes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portal_model::Secret;
use portal_model::oauth::{AccessToken, TokenState};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::base_url::BaseUrl;

/// Where processes share access tokens. The service issues ten access tokens per refresh token in
/// ten minutes and then locks it out, so processes that share a cache let one of them request a
/// token for all.
///
/// A client loads the token. If it is not valid, the client locks, loads again, requests a token,
/// stores it and unlocks. If the cache fails, the client logs a warning and requests a token for
/// itself only. A lock that fails with [`io::ErrorKind::TimedOut`] is an error, because another
/// process is requesting a token already.
///
/// # Errors
/// An error of the storage. Only [`io::ErrorKind::TimedOut`] from `lock` has a special meaning; see
/// above.
///
/// # Cancel safety
/// Any future may be dropped. A dropped `lock` must not stay locked, and a dropped `store` must
/// leave either the old or the new token.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::collections::HashMap;
/// use std::io;
/// use std::sync::Arc;
///
/// use portal_http::client::{CacheKey, CachedToken, Client, Credential, TokenCache};
/// use portal_http::model::ListPortals;
/// use tokio::sync::{Mutex, OwnedMutexGuard};
///
/// /// Shares tokens between the clients of one process.
/// #[derive(Clone, Default)]
/// struct InMemory {
///     tokens: Arc<Mutex<HashMap<CacheKey, CachedToken>>>,
///     lock: Arc<Mutex<()>>,
/// }
///
/// impl TokenCache for InMemory {
///     type Lock = OwnedMutexGuard<()>;
///
///     async fn load(&self, key: &CacheKey) -> io::Result<Option<CachedToken>> {
///         Ok(self.tokens.lock().await.get(key).cloned())
///     }
///
///     async fn lock(&self, _: &CacheKey) -> io::Result<Self::Lock> {
///         Ok(Arc::clone(&self.lock).lock_owned().await)
///     }
///
///     async fn store(&self, key: &CacheKey, token: &CachedToken) -> io::Result<()> {
///         self.tokens.lock().await.insert(key.clone(), token.clone());
///         Ok(())
///     }
/// }
///
/// # let server = portal_http::server::LocalServer::start().await?;
/// let cache = InMemory::default();
/// for _ in 0..2 {
///     let credential = Credential::refresh_token(
///         server.client_id(), server.client_secret(), server.refresh_token(),
///     );
///     let client = Client::builder().api_url(server.url()).accounts_url(server.url());
/// #   let client = client.transport(server.service().clone());
///     let client = client.token_cache(cache.clone()).build(credential)?;
///     client.call(&ListPortals).await?;
/// }
/// let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
/// assert_eq!(paths.iter().filter(|path| *path == "/oauth/v2/token").count(), 1);
/// # Ok(())
/// # }
/// ```
pub trait TokenCache: Send + Sync + 'static {
    /// Unlocks when dropped, and when the process ends.
    type Lock: Send;

    /// Returns the last token stored under `key`. An unreadable entry counts as absent.
    fn load(&self, key: &CacheKey) -> impl Future<Output = io::Result<Option<CachedToken>>> + Send;

    /// Acquires the lock of `key`.
    fn lock(&self, key: &CacheKey) -> impl Future<Output = io::Result<Self::Lock>> + Send;

    /// Replaces the token of `key`, whose lock the caller holds.
    fn store(
        &self,
        key: &CacheKey,
        token: &CachedToken,
    ) -> impl Future<Output = io::Result<()>> + Send;
}

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
        let (secret, token) = (client_secret.expose(), refresh_token.expose());
        Self(digest(&[accounts_url.as_str(), client_id, secret, token]))
    }

    /// Returns the digits, which are safe as a file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 64 hexadecimal digits of all parts together.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Prefixed with its length, so that no two lists of parts hash alike.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
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

type Boxed<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Object-safe form of [`TokenCache`].
pub(super) trait DynTokenCache: Send + Sync {
    fn load_boxed<'a>(&'a self, key: &'a CacheKey) -> Boxed<'a, Option<CachedToken>>;
    fn lock_boxed<'a>(&'a self, key: &'a CacheKey) -> Boxed<'a, Box<dyn Send + 'a>>;
    fn store_boxed<'a>(&'a self, key: &'a CacheKey, token: &'a CachedToken) -> Boxed<'a, ()>;
}

impl<C: TokenCache> DynTokenCache for C {
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
