//! An error of the service: [`ApiError`], its open set of codes, and its details.

mod code;
mod details;

use std::fmt;

use serde_json::Value;

pub use code::{ErrorCode, UnknownCode};
pub use details::Details;

use crate::name::{BrokenRule, InvalidPortalName, MAX_LEN, MIN_LEN};

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
        self.details.insert(key, value.into());
        self
    }

    /// The name is taken, by this org or by another one.
    pub fn is_already_used(&self) -> bool {
        self.code == ErrorCode::AlreadyUsed
    }

    /// The access token is unknown, expired or revoked: a new one may help. The service uses either
    /// of two codes.
    pub fn is_token_rejected(&self) -> bool {
        self.http_status == 401
            && matches!(self.code, ErrorCode::InvalidToken | ErrorCode::AuthenticationFailure)
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
        write!(f, "HTTP {} {}", self.http_status, self.code)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if !self.details.is_empty() {
            write!(f, " {}", self.details)?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

/// The documented rejections, as this project's server sends them.
///
/// The crate's README has a table of all of them, with sources.
impl ApiError {
    /// A mandatory field is missing.
    pub fn mandatory_not_found(api_name: &str, json_path: &str) -> Self {
        Self::new(400, ErrorCode::MandatoryNotFound, "required field not found")
            .with("api_name", api_name)
            .with("json_path", json_path)
    }

    /// A field has a value of the wrong kind, length or number.
    pub fn invalid_data(api_name: &str, json_path: &str) -> Self {
        Self::new(400, ErrorCode::InvalidData, "invalid data")
            .with("api_name", api_name)
            .with("json_path", json_path)
    }

    /// The body is not a JSON object.
    pub fn invalid_body() -> Self {
        Self::new(400, ErrorCode::InvalidData, "body").with("expected_data_type", "jsonobject")
    }

    /// The body has more than `maximum` bytes.
    pub fn body_too_large(maximum: usize) -> Self {
        Self::new(413, ErrorCode::InvalidData, "body").with("maximum_length", maximum)
    }

    /// The name of a portal has a character that is not allowed.
    pub fn pattern_not_matched() -> Self {
        Self::new(
            400,
            ErrorCode::PatternNotMatched,
            "Please check whether the input values are correct",
        )
        .with("api_name", "name")
    }

    /// The name is taken.
    pub fn already_used() -> Self {
        Self::new(400, ErrorCode::AlreadyUsed, "The entered portal name is already in use")
            .with("api_name", "name")
    }

    /// The org has as many portals as it may have.
    pub fn limit_reached(limit: u32) -> Self {
        Self::new(400, ErrorCode::LimitReached, "portal limit reached").with("limit", limit)
    }

    /// The portal to rename does not exist.
    pub fn no_such_portal() -> Self {
        Self::new(400, ErrorCode::InvalidData, "No portal exists with the given portal name.")
    }

    /// The user lacks `permissions`.
    pub fn no_permission<P: Into<Value>>(permissions: impl IntoIterator<Item = P>) -> Self {
        let missing: Vec<Value> = permissions.into_iter().map(Into::into).collect();
        Self::new(403, ErrorCode::NoPermission, "Permission is invalid.")
            .with("permissions", missing)
    }

    /// The operation does not work in a sandbox org.
    pub fn not_in_sandbox() -> Self {
        Self::new(400, ErrorCode::ApiNotSupported, "api not supported in sandbox")
            .with("unsupported_environment", "sandbox")
    }

    /// The version in the path is none that the service has.
    pub fn version_not_supported(latest: u8) -> Self {
        Self::new(400, ErrorCode::ApiNotSupported, "api not supported")
            .with("supported_version", latest)
    }

    /// The call carries no token.
    pub fn authentication_failure() -> Self {
        Self::new(401, ErrorCode::AuthenticationFailure, "Authentication failed")
    }

    /// The token is unknown, expired or revoked.
    pub fn invalid_token() -> Self {
        Self::new(401, ErrorCode::InvalidToken, "invalid oauth token")
    }

    /// The token's scopes don't cover the call.
    pub fn scope_mismatch() -> Self {
        Self::new(401, ErrorCode::OauthScopeMismatch, "invalid oauth scope to access this URL")
    }

    /// There is nothing under that path.
    pub fn invalid_url_pattern() -> Self {
        Self::new(
            404,
            ErrorCode::InvalidUrlPattern,
            "Please check if the URL trying to access is a correct one",
        )
    }

    /// The path exists, but not with that method.
    pub fn invalid_request_method() -> Self {
        Self::new(
            400,
            ErrorCode::InvalidRequestMethod,
            "The http request method type is not a valid one",
        )
    }

    /// More calls than allowed.
    pub fn too_many_requests() -> Self {
        Self::new(429, ErrorCode::TooManyRequests, "Too many requests")
    }

    /// The service's own fault.
    pub fn internal_error() -> Self {
        Self::new(500, ErrorCode::InternalError, "Internal Server Error")
    }
}

/// The first broken rule decides, and the length comes before the characters.
impl From<&InvalidPortalName> for ApiError {
    fn from(invalid: &InvalidPortalName) -> Self {
        let name = || Self::invalid_data("name", "$.portals[0].name");
        match invalid.broken_rules().first() {
            Some(BrokenRule::TooShort { .. }) => name().with("minimum_length", MIN_LEN),
            Some(BrokenRule::TooLong { .. }) => name().with("maximum_length", MAX_LEN),
            Some(BrokenRule::NotAlphanumeric { .. }) | None => Self::pattern_not_matched(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_length_precedes_wrong_characters() {
        let error = ApiError::from(&crate::PortalName::parse("a b").unwrap_err());
        assert_eq!(error.code, ErrorCode::InvalidData);
        assert_eq!(error.details.as_value()["minimum_length"], 6);
        let error = ApiError::from(&crate::PortalName::parse("my portal").unwrap_err());
        assert_eq!(error.code, ErrorCode::PatternNotMatched);
    }

    #[test]
    fn error_is_one_clause() {
        assert_eq!(
            ApiError::already_used().to_string(),
            "HTTP 400 ALREADY_USED: The entered portal name is already in use {\"api_name\":\"name\"}"
        );
    }
}
