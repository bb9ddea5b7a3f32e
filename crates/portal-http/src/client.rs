//! The client: [`Client::create`] for a create that never lies, [`Client::call`] for any one call.

mod accounts;
mod api_url;
mod base_url;
mod baseline;
mod builder;
pub mod conformance;
mod credential;
mod drive;
mod error;
mod exchange;
mod http_transport;
mod token;
mod token_cache;
mod transport;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portal_model::flow::{Intent, NotSent, Policy, TokenError};
use portal_model::{ApiVersion, CreateFlow, Endpoint, PortalName, Request, Response};
use tokio::sync::{Semaphore, SemaphorePermit};

pub use self::accounts::Accounts;
use self::api_url::ApiUrl;
pub use self::base_url::{BaseUrl, InvalidBaseUrl};
pub use self::baseline::Baseline;
pub use self::builder::{BuildError, ClientBuilder};
pub use self::credential::Credential;
pub use self::drive::{Creating, IntentSink};
pub use self::error::ClientError;
use self::exchange::exchange;
pub use self::http_transport::{
    HttpTransport, HttpTransportBuilder, InvalidProxy, Proxy, TlsError,
};
use self::token::{Token, Tokens};
pub use self::token_cache::{CacheKey, CachedToken, FileTokenCache, TokenCache};
use self::transport::AnyTransport;
pub use self::transport::{Bounds, Transport, TransportError};

/// A client of one org: a credential, and where the org lives. Cloning is cheap, and clones share
/// their token, their connections and their limit of concurrent calls.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    transport: Arc<dyn AnyTransport>,
    tokens: Tokens,
    api_url: Arc<ApiUrl>,
    version: ApiVersion,
    policy: Policy,
    slots: Semaphore,
}

impl Client {
    /// Starts with the defaults; a data center or URLs are still needed.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Makes one call. A token that is refused is replaced once; else nothing is repeated.
    ///
    /// # Errors
    /// [`ClientError`], which says whether the request may have been sent.
    ///
    /// # Cancel safety
    /// Dropped, the request may have been sent or not: a create belongs into
    /// [`create`](Self::create).
    pub async fn call<E: Endpoint + Sync>(&self, endpoint: &E) -> Result<E::Output, ClientError> {
        let request = endpoint.request(self.0.version);
        let time_limit = self.0.policy.attempt_timeout;
        let _slot = self.slot().await;
        let token = self.0.tokens.get(None).await?;
        let answer = self.exchange(request.clone(), Some(&token), time_limit).await?;
        let error = match endpoint.decode(&answer) {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        if !error.api().is_some_and(portal_model::ApiError::is_token_rejected) {
            return Err(error.into());
        }
        let token = match self.0.tokens.get(Some(token.id)).await {
            Ok(token) => token,
            Err(TokenError::NotRenewable) => return Err(error.into()),
            Err(error) => return Err(error.into()),
        };
        let answer = self.exchange(request, Some(&token), time_limit).await?;
        Ok(endpoint.decode(&answer)?)
    }

    /// Creates a portal: looks first, sends, and after a lost answer finds out what happened.
    ///
    /// It begins at once, in a task of its own.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn create(&self, name: PortalName) -> Creating {
        self.create_with(self.flow(name), ())
    }

    /// Performs `flow`, such as [`flow`](Self::flow) with alternatives, and keeps its intent in
    /// `intents` from before each send until its outcome is certain.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn create_with(&self, flow: CreateFlow, intents: impl IntentSink) -> Creating {
        drive::start(self.clone(), flow, intents, None)
    }

    /// The same as one of several creates in this org, which begin with one list together.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn create_sharing(
        &self,
        flow: CreateFlow,
        intents: impl IntentSink,
        baseline: &Baseline,
    ) -> Creating {
        drive::start(self.clone(), flow, intents, Some(baseline.clone()))
    }

    /// Settles a create that was left in doubt, and sends no other one.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn resume(&self, intent: Intent, intents: impl IntentSink) -> Creating {
        let flow = CreateFlow::resume(intent, self.0.policy.clone(), self.0.version);
        self.create_with(flow, intents)
    }

    /// A create of `name` by this client's policy and version, not yet begun.
    pub fn flow(&self, name: PortalName) -> CreateFlow {
        CreateFlow::new(name, self.0.policy.clone(), self.0.version)
    }

    /// Gets an access token, unless there is one.
    ///
    /// # Errors
    /// [`TokenError`], as the accounts server or its absence gives it.
    ///
    /// # Cancel safety
    /// Dropped, a refresh goes on for whoever asks next.
    pub async fn authenticate(&self) -> Result<(), TokenError> {
        self.0.tokens.get(None).await.map(drop)
    }

    /// The API's base URL, as far as it is known: the accounts server may still have to say it.
    pub fn api_url(&self) -> Option<BaseUrl> {
        self.0.api_url.get()
    }

    /// Another API than the one in use, which the accounts server named: the org may live there.
    pub fn api_domain_mismatch(&self) -> Option<String> {
        self.0.api_url.mismatch()
    }

    fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// One of the calls that may run at once.
    async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.0.slots.acquire().await.ok()
    }

    async fn exchange(
        &self,
        request: Request,
        token: Option<&Token>,
        time_limit: Duration,
    ) -> Result<Response, TransportError> {
        let (Some(url), Some(token)) = (self.0.api_url.get(), token) else {
            return Err(NotSent::NotStarted("the API's URL is not known".to_owned()).into());
        };
        let request = request.authorized(&token.secret);
        exchange(self.0.transport.as_ref(), &url, &request, Bounds::new(time_limit)).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("api_url", &self.api_url()).finish_non_exhaustive()
    }
}
