//! The access token of a client, with at most one refresh in flight.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use portal_model::Secret;
use portal_model::error::with_sources;
use portal_model::flow::{TokenError, TokenId};
use portal_model::oauth::{TokenRequest, TokenState};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::accounts::Accounts;
use super::api_url::ApiUrl;
use super::token_cache::{self, CacheKey, CachedToken, DynTokenCache};

/// An access token to use now.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) id: TokenId,
    pub(super) secret: Secret,
}

/// Where the tokens of a client come from.
#[derive(Clone)]
pub(super) enum Tokens {
    /// A token that can't be renewed.
    Fixed(Secret),
    Refreshed(Arc<Refreshed>),
}

impl Tokens {
    /// Returns the current token, or a new one if the current one is `rejected`.
    ///
    /// # Cancel safety
    /// A refresh in flight continues and serves the next caller.
    pub(super) async fn get(&self, rejected: Option<TokenId>) -> Result<Token, TokenError> {
        match (self, rejected) {
            (Self::Fixed(secret), None) => Ok(Token { id: TokenId(0), secret: secret.clone() }),
            (Self::Fixed(_), Some(_)) => Err(TokenError::NotRenewable),
            (Self::Refreshed(tokens), rejected) => tokens.get(rejected).await,
        }
    }
}

/// Tokens obtained with a refresh token.
pub(super) struct Refreshed {
    pub(super) accounts: Accounts,
    pub(super) request: TokenRequest,
    pub(super) cache: Option<Box<dyn DynTokenCache>>,
    pub(super) key: CacheKey,
    pub(super) api_url: Arc<ApiUrl>,
    pub(super) state: Mutex<State>,
    /// Held by whoever refreshes the token.
    pub(super) turn: Arc<AsyncMutex<()>>,
}

/// No token yet.
#[derive(Default)]
pub(super) struct State {
    held: Option<Held>,
    /// How many refreshes have ended; the id of a token is the count after its own.
    count: u64,
    failed: Option<Failed>,
}

/// The last failed refresh.
struct Failed {
    count: u64,
    at: Instant,
    error: TokenError,
}

/// A token, with its age when it was received.
struct Held {
    token: Token,
    expires_in: Duration,
    age: Duration,
    since: Instant,
}

impl Held {
    fn state(&self) -> TokenState {
        TokenState::at(self.age + self.since.elapsed(), self.expires_in)
    }
}

/// What the token cache offers to a client that needs a token.
enum Shared<'a> {
    Found(CachedToken),
    /// No usable token. While the lock is held, no other process requests one.
    Locked(Box<dyn Send + 'a>),
}

impl Refreshed {
    async fn get(self: &Arc<Self>, rejected: Option<TokenId>) -> Result<Token, TokenError> {
        let asked = {
            let state = self.lock();
            if let Some(result) = state.at_hand(rejected, state.count) {
                if state.is_due()
                    && let Ok(turn) = self.turn.clone().try_lock_owned()
                {
                    let tokens = self.clone();
                    let work = async move { (tokens.refresh().await.ok(), turn) };
                    tokio::spawn(work.in_current_span());
                }
                return result;
            }
            state.count
        };
        let tokens = self.clone();
        let work = async move {
            let _turn = tokens.turn.lock().await;
            // What another refresh came to while this one waited.
            let at_hand = tokens.lock().at_hand(rejected, asked);
            match at_hand {
                Some(result) => result,
                None => tokens.refresh().await,
            }
        };
        let aborted = |_| Err(TokenError::Local("the token refresh was aborted".to_owned()));
        tokio::spawn(work.in_current_span()).await.unwrap_or_else(aborted)
    }

    /// Refreshes the token. It is the caller's turn.
    async fn refresh(&self) -> Result<Token, TokenError> {
        let old = self.lock().held.as_ref().map(|held| held.token.secret.clone());
        let renewed = self.renew(old.as_ref()).await;
        let mut state = self.lock();
        state.count += 1;
        match renewed {
            Ok(found) => Ok(state.hold(&found)),
            Err(error) => {
                tracing::warn!(error = with_sources(&error), "cannot refresh the access token");
                let (count, at) = (state.count, Instant::now());
                state.failed = Some(Failed { count, at, error: error.clone() });
                Err(error)
            }
        }
    }

