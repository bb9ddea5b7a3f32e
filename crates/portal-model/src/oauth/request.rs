//! What a client sends to the accounts server: [`TokenRequest`] and [`RevokeToken`].

use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::error::{OAuthError, TokenError, read_object};
use crate::endpoint::{Method, Request, Response, UNRESERVED, UnreadableReason};
use crate::secret::Secret;

/// The path of [`TokenRequest`].
pub const TOKEN_PATH: &str = "/oauth/v2/token";
/// The path of [`RevokeToken`].
pub const REVOKE_PATH: &str = "/oauth/v2/token/revoke";

/// Request an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The registered client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// What the token is requested with.
    pub grant: Grant,
}

/// What an access token is requested with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// A code from the console of a self client: valid once, for three minutes. Its
    /// response carries a refresh token.
    AuthorizationCode {
        /// The code.
        code: Secret,
        /// The one that the code was made for, if any.
        redirect_uri: Option<String>,
    },
    /// A refresh token, which does not expire.
    RefreshToken(Secret),
}

impl TokenRequest {
    /// A request of `client_id`.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
        grant: Grant,
    ) -> Self {
        Self { client_id: client_id.into(), client_secret: client_secret.into(), grant }
    }

    /// The request, its parameters as an urlencoded form in the body.
    /// [`AccessToken::decode`](super::AccessToken::decode) reads its response.
    pub fn request(&self) -> Request {
        // Long enough for all of it: a buffer that grows leaves copies of the secrets behind.
        let mut form = form_urlencoded::Serializer::new(String::with_capacity(1024));
        match &self.grant {
            Grant::AuthorizationCode { code, redirect_uri } => {
                form.append_pair("grant_type", "authorization_code");
                form.append_pair("code", code.expose());
                if let Some(redirect_uri) = redirect_uri {
                    form.append_pair("redirect_uri", redirect_uri);
                }
            }
            Grant::RefreshToken(refresh_token) => {
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("refresh_token", refresh_token.expose());
            }
        }
        form.append_pair("client_id", &self.client_id);
        form.append_pair("client_secret", self.client_secret.expose());
        Request::new(Method::Post, TOKEN_PATH)
            .with_body("application/x-www-form-urlencoded", form.finish().into_bytes())
    }
}

/// Revoke a refresh token, and with it every access token that came from it.
///
/// The service takes the token in the URL: the only URL with a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevokeToken {
    /// The refresh token.
    pub refresh_token: Secret,
}

impl RevokeToken {
    /// A revocation of `refresh_token`.
    pub fn new(refresh_token: impl Into<Secret>) -> Self {
        Self { refresh_token: refresh_token.into() }
    }

    /// The request. Its path carries the token: log it without its query.
    pub fn request(&self) -> Request {
        let token = utf8_percent_encode(self.refresh_token.expose(), UNRESERVED);
        Request::new(Method::Post, format!("{REVOKE_PATH}?token={token}"))
    }

    /// Reads the response.
    ///
    /// # Errors
    /// [`TokenError::Rejected`] if the token is unknown, or [`TokenError::Unreadable`].
    pub fn decode(response: &Response) -> Result<(), TokenError> {
        let body = read_object(response)?;
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        match (text("status"), text("error")) {
            (Some("success"), None) => Ok(()),
            (_, Some(error)) => Err(TokenError::Rejected(OAuthError::new(error))),
            _ => Err(TokenError::unreadable(response, UnreadableReason::NoEnvelope)),
        }
    }
}
