//! The accounts server: [`Accounts`] grants, refreshes and revokes tokens.

use std::sync::Arc;
use std::time::Duration;

use portal_model::Request;
use portal_model::flow::TokenError;
use portal_model::oauth::{AccessToken, RevokeToken, TokenRequest, TokenResponseError};

use super::base_url::BaseUrl;
use super::exchange::exchange;
use super::transport::{AnyTransport, Bounds, TransportError};

/// An accounts server. A [`Client`](super::Client) asks it by itself; this is for those who
/// exchange a code for a refresh token, or revoke one.
#[derive(Clone)]
pub struct Accounts {
    pub(super) transport: Arc<dyn AnyTransport>,
    pub(super) url: BaseUrl,
    pub(super) time_limit: Duration,
}

impl Accounts {
    /// Asks for a token.
    ///
    /// # Errors
    /// [`TokenError::Refused`] in the server's own words, [`TokenError::Unreachable`] and
    /// [`TokenError::Unreadable`] where there are none.
    ///
    /// # Cancel safety
    /// A code counts as used once it has been sent. Dropped, a token may have been granted.
    pub async fn token(&self, request: &TokenRequest) -> Result<AccessToken, TokenError> {
        let answer = self.ask(&request.request()).await?;
        AccessToken::decode(&answer).map_err(refused)
    }

    /// Revokes a refresh token, and all the access tokens that came from it.
    ///
    /// # Errors
    /// [`TokenError::Refused`] where the token is not known; else as [`token`](Self::token).
    ///
    /// # Cancel safety
    /// Dropped, the token may have been revoked or not; to revoke it again does no harm.
    pub async fn revoke(&self, request: &RevokeToken) -> Result<(), TokenError> {
        let answer = self.ask(&request.request()).await?;
        RevokeToken::decode(&answer).map_err(refused)
    }

    /// Its base URL.
    pub fn url(&self) -> &BaseUrl {
        &self.url
    }

    async fn ask(&self, request: &Request) -> Result<portal_model::Response, TokenError> {
        let bounds = Bounds::new(self.time_limit);
        let answer = exchange(self.transport.as_ref(), &self.url, request, bounds).await;
        answer.map_err(|error| match error {
            TransportError::NotSent(why) => TokenError::Unreachable(why.to_string()),
            TransportError::NoAnswer(why) => TokenError::Unreachable(why.to_string()),
        })
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").field("url", &self.url).finish_non_exhaustive()
    }
}

fn refused(error: TokenResponseError) -> TokenError {
    match error {
        TokenResponseError::Refused(error) => TokenError::Refused(error),
        TokenResponseError::Unreadable(answer) => TokenError::Unreadable(answer),
        other => TokenError::Unreachable(other.to_string()),
    }
}
