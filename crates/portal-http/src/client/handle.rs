//! One org: [`Client`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portal_model::flow::{CreateIntent, Effect, Flow, Policy, RenameIntent, TokenError};
use portal_model::{
    ApiError, ApiVersion, CreateFlow, Endpoint, Method, PortalName, RenameFlow, RenameOutcome,
};

use super::base_url::BaseUrl;
use super::core::Core;
use super::drive::{self, IntentSink, Running};
use super::error::ClientError;
use super::slots::Urgency;
use super::transport::Bounds;

/// A client of one org: a credential, and where the org lives. Cloning is cheap, and clones share
/// their token, their connections and their limit of concurrent calls.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Core>);

impl Client {
    /// Makes one call. A rejected token is replaced once; nothing else is repeated.
    ///
    /// # Errors
    /// [`ClientError`], which says whether the request may have been sent.
    ///
    /// # Cancel safety
    /// Dropped, the request may or may not have been sent. For a create, use
    /// [`create`](Self::create).
    pub async fn call<E: Endpoint + Sync>(&self, endpoint: &E) -> Result<E::Output, ClientError> {
        let request = endpoint.request(self.0.version);
        let bounds = match request.method {
            Method::Get => Bounds::of_list(self.0.policy.read_timeout),
            Method::Post | Method::Put => Bounds::new(self.0.policy.attempt_timeout),
        };
        let token = self.0.tokens.get(None).await?;
        let slot = self.0.slots.acquire(Urgency::New).await;
        let response = self.0.exchange(request.clone(), Some(&token), bounds).await?;
        let error = match endpoint.decode(&response) {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        if !error.api().is_some_and(ApiError::is_token_rejected) {
            return Err(error.into());
        }
        // Getting a token, which may take long, keeps no other request waiting.
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

    /// Creates a portal: lists the org's portals, sends the request, and determines the outcome if
    /// the response is lost.
    ///
    /// It begins at once, in a task of its own. Unless [`Policy::allow_another`] is set, the creates
    /// of one client and its clones run one after another, so that two of them cannot both find the
    /// org empty. Other processes and other clients are not kept apart: that is the caller's duty,
    /// as the intent log of the command `portal` does it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn create(&self, name: PortalName) -> Running {
        self.perform(self.create_flow(name), ())
    }

    /// Renames a portal: finds it in a list, sends the request, and determines the outcome if the
    /// response is lost.
    ///
    /// Customers' links change with the name, and the old name is free for anyone at once.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn rename(&self, old: impl Into<String>, new: PortalName) -> Running<RenameOutcome> {
        self.perform(self.rename_flow(old, new), ())
    }

    /// Performs `flow`, such as [`create_flow`](Self::create_flow) with fallbacks, and stores its
    /// intent in `intents` from before each attempt until its outcome is certain.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn perform<E: Effect>(
        &self,
        flow: Flow<E>,
        intents: impl IntentSink<E::Outcome>,
    ) -> Running<E::Outcome> {
        drive::start(self.0.clone(), flow, intents)
    }

    /// A create of `name` with this client's policy and version, not yet begun.
    pub fn create_flow(&self, name: PortalName) -> CreateFlow {
        CreateFlow::new(name, self.0.policy.clone(), self.0.version)
    }

    /// A rename of the portal `old` with this client's policy and version, not yet begun.
    pub fn rename_flow(&self, old: impl Into<String>, new: PortalName) -> RenameFlow {
        RenameFlow::new(old, new, self.0.policy.clone(), self.0.version)
    }

    /// Determines the outcome of a create that an earlier process left in doubt: see
    /// [`CreateFlow::recover`].
    pub fn recover_flow(&self, intent: CreateIntent, since_end: Duration) -> CreateFlow {
        CreateFlow::recover(intent, since_end, self.0.policy.clone(), self.0.version)
    }

    /// Continues a create that an earlier process left in doubt: see [`CreateFlow::take_over`].
    pub fn take_over_flow(&self, intent: CreateIntent, since_end: Duration) -> CreateFlow {
        CreateFlow::take_over(intent, since_end, self.0.policy.clone(), self.0.version)
    }

    /// Determines the outcome of a rename that an earlier process left in doubt: see
    /// [`RenameFlow::recover`].
    pub fn recover_rename_flow(&self, intent: RenameIntent, since_end: Duration) -> RenameFlow {
        RenameFlow::recover(intent, since_end, self.0.policy.clone(), self.0.version)
    }

    /// How long this client's flows try, and what they may do.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// The version of the API that this client's requests name.
    pub fn version(&self) -> ApiVersion {
        self.0.version
    }

    /// Gets an access token, unless there is one.
    ///
    /// # Errors
    /// [`TokenError`] if the accounts server rejects the credentials or cannot be asked.
    ///
    /// # Cancel safety
    /// Dropped, a refresh continues for the next caller.
    pub async fn authenticate(&self) -> Result<(), TokenError> {
        self.0.tokens.get(None).await.map(drop)
    }

    /// The API's base URL; `None` until the accounts server has named it.
    pub fn api_url(&self) -> Option<BaseUrl> {
        self.0.api_url.get()
    }

    /// The API that the accounts server named, if it is not the one in use: the org may live there.
    pub fn api_domain_mismatch(&self) -> Option<String> {
        self.0.api_url.mismatch()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("api_url", &self.api_url()).finish_non_exhaustive()
    }
}
