//! The documented rejections, as this project's server sends them: one function for each.
//!
//! The crate's README has a table of all of them, with sources.

use serde_json::Value;

use crate::error::{ApiError, ErrorCode};
use crate::name::{BrokenRule, InvalidPortalName, MAX_LEN, MIN_LEN};

/// A mandatory field is missing.
pub fn mandatory_not_found(api_name: &str, json_path: &str) -> ApiError {
    ApiError::new(400, ErrorCode::MandatoryNotFound, "required field not found")
        .with("api_name", api_name)
        .with("json_path", json_path)
}

/// A field has a value of the wrong kind, length or number.
pub fn invalid_data(api_name: &str, json_path: &str) -> ApiError {
    ApiError::new(400, ErrorCode::InvalidData, "invalid data")
        .with("api_name", api_name)
        .with("json_path", json_path)
}

/// The body is not a JSON object.
pub fn invalid_body() -> ApiError {
    ApiError::new(400, ErrorCode::InvalidData, "body").with("expected_data_type", "jsonobject")
}

/// The body has more than `maximum` bytes.
pub fn body_too_large(maximum: usize) -> ApiError {
    ApiError::new(413, ErrorCode::InvalidData, "body").with("maximum_length", maximum)
}

/// The name of a portal has a character that is not allowed.
pub fn pattern_not_matched() -> ApiError {
    ApiError::new(
        400,
        ErrorCode::PatternNotMatched,
        "Please check whether the input values are correct",
    )
    .with("api_name", "name")
}

/// The name is taken.
pub fn already_used() -> ApiError {
    ApiError::new(400, ErrorCode::AlreadyUsed, "The entered portal name is already in use")
        .with("api_name", "name")
}

/// The org has as many portals as it may have.
pub fn limit_reached(limit: u32) -> ApiError {
    ApiError::new(400, ErrorCode::LimitReached, "portal limit reached").with("limit", limit)
}

/// The portal to rename does not exist.
pub fn no_such_portal() -> ApiError {
    ApiError::new(400, ErrorCode::InvalidData, "No portal exists with the given portal name.")
}

/// The user lacks `permissions`.
pub fn no_permission<P: Into<Value>>(permissions: impl IntoIterator<Item = P>) -> ApiError {
    let missing: Vec<Value> = permissions.into_iter().map(Into::into).collect();
    ApiError::new(403, ErrorCode::NoPermission, "Permission is invalid.")
        .with("permissions", missing)
}

/// The operation does not work in a sandbox org.
pub fn not_in_sandbox() -> ApiError {
    ApiError::new(400, ErrorCode::ApiNotSupported, "api not supported in sandbox")
        .with("unsupported_environment", "sandbox")
}

/// The version in the path is none that the service has.
pub fn version_not_supported(latest: u8) -> ApiError {
    ApiError::new(400, ErrorCode::ApiNotSupported, "api not supported")
        .with("supported_version", latest)
}

/// The call carries no token.
pub fn authentication_failure() -> ApiError {
    ApiError::new(401, ErrorCode::AuthenticationFailure, "Authentication failed")
}

/// The token is unknown, expired or revoked.
pub fn invalid_token() -> ApiError {
    ApiError::new(401, ErrorCode::InvalidToken, "invalid oauth token")
}

/// The token's scopes don't cover the call.
pub fn scope_mismatch() -> ApiError {
    ApiError::new(401, ErrorCode::OauthScopeMismatch, "invalid oauth scope to access this URL")
}

/// There is nothing under that path.
pub fn invalid_url_pattern() -> ApiError {
    ApiError::new(
        404,
        ErrorCode::InvalidUrlPattern,
        "Please check if the URL trying to access is a correct one",
    )
}

/// The path exists, but not with that method.
pub fn invalid_request_method() -> ApiError {
    ApiError::new(
        400,
        ErrorCode::InvalidRequestMethod,
        "The http request method type is not a valid one",
    )
}

/// More calls than allowed.
pub fn too_many_requests() -> ApiError {
    ApiError::new(429, ErrorCode::TooManyRequests, "Too many requests")
}

/// The service's own fault.
pub fn internal_error() -> ApiError {
    ApiError::new(500, ErrorCode::InternalError, "Internal Server Error")
}

/// The name of a portal breaks a rule. The first one decides, and the length comes before the
/// characters.
pub fn invalid_name(invalid: &InvalidPortalName) -> ApiError {
    let name = || invalid_data("name", "$.portals[0].name");
    match invalid.broken_rules().first() {
        Some(BrokenRule::TooShort { .. }) => name().with("minimum_length", MIN_LEN),
        Some(BrokenRule::TooLong { .. }) => name().with("maximum_length", MAX_LEN),
        Some(BrokenRule::NotAlphanumeric { .. }) | None => pattern_not_matched(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::PortalName;

    #[test]
    fn wrong_length_precedes_wrong_characters() {
        let error = invalid_name(&PortalName::parse("a b").unwrap_err());
        assert_eq!(error.code, ErrorCode::InvalidData);
        assert_eq!(error.details.to_value()["minimum_length"], 6);
        let error = invalid_name(&PortalName::parse("my portal").unwrap_err());
        assert_eq!(error.code, ErrorCode::PatternNotMatched);
    }
}
