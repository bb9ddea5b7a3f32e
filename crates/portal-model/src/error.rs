//! An error of the service: [`ApiError`], its open set of codes, and its details.

mod code;
mod details;

use std::error::Error;
use std::fmt;

use serde_json::Value;

pub use code::{ErrorCode, UnknownCode};
pub use details::Details;

use crate::neutral::printable_line;

/// A rejection by the service.
///
/// Plain data: what it means and what to do about it is in [`explain`](crate::explain).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiError {
    /// What programs match on.
    pub code: ErrorCode,
    /// Where and why, as far as the service reports it.
    pub details: Details,
    /// For people; the service changes it without notice.
    pub message: String,
    /// The HTTP status that came with it.
    pub http_status: u16,
}

impl ApiError {
    /// An error without details.
    pub fn new(http_status: u16, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, details: Details::default(), message: message.into(), http_status }
    }

    /// The same error with one more detail.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(mut details) = self.details.to_value() {
            details.insert(key.to_owned(), value.into());
            self.details = Value::Object(details).into();
        }
        self
    }

    /// The name is taken, by this org or by another one.
    pub fn is_already_used(&self) -> bool {
        self.code == ErrorCode::AlreadyUsed
    }

    /// The access token is unknown, expired or revoked, so nothing was done, and a new one may help: a
    /// documented code under its documented status.
    pub fn is_token_rejected(&self) -> bool {
        self.http_status == 401
            && matches!(self.code, ErrorCode::InvalidToken | ErrorCode::AuthenticationFailure)
    }

    /// Whether a read-only request deserves another access token: HTTP 401, or a code for a rejected
    /// token. Not if the scope is missing, which a new token lacks too. It proves nothing about an
    /// attempt: see [`is_token_rejected`](Self::is_token_rejected).
    pub fn needs_new_token(&self) -> bool {
        let is_of_token = (400..500).contains(&self.http_status) && self.code.is_of_token();
        (self.http_status == 401 || is_of_token) && !self.is_scope_mismatch()
    }

    /// The access token is valid but lacks the scope.
    pub fn is_scope_mismatch(&self) -> bool {
        self.code == ErrorCode::OauthScopeMismatch
    }

    /// More calls than allowed, whatever the status; trying again later helps.
    pub fn is_rate_limited(&self) -> bool {
        self.http_status == 429 || self.code == ErrorCode::TooManyRequests
    }

    /// The service failed, whatever the status; it may or may not have done what was requested.
    pub fn is_server_error(&self) -> bool {
        self.http_status >= 500
            || matches!(self.code, ErrorCode::InternalError | ErrorCode::InternalServerError)
    }

    /// The user or the token lacks a permission, whatever the request.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.code, ErrorCode::NoPermission | ErrorCode::OauthScopeMismatch)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever the service sends.
        write!(f, "HTTP {} {}", self.http_status, printable_line(self.code.as_str()))?;
        if !self.message.is_empty() {
            write!(f, ": {}", printable_line(&self.message))?;
        }
        if !self.details.is_empty() {
            write!(f, " {}", self.details)?;
        }
        Ok(())
    }
}

impl Error for ApiError {}

/// The text of an error and of its sources in one line, with colons between them. A source whose text
/// is the end of the one before is left out: errors of others repeat theirs.
///
/// ```
/// use portal_model::error::with_sources;
/// use portal_model::transport::{NoResponse, TransportError};
///
/// let lost = TransportError::from(NoResponse::TimedOut);
/// assert_eq!(lost.to_string(), "response lost");
/// assert_eq!(with_sources(&lost), "response lost: no response within the timeout");
/// ```
pub fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::OAuthError;

    #[test]
    fn error_is_one_clause() {
        let error = ApiError::new(400, ErrorCode::AlreadyUsed, "The name is in use");
        assert_eq!(
            error.with("api_name", "name").to_string(),
            "HTTP 400 ALREADY_USED: The name is in use {\"api_name\":\"name\"}"
        );
        let error = ApiError::new(400, ErrorCode::from("A\nB"), "no\nerror: forged\u{1b}[31m");
        assert!(!error.with("a", "b\nc").to_string().contains(char::is_control));
        let mut error = OAuthError::new("A\nB");
        error.description = Some("no\r\nerror: forged".to_owned());
        assert!(!error.to_string().contains(char::is_control));
    }
}
