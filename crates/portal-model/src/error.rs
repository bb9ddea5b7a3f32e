//! An error as the service says it: [`ApiError`], its open set of codes, and its details.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::name::{BrokenRule, InvalidPortalName, MAX_LEN, MIN_LEN};

/// A refusal by the service, in its own words.
///
/// Plain data: what it means and what to do about it is in [`explain`](crate::explain).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiError {
    /// What a program decides by.
    pub code: ErrorCode,
    /// Where and why, as far as the service says.
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

    /// The access token is unknown, expired or revoked: a new one may help. The service says so
    /// with either of two codes.
    pub fn is_token_rejected(&self) -> bool {
        self.http_status == 401
            && matches!(self.code, ErrorCode::InvalidToken | ErrorCode::AuthenticationFailure)
    }

    /// The access token is valid but lacks the scope.
    pub fn is_scope_mismatch(&self) -> bool {
        self.code == ErrorCode::OauthScopeMismatch
    }

    /// More calls than allowed, whatever the status: nothing was done, and later helps.
    pub fn is_throttled(&self) -> bool {
        self.http_status == 429 || self.code == ErrorCode::TooManyRequests
    }

    /// The service's own fault, whatever the status: it says nothing about what was done.
    pub fn is_server_error(&self) -> bool {
        self.http_status >= 500
            || matches!(self.code, ErrorCode::InternalError | ErrorCode::InternalServerError)
    }

    /// Refused because of who asks rather than what is asked for.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.code, ErrorCode::NoPermission | ErrorCode::OauthScopeMismatch)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service answered {} {}", self.http_status, self.code)?;
        if !self.message.is_empty() {
            write!(f, " \"{}\"", self.message)?;
        }
        if !self.details.is_empty() {
            write!(f, " {}", self.details)?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

/// The refusals that the service documents, as this project's server answers them.
///
/// The table of all of them, with sources, stands in the crate's README.
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

    /// The portal to rename is not there.
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

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// The code of an [`ApiError`]. The set is open: a code that is not known here is kept
        /// verbatim in [`Other`](Self::Other).
        ///
        /// ```
        /// use portal_model::ErrorCode;
        ///
        /// assert_eq!(ErrorCode::from("ALREADY_USED"), ErrorCode::AlreadyUsed);
        /// assert_eq!(ErrorCode::from("SOMETHING_NEW").as_str(), "SOMETHING_NEW");
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
            /// Any other code, as it came.
            Other(UnknownCode),
        }

        impl ErrorCode {
            /// Every code that is known here.
            pub const KNOWN: &[Self] = &[$(Self::$variant,)+];

            /// The code as the service writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(UnknownCode(text)) => text,
                }
            }

            fn known(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// A mandatory field is missing. Documented for create.
    MandatoryNotFound = "MANDATORY_NOT_FOUND",
    /// A value of the wrong kind or length, or a body that is no JSON. Documented for create.
    InvalidData = "INVALID_DATA",
    /// A character that is not alphanumeric. Documented for create.
    PatternNotMatched = "PATTERN_NOT_MATCHED",
    /// The name is taken, by this org or another. Documented for create.
    AlreadyUsed = "ALREADY_USED",
    /// The user lacks a permission. Documented for create.
    NoPermission = "NO_PERMISSION",
    /// The token is unknown, expired or revoked.
    InvalidToken = "INVALID_TOKEN",
    /// No token, or one that the service does not accept.
    AuthenticationFailure = "AUTHENTICATION_FAILURE",
    /// The token's scopes don't cover the call.
    OauthScopeMismatch = "OAUTH_SCOPE_MISMATCH",
    /// The caller is not allowed to do this.
    AuthorizationFailed = "AUTHORIZATION_FAILED",
    /// The org has as many portals as it may have.
    LimitReached = "LIMIT_REACHED",
    /// The licence does not cover more.
    LicenseLimitExceeded = "LICENSE_LIMIT_EXCEEDED",
    /// The operation is not allowed for this record or user.
    NotAllowed = "NOT_ALLOWED",
    /// Not in this environment, or not in this version.
    ApiNotSupported = "API_NOT_SUPPORTED",
    /// The org's edition lacks the feature.
    FeatureNotSupported = "FEATURE_NOT_SUPPORTED",
    /// The feature is switched off in the org.
    FeatureNotEnabled = "FEATURE_NOT_ENABLED",
    /// The user is not active.
    InactiveUser = "INACTIVE_USER",
    /// There is nothing under that path.
    InvalidUrlPattern = "INVALID_URL_PATTERN",
    /// The path exists, but not with that method.
    InvalidRequestMethod = "INVALID_REQUEST_METHOD",
    /// The request is malformed.
    BadRequest = "BAD_REQUEST",
    /// The body is no JSON.
    JsonParseError = "JSON_PARSE_ERROR",
    /// The body or a parameter could not be read.
    UnableToParseDataType = "UNABLE_TO_PARSE_DATA_TYPE",
    /// Nothing changed since the time that was asked about.
    NotModified = "Not Modified",
    /// More calls than allowed.
    TooManyRequests = "TOO_MANY_REQUESTS",
    /// The service's own fault.
    InternalError = "INTERNAL_ERROR",
    /// The service's own fault, by its other name.
    InternalServerError = "INTERNAL_SERVER_ERROR",
}

