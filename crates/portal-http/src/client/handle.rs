//! [`Client`]: the handle to one org.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portal_model::flow::{Flow, Intent, Policy, TokenError};
use portal_model::{
    ApiVersion, CreateOperation, Endpoint, Method, PortalName, ReadOnly, RenameOperation, Request,
    ResponseError,
};

use super::base_url::BaseUrl;
use super::core::Core;
use super::drive::{self, IntentSink, Running};
use super::error::ClientError;
use super::slots::Urgency;
use super::transport::Bounds;

/// A client of one org. Cloning is cheap; clones share their token, connections and limit of
/// concurrent requests.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Core>);

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
        let request = endpoint.request(self.0.version);
        let bounds = self.bounds(&request);
        let token = self.0.tokens.get(None).await?;
        let slot = self.0.slots.acquire(Urgency::New).await;
        let response = self.0.exchange(request.clone(), Some(&token), bounds).await?;
        let error = match endpoint.decode(&response) {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        if !error.needs_new_token() {
            return Err(error.into());
        }
        // Don't occupy a slot while requesting a token, which may take long.
        drop(slot);
        let token = match self.0.tokens.get(Some(token.id)).await {
            Ok(token) => token,
            Err(TokenError::NotRenewable) => return Err(error.into()),
            Err(error) => return Err(error.into()),
        };
        let _slot = self.0.slots.acquire(Urgency::Begun).await;
        let response = self.0.exchange(request, Some(&token), bounds).await?;
        Ok(endpoint.decode(&response)?)
    }

    /// Sends a request of any kind at most once, over a connection of its own, and verifies nothing.
    ///
    /// For a create or a rename this is an attempt whose outcome may stay unknown: after an error
    /// for which [`may_have_been_sent`](ClientError::may_have_been_sent) is true, and that is not a
    /// rejection by the service, the portal may exist, or may come to exist within the policy's
    /// [`processing_time`](Policy::processing_time). Sending it again could create a second portal.
    /// [`create`](Self::create) and [`rename`](Self::rename) determine the outcome; use those.
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
        let request = endpoint.request(self.0.version);
        let mut bounds = self.bounds(&request);
        bounds.is_attempt = true;
        let token = self.0.tokens.get(None).await?;
        let slot = self.0.slots.acquire(Urgency::New).await;
        let response = self.0.exchange(request, Some(&token), bounds).await?;
        drop(slot);
        let result = endpoint.decode(&response);
        if result.as_ref().is_err_and(ResponseError::needs_new_token) {
            // If that fails, so will the next call, and say why.
            let _ = self.0.tokens.get(Some(token.id)).await;
        }
        Ok(result?)
    }

    fn bounds(&self, request: &Request) -> Bounds {
        match request.method {
            Method::Get => Bounds::of_list(self.0.policy.read_timeout),
            _ => Bounds::new(self.0.policy.attempt_timeout),
        }
    }

    /// Creates a portal: lists the org's portals, sends the request, and determines the outcome if
    /// the response is lost.
    ///
    /// Starts immediately, in a task of its own. Unless [`Policy::allow_another`] is set, the
    /// creates of a client and its clones run one after another, so that no two of them both find
    /// the org empty. Keeping other clients and processes apart is up to the caller; the command
    /// `portal` does it with its intent log.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn create(&self, name: PortalName) -> Running {
        self.perform(self.create_flow(name), ())
    }

    /// Renames a portal: finds it in a list, sends the request, and determines the outcome if the
    /// response is lost.
    ///
    /// Links to the portal change with its name, and anyone can take the old name at once.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn rename(&self, old: impl Into<String>, new: PortalName) -> Running {
        self.perform(self.rename_flow(old, new), ())
    }

    /// Performs `flow`, such as a [`create_flow`](Self::create_flow) with fallbacks, and stores its
    /// intent in `intents` from before each attempt until the outcome is certain.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn perform(&self, flow: Flow, intents: impl IntentSink) -> Running {
        drive::start(self.0.clone(), flow, intents)
    }

    /// Returns a create of `name` with this client's policy and version, not yet started.
    pub fn create_flow(&self, name: PortalName) -> Flow {
        let create = CreateOperation::new(name);
        Flow::new(create.into(), self.0.policy.clone(), self.0.version)
    }

    /// Returns a rename of the portal `old` with this client's policy and version, not yet started.
    pub fn rename_flow(&self, old: impl Into<String>, new: PortalName) -> Flow {
        let rename = RenameOperation::new(old, new);
        Flow::new(rename.into(), self.0.policy.clone(), self.0.version)
    }

    /// Returns a flow that determines the outcome of an intent left in doubt by an earlier process:
    /// see [`Flow::recover`].
    pub fn recover_flow(&self, intent: impl Into<Intent>, horizon: Duration) -> Flow {
        let intent = intent.into();
        Flow::recover(intent.operation(), intent, horizon, self.0.policy.clone(), self.0.version)
    }

    /// Returns a flow that goes on from an intent left in doubt by an earlier process: see
    /// [`Flow::resume`].
    pub fn take_over_flow(&self, intent: impl Into<Intent>, horizon: Duration) -> Flow {
        let intent = intent.into();
        Flow::resume(intent.operation(), intent, horizon, self.0.policy.clone(), self.0.version)
    }

    /// Returns the policy of this client's flows.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    #[cfg(feature = "ledger")]
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
