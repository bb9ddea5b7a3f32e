//! [`Core`]: what a client, its clones and its flows share.

use std::sync::Arc;

use portal_model::flow::{NotSent, Policy, TransportError};
use portal_model::{ApiVersion, Request, Response};
use tokio::sync::Mutex;

use super::api_url::ApiUrl;
use super::echo;
use super::exchange::exchange;
use super::slots::Slots;
use super::token::{Token, Tokens};
use super::transport::{Bounds, DynTransport};

/// The parts of a client.
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

impl Core {
    /// Sends `request` with `token`, once.
    pub(super) async fn exchange(
        &self,
        request: Request,
        token: Option<&Token>,
        bounds: Bounds,
    ) -> Result<Response, TransportError> {
        let (Some(url), Some(token)) = (self.api_url.get(), token) else {
            return Err(NotSent::NotStarted("the API's URL is not known".to_owned()).into());
        };
        let request = request.authorized(&token.secret);
        let response = exchange(self.transport.as_ref(), &url, request, bounds).await?;
        Ok(echo::without(response, &[&token.secret]))
    }
}
