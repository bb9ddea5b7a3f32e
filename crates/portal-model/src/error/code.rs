//! The open set of codes: [`ErrorCode`].

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// The code of an [`ApiError`](crate::ApiError). The set is open: a code that is not known here is kept
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
        }

        impl From<&str> for ErrorCode {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    _ => Self::Other(UnknownCode(text.to_owned())),
                }
            }
        }
    };
}

codes! {
    /// A mandatory field is missing. Documented for create.
    MandatoryNotFound = "MANDATORY_NOT_FOUND",
    /// A value of the wrong kind or length, or a body that is not JSON. Documented for create.
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
    /// The body is not JSON.
    JsonParseError = "JSON_PARSE_ERROR",
    /// The body or a parameter could not be read.
    UnableToParseDataType = "UNABLE_TO_PARSE_DATA_TYPE",
    /// Nothing changed since the time in the request.
    NotModified = "Not Modified",
    /// More calls than allowed.
    TooManyRequests = "TOO_MANY_REQUESTS",
    /// The service's own fault.
    InternalError = "INTERNAL_ERROR",
    /// The service's own fault, by its other name.
    InternalServerError = "INTERNAL_SERVER_ERROR",
}

impl ErrorCode {
    /// Whether it is about the access token, in any of the spellings seen.
    pub(crate) fn is_of_token(&self) -> bool {
        matches!(self, Self::InvalidToken | Self::AuthenticationFailure)
            || self.as_str().eq_ignore_ascii_case("INVALID_OAUTHTOKEN")
    }
}

/// The text of a code that is not known here; made by `ErrorCode::from`, so that a known code
/// never hides in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnknownCode(String);

impl From<String> for ErrorCode {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<ErrorCode> for String {
    fn from(code: ErrorCode) -> Self {
        code.as_str().to_owned()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn code_keeps_its_text(text in any::<String>()) {
            let code = ErrorCode::from(text.as_str());
            prop_assert_eq!(code.as_str(), &text);
            prop_assert_eq!(String::from(code), text);
        }
    }

    #[test]
    fn known_code_survives_text_and_json() {
        for code in ErrorCode::KNOWN {
            assert_eq!(&ErrorCode::from(code.as_str()), code);
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(&serde_json::from_str::<ErrorCode>(&json).unwrap(), code);
        }
    }
}
