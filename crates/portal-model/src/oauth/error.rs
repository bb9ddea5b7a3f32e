//! Why there is no token: [`TokenError`], and [`OAuthError`], a rejection by the accounts server.

use std::fmt;

use serde_json::{Map, Value};

use crate::endpoint::{Response, Unreadable, UnreadableReason};
use crate::neutral::printable_line;
use crate::transport::{NoResponse, NotSent, TransportError};

/// A rejection by the accounts server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthError {
    /// What programs match on.
    pub error: String,
    /// For people; few errors have one.
    pub description: Option<String>,
}

impl OAuthError {
    /// The client id or the client secret is wrong, or the client belongs to another data center.
    pub const INVALID_CLIENT: &str = "invalid_client";
    /// The client secret is not that of the client.
    pub const INVALID_CLIENT_SECRET: &str = "invalid_client_secret";
    /// A code or refresh token that is wrong, used, expired or revoked.
    pub const INVALID_CODE: &str = "invalid_code";
    /// Neither `authorization_code` nor `refresh_token`.
    pub const UNSUPPORTED_GRANT_TYPE: &str = "unsupported_grant_type";
    /// Too many tokens in too short a time. Every other spelling, and HTTP 429 without an error, becomes
    /// this one.
    pub const ACCESS_DENIED: &str = "Access Denied";
    /// All of these.
    pub const KNOWN: &[&str] = &[
        Self::INVALID_CLIENT,
        Self::INVALID_CLIENT_SECRET,
        Self::INVALID_CODE,
        Self::UNSUPPORTED_GRANT_TYPE,
        Self::ACCESS_DENIED,
    ];

    /// An error without a description.
    pub fn new(error: impl Into<String>) -> Self {
        let error = error.into();
        let letters = error.chars().filter(char::is_ascii_alphanumeric);
        let error = if letters.collect::<String>().eq_ignore_ascii_case("accessdenied") {
            Self::ACCESS_DENIED.to_owned()
        } else {
            error
        };
        Self { error, description: None }
    }

    /// Too many tokens were requested; trying again later helps.
    pub fn is_rate_limited(&self) -> bool {
        self.error == Self::ACCESS_DENIED
    }

    /// The credentials are rejected; trying again does not help.
    pub fn is_wrong_credential(&self) -> bool {
        self.wrong_credential().is_some()
    }

    /// Which part of the credentials is rejected, for messages.
    fn wrong_credential(&self) -> Option<&'static str> {
        match self.error.as_str() {
            Self::INVALID_CLIENT | "invalid_client_id" => Some("the client id"),
            Self::INVALID_CLIENT_SECRET => Some("the client secret"),
            Self::INVALID_CODE | "invalid_grant" => Some("the refresh token or code"),
            _ => None,
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.wrong_credential().unwrap_or("the request for a token");
        let error = printable_line(&self.error);
        if self.is_rate_limited() {
            write!(f, "the accounts server limits the rate of tokens: {error}")?;
        } else {
            write!(f, "the accounts server rejected {part}: {error}")?;
        }
        match &self.description {
            Some(description) => write!(f, " ({})", printable_line(description)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for OAuthError {}

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The accounts server rejected the request: the credentials are wrong, or too many tokens were
    /// requested. Trying again soon does not help.
    #[error(transparent)]
    Rejected(OAuthError),
    /// The accounts server was not reached.
    #[error(transparent)]
    NotSent(NotSent),
    /// The accounts server sent no complete response.
    #[error("no response from the accounts server")]
    NoResponse(#[source] NoResponse),
    /// The response is not one of an accounts server.
    #[error("the accounts server sent an {0}")]
    Unreadable(Unreadable),
    /// The response names another API than the one that the flow began with.
    #[error("the accounts server names another API: {0}")]
    OtherOrigin(String),
    /// The rejected token is the only one there is.
    #[error("the access token cannot be renewed")]
    NotRenewable,
    /// A local failure, such as a token cache that cannot be read.
    #[error("{0}")]
    Local(String),
}

impl From<TransportError> for TokenError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NotSent(why) => Self::NotSent(why),
            TransportError::NoResponse(why) => Self::NoResponse(why),
        }
    }
}

impl TokenError {
    /// Without an excerpt of the body, which may hold a token.
    pub(super) fn unreadable(response: &Response, why: UnreadableReason) -> Self {
        let http_status = response.status;
        Self::Unreadable(Unreadable { http_status, why, excerpt: String::new() })
    }
}

/// The body of a response as a JSON object. What else comes under 429 counts as a rate limit, and what comes
/// under 5xx as unreadable.
pub(super) fn read_object(response: &Response) -> Result<Map<String, Value>, TokenError> {
    if response.status == 429 {
        let error = OAuthError::new(OAuthError::ACCESS_DENIED);
        let description = Some("HTTP 429".to_owned());
        return Err(TokenError::Rejected(OAuthError { description, ..error }));
    }
    let body = serde_json::from_slice(&response.body)
        .map_err(|_| TokenError::unreadable(response, UnreadableReason::NotJson))?;
    if response.status >= 500 {
        // Its own failure, whatever it calls that: the credentials may be right.
        return Err(TokenError::unreadable(response, UnreadableReason::NoEnvelope));
    }
    Ok(body)
}
