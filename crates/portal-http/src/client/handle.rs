//! [`Client`]: the handle to one org.

use std::fmt;
use std::sync::Arc;

use portal_model::flow::{NotSent, Policy, TokenError, TransportError};
use portal_model::{ApiVersion, Endpoint, Method, ReadOnly, Request, Response, ResponseError};
use tokio::sync::Mutex;

use super::api_url::ApiUrl;
use super::base_url::BaseUrl;
use super::echo;
use super::error::ClientError;
use super::exchange::exchange;
use super::slots::{Slots, Urgency};
use super::token::{Token, Tokens};
use super::transport::{Bounds, DynTransport};

/// A client of one org. Cloning is cheap; clones share their token, connections and limit of
/// concurrent requests.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Core>);

/// What a client, its clones and its calls share.
pub(super) struct Core {
    pub(super) transport: Arc<dyn DynTransport>,
    pub(super) tokens: Tokens,
    pub(super) api_url: Arc<ApiUrl>,
    /// Tells credentials apart.
    pub(super) fingerprint: String,
    pub(super) version: ApiVersion,
    pub(super) policy: Policy,
    pub(super) slots: Slots,
    /// Held by the operation in progress, unless the org may have several portals.
    pub(super) turns: Arc<Mutex<()>>,
}

impl Client {
    /// Makes a single call that changes nothing. A rejected token is replaced once; nothing else is
    /// retried. [`send_once`](Self::send_once) takes requests of any kind.
    ///
    /// # Errors
    /// [`ClientError`], which tells whether the request may have been sent.
    ///
    /// # Cancel safety
    /// If the future is dropped, the request may or may not have been sent.
    pub async fn call<E: ReadOnly + Sync>(&self, endpoint: &E) -> Result<E::Output, ClientError> {
        let token = self.0.tokens.get(None).await?;
        let error = match self.exchange(endpoint, &token, Urgency::New, false).await? {
            Err(error) if error.needs_new_token() => error,
            result => return Ok(result?),
        };
        let token = match self.0.tokens.get(Some(token.id)).await {
            Ok(token) => token,
            Err(TokenError::NotRenewable) => return Err(error.into()),
            Err(error) => return Err(error.into()),
        };
        Ok(self.exchange(endpoint, &token, Urgency::Begun, false).await??)
    }

    /// Sends a request of any kind at most once, over a connection of its own, and verifies nothing.
    ///
    /// For a create or a rename this is an attempt whose outcome may stay unknown: after an error
    /// for which [`may_have_been_sent`](ClientError::may_have_been_sent) is true, and that is not a
    /// rejection by the service, the portal may exist, or may come to exist within the policy's
    /// [`processing_time`](Policy::processing_time). Sending it again could create a second portal.
    /// `SafeClient` determines the outcome; use that.
    ///
    /// # Errors
    /// [`ClientError`]. Not even a request with a rejected token is sent again; a later call gets
    /// another token.
    ///
    /// # Cancel safety
    /// If the future is dropped, the request may or may not have been sent. With `HttpTransport`
    /// nothing of it leaves this machine after that.
    pub async fn send_once<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
    ) -> Result<E::Output, ClientError> {
        let token = self.0.tokens.get(None).await?;
        let result = self.exchange(endpoint, &token, Urgency::New, true).await?;
        if result.as_ref().is_err_and(ResponseError::needs_new_token) {
            // If that fails, so will the next call, and say why.
            let _ = self.0.tokens.get(Some(token.id)).await;
        }
        Ok(result?)
    }

    /// Sends one request and reads its response. Occupies a slot only meanwhile: getting a token may take
    /// long.
    async fn exchange<E: Endpoint + Sync>(
        &self,
        endpoint: &E,
        token: &Token,
        urgency: Urgency,
        is_attempt: bool,
    ) -> Result<Result<E::Output, ResponseError>, ClientError> {
        let request = endpoint.request(self.0.version);
        let mut bounds = match request.method {
            Method::Get => Bounds::of_list(self.0.policy.read_timeout),
            _ => Bounds::new(self.0.policy.attempt_timeout),
        };
        let _slot = self.0.slots.acquire(urgency).await;
        bounds.is_attempt = is_attempt;
        let response = self.send(request, Some(token), bounds).await?;
        Ok(endpoint.decode(&response))
    }

    /// Sends `request` with `token`, once.
    pub(super) async fn send(
        &self,
        request: Request,
        token: Option<&Token>,
        bounds: Bounds,
    ) -> Result<Response, TransportError> {
        let (Some(url), Some(token)) = (self.api_url(), token) else {
            return Err(NotSent::NotStarted("the API's URL is not known".to_owned()).into());
        };
        let request = request.authorized(&token.secret);
        let response = exchange(self.0.transport.as_ref(), &url, request, bounds).await?;
        Ok(echo::without(response, &[&token.secret]))
    }

    /// Returns the policy of safe calls over this client.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// Returns the API version of this client's requests.
    pub fn version(&self) -> ApiVersion {
        self.0.version
    }

    /// Obtains an access token if there is no valid one.
    ///
    /// # Errors
    /// [`TokenError`] if the accounts server rejects the credentials or is unreachable.
    ///
    /// # Cancel safety
    /// A refresh in flight continues and serves the next caller.
    pub async fn authenticate(&self) -> Result<(), TokenError> {
        self.0.tokens.get(None).await.map(drop)
    }

    /// Returns the base URL of the API; `None` until a token response has named it.
    pub fn api_url(&self) -> Option<BaseUrl> {
        self.0.api_url.get()
    }

    /// Returns the API named by the last token response if it differs from the one in use, in which
    /// case the org may be in another data center.
    pub fn api_domain_mismatch(&self) -> Option<String> {
        self.0.api_url.mismatch()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("api_url", &self.api_url()).finish_non_exhaustive()
    }
}
