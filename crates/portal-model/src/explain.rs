//! What a code means and what to do about it: one table, for documentation and for programs.

use serde::Serialize;

use crate::error::ErrorCode;
use crate::oauth::OAuthError;

/// What a code means to its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// What the code means for the request: sentences.
    pub meaning: &'static str,
    /// What to do: a clause that starts with a verb, as fits after `hint:`.
    pub remedy: &'static str,
    /// Whether the same request can succeed later.
    pub retry: Retry,
}

/// Whether the same request can succeed later. In JSON a word, such as `after_waiting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Retry {
    /// No: the request or the org has to change first.
    Useless,
    /// Yes, with a new access token.
    WithNewToken,
    /// Yes, after waiting: nothing was done.
    AfterWaiting,
    /// Only after a list shows whether it was done: the response does not show it.
    AfterVerifying,
}

/// The explanation of a code; an unknown one has a general one.
///
/// ```
/// use portal_model::ErrorCode;
/// use portal_model::explain::{Retry, explain};
///
/// assert_eq!(explain(&ErrorCode::AlreadyUsed).retry, Retry::Useless);
/// assert_eq!(explain(&ErrorCode::InvalidToken).retry, Retry::WithNewToken);
/// ```
#[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
pub fn explain(code: &ErrorCode) -> Explanation {
    let (meaning, remedy) = match code {
        ErrorCode::MandatoryNotFound => (
            "A mandatory field is missing from the request: `portals`, or the `name` in it.",
            "send {\"portals\":[{\"name\":\"…\"}]}; `details.json_path` names the missing field",
        ),
        ErrorCode::InvalidData => (
            "A value has the wrong type or length, the request does not have exactly one portal, \
             or the body is not JSON.",
            "send one name of 6 to 30 letters and digits; `details` names the field and its limit",
        ),
        ErrorCode::PatternNotMatched => (
            "The name has a character other than the letters A-Z, a-z and the digits 0-9.",
            "leave out spaces, hyphens, accents and other signs",
        ),
        ErrorCode::AlreadyUsed => (
            "The name is taken. Names are unique across all of Zoho, and upper and lower case are \
             the same name.",
            "list the org's portals: if the name is missing, another organization has it, so \
             choose another name",
        ),
        ErrorCode::NoPermission => (
            "The user of the token is not allowed to manage portals.",
            "ask an administrator for the permissions that `details.permissions` lists: \
             \"Manage Portal\" (Crm_Implied_Manage_ClientPortal) and \"Manage Portal Users\" \
             (Crm_Implied_Manage_ClientPortal_Users); creating and renaming need both",
        ),
        ErrorCode::InvalidToken => (
            "The access token is unknown, expired or revoked.",
            "get a new access token with the refresh token; if that one is rejected too, check \
             that the accounts server and the API host are of the same data center",
        ),
        ErrorCode::AuthenticationFailure => (
            "The request has no access token, or one that the service does not accept.",
            "send `Authorization: Zoho-oauthtoken <access token>`, with a new token if one was sent",
        ),
        ErrorCode::OauthScopeMismatch => (
            "The access token is valid, but its scopes do not cover this call.",
            "authorize again with the scopes \
             ZohoCRM.settings.clientportal.CREATE,ZohoCRM.settings.clientportal.READ (and \
             ZohoCRM.settings.clientportal.UPDATE to rename)",
        ),
        ErrorCode::AuthorizationFailed => (
            "The user is not allowed to use this part of the API.",
            "ask an administrator of the org to check the user's profile and API access",
        ),
        ErrorCode::LimitReached => (
            "The org has as many portals as it is allowed to have: one, unless agreed otherwise.",
            "use the portal that the org has, or rename it; none can be deleted",
        ),
        ErrorCode::LicenseLimitExceeded => (
            "The org's license does not cover another one.",
            "ask an administrator of the org to check its license",
        ),
        ErrorCode::NotAllowed => (
            "The operation is not allowed for this user or record.",
            "ask an administrator of the org",
        ),
        ErrorCode::ApiNotSupported => (
            "The operation does not exist here: portals don't work in a sandbox org, and the API \
             has the versions v4 to v8.",
            "use a production or developer org, and a version that exists",
        ),
        ErrorCode::FeatureNotSupported | ErrorCode::FeatureNotEnabled => (
            "The org's edition has no portals, or they are switched off.",
            "ask an administrator of the org to check its edition and settings",
        ),
        ErrorCode::InactiveUser => (
            "The user of the token is not active.",
            "ask an administrator to activate the user, or use another user's token",
        ),
        ErrorCode::InvalidUrlPattern => (
            "Nothing exists under that path.",
            "check the API host and the version: the path is /crm/v7/settings/portals",
        ),
        ErrorCode::InvalidRequestMethod => (
            "The path exists, but not with that method. No method deletes a portal.",
            "use POST to create, GET to list or read, PUT to rename",
        ),
        ErrorCode::BadRequest | ErrorCode::JsonParseError | ErrorCode::UnableToParseDataType => {
            ("The request could not be read.", "send {\"portals\":[{\"name\":\"…\"}]} as JSON")
        }
        ErrorCode::NotModified => {
            ("Nothing changed since the time that the request names.", "do nothing")
        }
        ErrorCode::TooManyRequests => (
            "The org or the client made more calls than allowed.",
            "wait as long as `Retry-After` says, else a growing time, then send it again",
        ),
        ErrorCode::InternalError | ErrorCode::InternalServerError => (
            "The service failed. The portal may have been created all the same.",
            "list the org's portals before anything else",
        ),
        ErrorCode::Other(_) => (
            "The code is unknown here.",
            "read its message and details, and the service's documentation",
        ),
    };
    let retry = match code {
        ErrorCode::InvalidToken | ErrorCode::AuthenticationFailure => Retry::WithNewToken,
        ErrorCode::TooManyRequests => Retry::AfterWaiting,
        ErrorCode::InternalError | ErrorCode::InternalServerError => Retry::AfterVerifying,
        _ => Retry::Useless,
    };
    Explanation { meaning, remedy, retry }
}