    /// Returns a token other than `old`: one that another process has cached, or a new one.
    async fn renew(&self, old: Option<&Secret>) -> Result<CachedToken, TokenError> {
        let lock = match self.shared(old).await {
            Ok(Shared::Found(found)) => {
                self.api_url.learn(found.api_domain.as_deref())?;
                return Ok(found);
            }
            Ok(Shared::Locked(lock)) => Some(lock),
            // Otherwise every process waiting for the lock would request a token, and the service
            // issues only ten.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(TokenError::Local(format!("cannot use the token cache: {error}")));
            }
            Err(error) => {
                token_cache::warn_unusable(&error);
                None
            }
        };
        let granted = self.accounts.token(&self.request).await?;
        let granted = CachedToken::new(&granted, SystemTime::now());
        self.api_url.learn(granted.api_domain.as_deref())?;
        if let (Some(_lock), Some(cache)) = (&lock, &self.cache)
            && let Err(error) = cache.store_boxed(&self.key, &granted).await
        {
            token_cache::warn_unusable(&error);
        }
        Ok(granted)
    }

    /// Returns a token other than `old` from the cache, or the lock to replace it.
    async fn shared(&self, old: Option<&Secret>) -> io::Result<Shared<'_>> {
        let is_new = |found: &CachedToken| Some(&found.access_token) != old;
        let Some(cache) = &self.cache else { return Ok(Shared::Locked(Box::new(()))) };
        if let Some(found) = cache.load_boxed(&self.key).await?.filter(is_new)
            && found.state(SystemTime::now()) != TokenState::Expired
        {
            return Ok(Shared::Found(found));
        }
        let lock = cache.lock_boxed(&self.key).await?;
        // Check again: another process may have refreshed the token while this one waited.
        if let Some(found) = cache.load_boxed(&self.key).await?.filter(is_new)
            && found.state(SystemTime::now()) == TokenState::Valid
        {
            return Ok(Shared::Found(found));
        }
        Ok(Shared::Locked(lock))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pause after a failed refresh in the background, and after an unreadable response.
const PAUSE: Duration = Duration::from_secs(30);

/// How long those who ask for a token get the same error again.
fn lasts(error: &TokenError) -> Duration {
    const PAUSE_OF_GATEWAY: Duration = Duration::from_secs(5);
    match error {
        // Trying again is pointless.
        TokenError::Rejected(error) if error.is_wrong_credential() => Duration::MAX,
        // Somebody else's response, such as a page: the service counts the request all the same, and
        // grants ten tokens in ten minutes. A gateway whose service is restarting recovers earlier.
        TokenError::Unreadable(page) if page.http_status < 500 => PAUSE,
        TokenError::Unreadable(_) => PAUSE_OF_GATEWAY,
        _ => Duration::ZERO,
    }
}

impl State {
    /// A token other than the `rejected` one, or a failure: one that still counts, or that came after
    /// somebody `asked` at that count.
    fn at_hand(&self, rejected: Option<TokenId>, asked: u64) -> Option<Result<Token, TokenError>> {
        let usable =
            |held: &&Held| Some(held.token.id) != rejected && held.state() != TokenState::Expired;
        if let Some(held) = self.held.as_ref().filter(usable) {
            return Some(Ok(held.token.clone()));
        }
        let Failed { count, at, error } = self.failed.as_ref()?;
        (*count > asked || at.elapsed() < lasts(error)).then(|| Err(error.clone()))
    }

    /// Whether the token can be used and should be refreshed.
    fn is_due(&self) -> bool {
        let has_failed = |failed: &Failed| failed.at.elapsed() < PAUSE.max(lasts(&failed.error));
        self.held.as_ref().is_some_and(|held| held.state() == TokenState::RefreshSoon)
            && !self.failed.as_ref().is_some_and(has_failed)
    }

    fn hold(&mut self, found: &CachedToken) -> Token {
        let token = Token { id: TokenId(self.count), secret: found.access_token.clone() };
        self.held = Some(Held {
            token: token.clone(),
            expires_in: found.expires_in(),
            age: found.age(SystemTime::now()),
            since: Instant::now(),
        });
        token
    }
}
