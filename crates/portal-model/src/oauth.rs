//! Access tokens: requesting, reading, revoking and renewing them.
//!
//! `POST {accounts}/oauth/v2/token` and `POST {accounts}/oauth/v2/token/revoke`. Errors come
//! under HTTP 200: a response is a success if and only if it carries an access token.

mod error;
mod request;
mod token;

pub use error::{OAuthError, TokenError};
pub use request::{Grant, REVOKE_PATH, RevokeToken, TOKEN_PATH, TokenRequest};
pub use token::{AccessToken, DEFAULT_LIFETIME, TokenState};