/// The explanation of an accounts server's `error`; an unknown one has a general one.
///
/// ```
/// use portal_model::explain::{Retry, explain_oauth};
///
/// assert_eq!(explain_oauth("Access Denied").retry, Retry::AfterWaiting);
/// ```
pub fn explain_oauth(error: &str) -> Explanation {
    let error = OAuthError::new(error).error;
    let (meaning, remedy) = match error.as_str() {
        OAuthError::INVALID_CLIENT | "invalid_client_id" => (
            "The client id is unknown to the accounts server, or the client secret is wrong.",
            "check the client id and the data center: a client exists in one data center only",
        ),
        OAuthError::INVALID_CLIENT_SECRET => (
            "The client secret does not belong to the client.",
            "check the client secret in Zoho's API console",
        ),
        OAuthError::INVALID_CODE | "invalid_grant" => (
            "The refresh token is wrong or revoked; or the code is wrong, used or too old.",
            "create a new code in Zoho's API console, and exchange it for a refresh token",
        ),
        OAuthError::UNSUPPORTED_GRANT_TYPE => (
            "The grant type is neither `authorization_code` nor `refresh_token`.",
            "send one of the two as `grant_type`",
        ),
        OAuthError::ACCESS_DENIED => (
            "Too many access tokens were requested: ten in ten minutes lock an account out.",
            "wait ten minutes before the next request for a token, and use each token for its hour",
        ),
        _ => (
            "The error of the accounts server is unknown here.",
            "check the client id, the client secret and the refresh token",
        ),
    };
    let retry = match error.as_str() {
        OAuthError::ACCESS_DENIED => Retry::AfterWaiting,
        _ => Retry::Useless,
    };
    Explanation { meaning, remedy, retry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_have_own_meaning_and_remedy() {
        let codes = ErrorCode::KNOWN.iter().map(|code| (code.as_str(), explain(code)));
        let errors = OAuthError::KNOWN.iter().map(|error| (*error, explain_oauth(error)));
        let general = [explain(&ErrorCode::from("SOMETHING_NEW")), explain_oauth("something_new")];
        for (code, explanation) in codes.chain(errors) {
            assert!(!general.contains(&explanation), "{code}");
            let Explanation { meaning, remedy, .. } = explanation;
            assert!(meaning.ends_with('.') && !meaning.contains("  "), "{code}: {meaning}");
            assert!(!remedy.ends_with('.') && !remedy.contains("  "), "{code}: {remedy}");
            assert!(remedy.starts_with(|c: char| c.is_ascii_lowercase()), "{code}: {remedy}");
            // Texts that name a command belong to it.
            assert!(!format!("{meaning}{remedy}").contains("`portal "), "{code}");
        }
    }

    #[test]
    fn numbers_are_those_of_name_rules() {
        let text = explain(&ErrorCode::InvalidData).remedy;
        let bounds = format!("{} to {}", crate::name::MIN_LEN, crate::name::MAX_LEN);
        assert!(text.contains(&bounds), "{text}");
    }
}
