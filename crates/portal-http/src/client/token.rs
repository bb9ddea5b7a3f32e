//! The access token of a client, with at most one refresh in flight.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use portal_model::Secret;
use portal_model::error::with_sources;
use portal_model::flow::{TokenError, TokenId};
use portal_model::oauth::{TokenRequest, TokenState};
use tokio::sync::watch;
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
    pub(super) cache: Box<dyn DynTokenCache>,
    pub(super) key: CacheKey,
    pub(super) api_url: Arc<ApiUrl>,
    pub(super) state: Mutex<State>,
}

/// No token yet.
#[derive(Default)]
pub(super) struct State {
    held: Option<Held>,
    /// The id of the last token.
    count: u64,
    refresh: Option<Refresh>,
    /// When a refresh last failed, and why.
    failed: Option<(Instant, TokenError)>,
}

/// A refresh in flight, and eventually its result.
type Refresh = watch::Receiver<Option<Result<Token, TokenError>>>;

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
        let mut refresh = {
            let mut state = self.lock();
            let held = state.held.as_ref().filter(|held| Some(held.token.id) != rejected);
            match held.map(|held| (held.state(), held.token.clone())) {
                Some((TokenState::Valid, token)) => return Ok(token),
                Some((TokenState::RefreshSoon, token)) => {
                    if state.failure_within(PAUSE).is_none() {
                        self.refresh(&mut state);
                    }
                    return Ok(token);
                }
                // Expired.
                _ => {}
            }
            if let Some(error) = state.failure_within(Duration::ZERO) {
                return Err(error.clone());
            }
            self.refresh(&mut state)
        };
        let result = refresh.wait_for(Option::is_some).await.map(|result| result.clone());
        result
            .ok()
            .flatten()
            .unwrap_or_else(|| Err(TokenError::Local("the token refresh was aborted".to_owned())))
    }

    /// Returns the refresh in flight, starting one if there is none.
    fn refresh(self: &Arc<Self>, state: &mut State) -> Refresh {
        if let Some(refresh) = &state.refresh
            && refresh.has_changed().is_ok()
        {
            return refresh.clone();
        }
        let (done, refresh) = watch::channel(None);
        state.refresh = Some(refresh.clone());
        let old = state.held.as_ref().map(|held| held.token.secret.clone());
        let tokens = self.clone();
        let work = async move {
            let result = tokens.renew(old.as_ref()).await;
            let mut state = tokens.lock();
            state.refresh = None;
            let result = match result {
                Ok(token) => Ok(state.hold(&token)),
                Err(error) => {
                    tracing::warn!(error = with_sources(&error), "cannot refresh the access token");
                    state.failed = Some((Instant::now(), error.clone()));
                    Err(error)
                }
            };
            done.send_replace(Some(result));
        };
        tokio::spawn(work.in_current_span());
        refresh
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
        if lock.is_some()
            && let Err(error) = self.cache.store_boxed(&self.key, &granted).await
        {
            token_cache::warn_unusable(&error);
        }
        Ok(granted)
    }

    /// Returns a token other than `old` from the cache, or the lock to replace it.
    async fn shared(&self, old: Option<&Secret>) -> io::Result<Shared<'_>> {
        let is_new = |found: &CachedToken| Some(&found.access_token) != old;
        if let Some(found) = self.cache.load_boxed(&self.key).await?.filter(is_new)
            && found.state(SystemTime::now()) != TokenState::Expired
        {
            return Ok(Shared::Found(found));
        }
        let lock = self.cache.lock_boxed(&self.key).await?;
        // Check again: another process may have refreshed the token while this one waited.
        if let Some(found) = self.cache.load_boxed(&self.key).await?.filter(is_new)
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
    /// The error of the last refresh, if it failed within `pause` or is one that lasts.
    fn failure_within(&self, pause: Duration) -> Option<&TokenError> {
        let (at, error) = self.failed.as_ref()?;
        (at.elapsed() < pause.max(lasts(error))).then_some(error)
    }

    fn hold(&mut self, found: &CachedToken) -> Token {
        self.count += 1;
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
