//! Access tokens: requesting, reading, revoking and renewing them.
//!
//! `POST {accounts}/oauth/v2/token` and `POST {accounts}/oauth/v2/token/revoke`. Errors come
//! under HTTP 200: a response is a success if and only if it carries an access token.

mod answer;
mod error;
mod request;
mod revoke;
mod state;

pub use answer::{AccessToken, DEFAULT_LIFETIME, TokenResponseError};
pub use error::OAuthError;
pub use request::{Grant, TokenRequest};
pub use revoke::RevokeToken;
pub use state::TokenState;

/// The path of [`TokenRequest`].
pub const TOKEN_PATH: &str = "/oauth/v2/token";
/// The path of [`RevokeToken`].
pub const REVOKE_PATH: &str = "/oauth/v2/token/revoke";
