//! How a client is made: [`ClientBuilder`].

use std::sync::Arc;
use std::time::Duration;

use portal_model::datacenter::ApiDomain;
use portal_model::flow::{DeadlineTooShort, Policy};
use portal_model::oauth::{Grant, TokenRequest};
use portal_model::{ApiVersion, DataCenter, Environment};
use tokio::sync::Semaphore;

use super::accounts::Accounts;
use super::api_url::ApiUrl;
use super::base_url::{BaseUrl, InvalidBaseUrl};
use super::credential::Credential;
use super::http_transport::HttpTransport;
use super::token::{Refreshed, Tokens};
use super::token_cache::{AnyTokenCache, CacheKey, NoCache, TokenCache};
use super::transport::{AnyTransport, Transport};
use super::{Client, Inner};

/// Options of a [`Client`].
#[must_use]
pub struct ClientBuilder {
    api: ApiDomain,
    accounts_url: Option<String>,
    accounts_timeout: Duration,
    version: ApiVersion,
    policy: Policy,
    concurrency: usize,
    transport: Option<Arc<dyn AnyTransport>>,
    cache: Box<dyn AnyTokenCache>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            api: ApiDomain::Unset,
            accounts_url: None,
            accounts_timeout: Duration::from_secs(30),
            version: ApiVersion::default(),
            policy: Policy::default(),
            concurrency: Self::CONCURRENCY,
            transport: None,
            cache: Box::new(NoCache),
        }
    }
}

impl ClientBuilder {
    /// How many calls run at once by default: 5, what the service allows to every edition (its
    /// documentation). More are answered with 429.
    pub const CONCURRENCY: usize = 5;

    /// Where the org lives: sets the API's and the accounts server's URL. An answer of the
    /// accounts server may correct a production host to that of another data center.
    pub fn data_center(mut self, data_center: DataCenter, environment: Environment) -> Self {
        self.api = ApiDomain::DataCenter(data_center, environment);
        self.accounts_url = Some(data_center.accounts_url().to_owned());
        self
    }

    /// The base URL of the API, which then stays. Without it and without a data center, the
    /// accounts server's answer says where the API is.
    pub fn api_url(mut self, url: impl Into<String>) -> Self {
        self.api = ApiDomain::Given(url.into());
        self
    }

    /// The base URL of the accounts server.
    pub fn accounts_url(mut self, url: impl Into<String>) -> Self {
        self.accounts_url = Some(url.into());
        self
    }

    /// Longest time for a call to the accounts server. Default 30 s.
    pub fn accounts_timeout(mut self, time: Duration) -> Self {
        self.accounts_timeout = time;
        self
    }

    /// The version of the API. Default v7.
    pub fn version(mut self, version: ApiVersion) -> Self {
        self.version = version;
        self
    }

    /// How patient a create is; its `attempt_timeout` holds for every call.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Most calls at once, at least one: what the org's edition allows. Default
    /// [`CONCURRENCY`](Self::CONCURRENCY).
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// What carries the requests. Default: [`HttpTransport::new`]. Clients with clones of one
    /// transport share its connections.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Where access tokens are kept for other processes. Default: nowhere.
    pub fn token_cache(mut self, cache: impl TokenCache) -> Self {
        self.cache = Box::new(cache);
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    /// [`BuildError`], before anything is sent.
    pub fn build(self, credential: Credential) -> Result<Client, BuildError> {
        self.policy.check()?;
        let api_url = Arc::new(ApiUrl::new(self.api.clone()).map_err(BuildError::ApiUrl)?);
        let transport = self.shared_transport();
        let tokens = match credential {
            Credential::AccessToken(_) if api_url.get().is_none() => {
                return Err(BuildError::NoApiUrl);
            }
            Credential::AccessToken(token) => Tokens::Fixed(token),
            Credential::RefreshToken { client_id, client_secret, refresh_token } => {
                let accounts = self.accounts(transport.clone())?;
                let key = CacheKey::new(&accounts.url, &client_id, &client_secret, &refresh_token);
                let grant = Grant::RefreshToken(refresh_token);
                let request = TokenRequest::new(client_id, client_secret, grant);
                let cache = self.cache;
                let api_url = api_url.clone();
                Tokens::Refreshed(Arc::new(Refreshed::new(accounts, request, cache, key, api_url)))
            }
        };
        Ok(Client(Arc::new(Inner {
            transport,
            tokens,
            api_url,
            version: self.version,
            policy: self.policy,
            slots: Semaphore::new(self.concurrency),
        })))
    }

    /// The accounts server alone.
    ///
    /// # Errors
    /// [`BuildError`] where its URL is missing or wrong.
    pub fn build_accounts(self) -> Result<Accounts, BuildError> {
        let transport = self.shared_transport();
        self.accounts(transport)
    }

    fn accounts(&self, transport: Arc<dyn AnyTransport>) -> Result<Accounts, BuildError> {
        let url = self.accounts_url.as_ref().ok_or(BuildError::NoAccountsUrl)?;
        let url: BaseUrl = url.parse().map_err(BuildError::AccountsUrl)?;
        Ok(Accounts { transport, url, time_limit: self.accounts_timeout })
    }

    fn shared_transport(&self) -> Arc<dyn AnyTransport> {
        self.transport.clone().unwrap_or_else(|| Arc::new(HttpTransport::new()))
    }
}

/// Why a client can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An access token does not say where it is valid.
    #[error("an access token alone does not say where the API is: give its URL or a data center")]
    NoApiUrl,
    /// A refresh token does not say who refreshes it.
    #[error("no accounts server: give its URL or a data center")]
    NoAccountsUrl,
    /// The API's URL can't be used.
    #[error("the API's URL can't be used: {0}")]
    ApiUrl(InvalidBaseUrl),
    /// The accounts server's URL can't be used.
    #[error("the accounts server's URL can't be used: {0}")]
    AccountsUrl(InvalidBaseUrl),
    /// A create could never send anything.
    #[error(transparent)]
    Policy(#[from] DeadlineTooShort),
}
