//! The accounts server: [`Accounts`] issues, refreshes and revokes tokens.

use std::sync::Arc;
use std::time::Duration;

use portal_model::flow::TokenError;
use portal_model::oauth::{AccessToken, Grant, RevokeToken, TokenRequest};
use portal_model::{Request, Response};

use super::base_url::BaseUrl;
use super::echo;
use super::exchange::exchange;
use super::transport::{Bounds, DynTransport};

/// An accounts server. A [`Client`](super::Client) uses it internally. Use it directly to exchange
/// a code for a refresh token, or to revoke one.
#[derive(Clone)]
pub struct Accounts {
    pub(super) transport: Arc<dyn DynTransport>,
    pub(super) url: BaseUrl,
    pub(super) timeout: Duration,
}

impl Accounts {
    /// Requests a token.
    ///
    /// # Errors
    /// [`TokenError::Rejected`] with the server's error; [`TokenError::NotSent`],
    /// [`TokenError::NoResponse`] or [`TokenError::Unreadable`] without a valid response.
    ///
    /// # Cancel safety
    /// A code is used up once it was sent. If the future is dropped, a token may have been issued.
    pub async fn token(&self, request: &TokenRequest) -> Result<AccessToken, TokenError> {
        let response = self.send(request.request()).await?;
        // A token that is granted may be the very one that was sent.
        AccessToken::decode(&response).or_else(|_| {
            let grant = match &request.grant {
                Grant::AuthorizationCode { code: grant, .. } | Grant::RefreshToken(grant) => grant,
                _ => &request.client_secret,
            };
            AccessToken::decode(&echo::without(response, &[&request.client_secret, grant]))
        })
    }

    /// Revokes a refresh token and every access token issued for it.
    ///
    /// # Errors
    /// [`TokenError::Rejected`] if the token is unknown; otherwise as for [`token`](Self::token).
    ///
    /// # Cancel safety
    /// If the future is dropped, the token may or may not have been revoked. Revoking it again is
    /// harmless.
    pub async fn revoke(&self, request: &RevokeToken) -> Result<(), TokenError> {
        let response = self.send(request.request()).await?;
        RevokeToken::decode(&echo::without(response, &[&request.refresh_token]))
    }

    /// The base URL.
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
