//! The open set of codes: [`ErrorCode`].

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $meaning:literal, $remedy:literal;)+) => {
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
            $(#[doc = $meaning] $(#[$doc])* $variant,)+
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

            /// What the code means for the request, and what to do.
            pub(crate) const fn meaning_and_remedy(&self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$variant => ($meaning, $remedy),)+
                    Self::Other(_) => (
                        "The code is unknown here.",
                        "read its message and details, and the service's documentation",
                    ),
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
    /// Documented for create.
    MandatoryNotFound = "MANDATORY_NOT_FOUND",
        "A mandatory field is missing from the request: `portals`, or the `name` in it.",
        "send {\"portals\":[{\"name\":\"…\"}]}; `details.json_path` names the missing field";
    /// Documented for create.
    InvalidData = "INVALID_DATA",
        "A value has the wrong type or length, the request does not have exactly one portal, or \
         the body is not JSON.",
        "send one name of 6 to 30 letters and digits; `details` names the field and its limit";
    /// Documented for create.
    PatternNotMatched = "PATTERN_NOT_MATCHED",
        "The name has a character other than the letters A-Z, a-z and the digits 0-9.",
        "leave out spaces, hyphens, accents and other signs";
    /// Documented for create.
    AlreadyUsed = "ALREADY_USED",
        "The name is taken. Names are unique across all of Zoho, and upper and lower case are the \
         same name.",
        "list the org's portals, and once more after 10 s: if both lists lack the name, another \
         organization has it, so choose another name";
    /// Documented for create.
    NoPermission = "NO_PERMISSION",
        "The user of the token is not allowed to manage portals.",
        "ask an administrator for the permissions that `details.permissions` lists: \"Manage \
         Portal\" (Crm_Implied_Manage_ClientPortal) and \"Manage Portal Users\" \
         (Crm_Implied_Manage_ClientPortal_Users); creating and renaming need both";
    InvalidToken = "INVALID_TOKEN",
        "The access token is unknown, expired or revoked.",
        "get a new access token with the refresh token; if that one is rejected too, check that \
         the accounts server and the API host are of the same data center";
    AuthenticationFailure = "AUTHENTICATION_FAILURE",
        "The request has no access token, or one that the service does not accept.",
        "send `Authorization: Zoho-oauthtoken <access token>`, with a new token if one was sent";
    OauthScopeMismatch = "OAUTH_SCOPE_MISMATCH",
        "The access token is valid, but its scopes do not cover this call.",
        "authorize again with the scopes \
         ZohoCRM.settings.clientportal.CREATE,ZohoCRM.settings.clientportal.READ (and \
         ZohoCRM.settings.clientportal.UPDATE to rename)";
    AuthorizationFailed = "AUTHORIZATION_FAILED",
        "The user is not allowed to use this part of the API.",
        "ask an administrator of the org to check the user's profile and API access";
    LimitReached = "LIMIT_REACHED",
        "The org has as many portals as it is allowed to have: one, unless agreed otherwise.",
        "use the portal that the org has, or rename it; none can be deleted";
    LicenseLimitExceeded = "LICENSE_LIMIT_EXCEEDED",
        "The org's license does not cover another portal.",
        "ask an administrator of the org to check its license";
    NotAllowed = "NOT_ALLOWED",
        "The operation is not allowed for this user or record.",
        "ask an administrator of the org";
    ApiNotSupported = "API_NOT_SUPPORTED",
        "The operation does not exist here: portals don't work in a sandbox org, and the API has \
         the versions v4 to v8.",
        "use a production or developer org, and a version that exists";
    FeatureNotSupported = "FEATURE_NOT_SUPPORTED",
        "The org's edition has no portals, or they are switched off.",
        "ask an administrator of the org to check its edition and settings";
    FeatureNotEnabled = "FEATURE_NOT_ENABLED",
        "The org's edition has no portals, or they are switched off.",
        "ask an administrator of the org to check its edition and settings";
    InactiveUser = "INACTIVE_USER",
        "The user of the token is not active.",
        "ask an administrator to activate the user, or use another user's token";
    InvalidUrlPattern = "INVALID_URL_PATTERN",
        "Nothing exists under that path.",
        "check the API host and the version: the path is /crm/v7/settings/portals";
    InvalidRequestMethod = "INVALID_REQUEST_METHOD",
        "The path exists, but not with that method. No method deletes a portal.",
        "use POST to create, GET to list or read, PUT to rename";
    BadRequest = "BAD_REQUEST",
        "The request could not be read.",
        "send {\"portals\":[{\"name\":\"…\"}]} as JSON";
    JsonParseError = "JSON_PARSE_ERROR",
        "The request could not be read.",
        "send {\"portals\":[{\"name\":\"…\"}]} as JSON";
    UnableToParseDataType = "UNABLE_TO_PARSE_DATA_TYPE",
        "The request could not be read.",
        "send {\"portals\":[{\"name\":\"…\"}]} as JSON";
    NotModified = "Not Modified",
        "Nothing changed since the time that the request names.",
        "do nothing";
    TooManyRequests = "TOO_MANY_REQUESTS",
        "The org or the client made more calls than allowed.",
        "wait as long as `Retry-After` says, else a growing time, then send it again";
    InternalError = "INTERNAL_ERROR",
        "The service failed. The portal may have been created all the same.",
        "list the org's portals: a list that has the portal proves that it was created, and only one \
         70 s after the request proves that it was not";
    InternalServerError = "INTERNAL_SERVER_ERROR",
        "The service failed. The portal may have been created all the same.",
        "list the org's portals: a list that has the portal proves that it was created, and only one \
         70 s after the request proves that it was not";
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
