//! [`ClientBuilder`]: configures a client.

use std::sync::Arc;

use portal_model::datacenter::ApiDomain;
use portal_model::flow::{DeadlineTooShort, Policy};
use portal_model::oauth::{Grant, TokenRequest};
use portal_model::{ApiVersion, DataCenter, Environment};

use super::accounts::Accounts;
use super::api_url::ApiUrl;
use super::base_url::{BaseUrl, InvalidBaseUrl};
use super::credential::{Credential, InvalidCredential};
use super::handle::{Client, Core};
#[cfg(feature = "sockets")]
use super::http_transport::{HttpTransport, UnusableTransport};
use super::slots::Slots;
use super::token::{Refreshed, Tokens};
use super::token_cache::{CacheKey, DynTokenCache, TokenCache};
use super::transport::{DynTransport, Transport};

/// Options of a [`Client`].
#[derive(Default)]
#[must_use]
pub struct ClientBuilder {
    api: ApiDomain,
    accounts_url: Option<String>,
    version: ApiVersion,
    policy: Policy,
    concurrency: Option<usize>,
    transport: Option<Arc<dyn DynTransport>>,
    cache: Option<Box<dyn DynTokenCache>>,
}

impl ClientBuilder {
    /// Default limit of concurrent requests: 5, which every edition of the service allows according
    /// to its documentation. It rejects more with 429.
    pub const CONCURRENCY: usize = 5;

    /// Sets the URLs of the API and of the accounts server to the org's data center. A token
    /// response may correct a production host to that of another data center.
    pub fn data_center(mut self, data_center: DataCenter, environment: Environment) -> Self {
        self.api = ApiDomain::DataCenter(data_center, environment);
        self.accounts_url = Some(data_center.accounts_url().to_owned());
        self
    }

    /// Sets the base URL of the API, which then never changes. Without it and without a data
    /// center, the first token response names the API: one of Zoho's, or one of the accounts server's
    /// own host.
    pub fn api_url(mut self, url: impl Into<String>) -> Self {
        self.api = ApiDomain::Given(url.into());
        self
    }

    /// Sets the base URL of the accounts server, or the URL of its tokens.
    pub fn accounts_url(mut self, url: impl Into<String>) -> Self {
        self.accounts_url = Some(url.into());
        self
    }

    /// Sets the version of the API. Default: v7.
    pub fn version(mut self, version: ApiVersion) -> Self {
        self.version = version;
        self
    }

    /// Sets how long creates and renames keep trying, and what they are allowed to do. The timeouts
    /// also apply to single calls: `attempt_timeout` to those that change something, `read_timeout`
    /// to the others.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Limits the number of concurrent requests to what the org's edition allows; at least one.
    /// Default: [`CONCURRENCY`](Self::CONCURRENCY).
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = Some(calls.max(1));
        self
    }

    /// Sets the transport. Default: an `HttpTransport` with its own defaults; without the feature `sockets` there is
    /// none, and a client needs a transport. Clients with clones of one transport share its
    /// connections.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Sets where access tokens are shared with other processes. Default: not at all.
    pub fn token_cache(mut self, cache: impl TokenCache) -> Self {
        self.cache = Some(Box::new(cache));
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// [`BuildError`], before anything is sent.
    pub fn build(self, credential: Credential) -> Result<Client, BuildError> {
        self.policy.check()?;
        credential.check()?;
        let api_url = ApiUrl::new(self.api.clone(), self.accounts_url.as_deref());
        let api_url = Arc::new(api_url.map_err(BuildError::ApiUrl)?);
        let transport = self.shared_transport()?;
        let fingerprint = credential.fingerprint(self.accounts_url.as_deref());
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
                let (cache, api_url) = (self.cache, api_url.clone());
                let (state, turn) = Default::default();
                let tokens = Refreshed { accounts, request, cache, key, api_url, state, turn };
                Tokens::Refreshed(Arc::new(tokens))
            }
        };
        Ok(Client(Arc::new(Core {
            transport,
            tokens,
            api_url,
            fingerprint,
            version: self.version,
            policy: self.policy,
            slots: Slots::new(self.concurrency.unwrap_or(ClientBuilder::CONCURRENCY)),
            turns: Arc::default(),
        })))
    }

    /// Builds only the accounts server.
    ///
    /// # Errors
    /// [`BuildError`] if its URL is missing or invalid.
    pub fn build_accounts(self) -> Result<Accounts, BuildError> {
        let transport = self.shared_transport()?;
        self.accounts(transport)
    }

    fn accounts(&self, transport: Arc<dyn DynTransport>) -> Result<Accounts, BuildError> {
        let url = self.accounts_url.as_ref().ok_or(BuildError::NoAccountsUrl)?;
        let url: BaseUrl = url.parse().map_err(BuildError::AccountsUrl)?;
        Ok(Accounts { transport, url, timeout: self.policy.read_timeout })
    }

    fn shared_transport(&self) -> Result<Arc<dyn DynTransport>, BuildError> {
        match &self.transport {
            Some(given) => Ok(given.clone()),
            #[cfg(feature = "sockets")]
            None => Ok(Arc::new(HttpTransport::builder().build()?)),
            #[cfg(not(feature = "sockets"))]
            None => Err(BuildError::NoTransport),
        }
    }
}

impl Client {
    /// Starts with the defaults; a data center or URLs are required.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }
}

/// Why a client can't be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No transport was given, and without the feature `sockets` there is no default.
    #[error("missing transport: set one, or enable portal-http's feature `sockets`")]
    NoTransport,
    /// The default transport can't be built, such as with an unusable proxy in the environment.
    #[cfg(feature = "sockets")]
    #[error(transparent)]
    Transport(#[from] UnusableTransport),
    /// An access token was given without the URL of its API.
    #[error("missing API URL: an access token needs it or a data center")]
    NoApiUrl,
    /// A refresh token was given without an accounts server.
    #[error("missing accounts server: set its URL or a data center")]
    NoAccountsUrl,
    /// The URL of the API is invalid.
    #[error("invalid API URL: {0}")]
    ApiUrl(InvalidBaseUrl),
    /// The URL of the accounts server is invalid.
    #[error("invalid accounts server URL: {0}")]
    AccountsUrl(InvalidBaseUrl),
    /// A part of the credential can't be one.
    #[error(transparent)]
    Credential(#[from] InvalidCredential),
    /// The deadline leaves no time for an attempt.
    #[error(transparent)]
    Policy(#[from] DeadlineTooShort),
}