/// The text of a code that is not known here; made by `ErrorCode::from`, so that a known code
/// never hides in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnknownCode(String);

impl From<String> for ErrorCode {
    fn from(text: String) -> Self {
        Self::known(&text).unwrap_or(Self::Other(UnknownCode(text)))
    }
}

impl From<&str> for ErrorCode {
    fn from(text: &str) -> Self {
        Self::known(text).unwrap_or_else(|| Self::Other(UnknownCode(text.to_owned())))
    }
}

impl From<ErrorCode> for String {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Other(UnknownCode(text)) => text,
            known => known.as_str().to_owned(),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The `details` of an error: whatever JSON came, with names for the parts that are documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Details(Value);

impl Default for Details {
    fn default() -> Self {
        Self(Value::Object(Map::new()))
    }
}

impl Details {
    /// Everything, as it came.
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Value::Null => true,
            Value::Object(map) => map.is_empty(),
            _ => false,
        }
    }

    /// The field that the error is about.
    pub fn api_name(&self) -> Option<&str> {
        self.0.get("api_name")?.as_str()
    }

    /// Where in the body that field stands.
    pub fn json_path(&self) -> Option<&str> {
        self.0.get("json_path")?.as_str()
    }

    /// The permissions that are missing, as the service names them.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        let missing = self.0.get("permissions").and_then(Value::as_array);
        missing.into_iter().flatten().filter_map(Value::as_str)
    }

    /// How many portals the org may have.
    pub fn limit(&self) -> Option<u64> {
        self.0.get("limit")?.as_u64()
    }

    fn insert(&mut self, key: &str, value: Value) {
        if let Value::Object(map) = &mut self.0 {
            map.insert(key.to_owned(), value);
        }
    }
}

impl From<Value> for Details {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_code_keeps_its_text(text in any::<String>()) {
            let code = ErrorCode::from(text.as_str());
            prop_assert_eq!(code.as_str(), &text);
            prop_assert_eq!(String::from(code), text);
        }
    }

    #[test]
    fn a_known_code_survives_its_text_and_json() {
        for code in ErrorCode::KNOWN {
            assert_eq!(&ErrorCode::from(code.as_str()), code);
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(&serde_json::from_str::<ErrorCode>(&json).unwrap(), code);
        }
    }

    #[test]
    fn the_length_is_complained_about_before_the_characters() {
        let error = ApiError::from(&crate::PortalName::parse("a b").unwrap_err());
        assert_eq!(error.code, ErrorCode::InvalidData);
        assert_eq!(error.details.as_value()["minimum_length"], 6);
        let error = ApiError::from(&crate::PortalName::parse("my portal").unwrap_err());
        assert_eq!(error.code, ErrorCode::PatternNotMatched);
    }

    #[test]
    fn an_error_reads_as_one_clause() {
        assert_eq!(
            ApiError::already_used().to_string(),
            "the service answered 400 ALREADY_USED \"The entered portal name is already in use\" \
             {\"api_name\":\"name\"}"
        );
    }
}
