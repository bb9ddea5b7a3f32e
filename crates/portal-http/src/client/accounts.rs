//! The accounts server: [`Accounts`] grants, refreshes and revokes tokens.

use std::sync::Arc;
use std::time::Duration;

use portal_model::flow::TokenError;
use portal_model::oauth::{AccessToken, RevokeToken, TokenRequest};
use portal_model::{Request, Response};

use super::base_url::BaseUrl;
use super::exchange::exchange;
use super::transport::{AnyTransport, Bounds};

/// An accounts server. A [`Client`](super::Client) uses it by itself; this is for exchanging a code
/// for a refresh token, and for revoking one.
#[derive(Clone)]
pub struct Accounts {
    pub(super) transport: Arc<dyn AnyTransport>,
    pub(super) url: BaseUrl,
    pub(super) timeout: Duration,
}

impl Accounts {
    /// Requests a token.
    ///
    /// # Errors
    /// [`TokenError::Rejected`] with the server's error; [`TokenError::NotSent`],
    /// [`TokenError::NoResponse`] and [`TokenError::Unreadable`] if there is none.
    ///
    /// # Cancel safety
    /// A code counts as used once it has been sent. Dropped, a token may have been granted.
    pub async fn token(&self, request: &TokenRequest) -> Result<AccessToken, TokenError> {
        let response = self.send(request.request()).await?;
        Ok(AccessToken::decode(&response)?)
    }

    /// Revokes a refresh token, and all the access tokens that came from it.
    ///
    /// # Errors
    /// [`TokenError::Rejected`] if the token is unknown; else as [`token`](Self::token).
    ///
    /// # Cancel safety
    /// Dropped, the token may have been revoked or not; to revoke it again does no harm.
    pub async fn revoke(&self, request: &RevokeToken) -> Result<(), TokenError> {
        let response = self.send(request.request()).await?;
        Ok(RevokeToken::decode(&response)?)
    }

    /// Its base URL.
    pub fn url(&self) -> &BaseUrl {
        &self.url
    }

    async fn send(&self, request: Request) -> Result<Response, TokenError> {
        let bounds = Bounds::new(self.timeout);
        Ok(exchange(self.transport.as_ref(), &self.url, request, bounds).await?)
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").field("url", &self.url).finish_non_exhaustive()
    }
}
