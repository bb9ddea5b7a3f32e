//! What a code means and what to do about it: one table, used by the documentation and by the
//! command.

use crate::error::ErrorCode;
use crate::oauth::OAuthError;

/// What a code means for whoever gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// What it says about the call.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Whether the same call can succeed later.
    pub retry: Retry,
}

/// Whether the same call can succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// No: something about the call or the org has to change first.
    Useless,
    /// Yes, with a new access token.
    WithNewToken,
    /// Yes, after waiting: nothing was done.
    AfterWaiting,
    /// Only after a look whether it was done: the answer doesn't say.
    AfterLooking,
}

/// Looks a code up; a code that is not known here gets a general answer.
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
    use Retry::{AfterLooking, AfterWaiting, Useless, WithNewToken};
    let (meaning, remedy, retry) = match code {
        ErrorCode::MandatoryNotFound => (
            "A mandatory field is missing from the request: `portals`, or the `name` in it.",
            "Send {\"portals\":[{\"name\":\"…\"}]}. `details.json_path` says where the field belongs.",
            Useless,
        ),
        ErrorCode::InvalidData => (
            "A value has the wrong kind or length, there is not exactly one portal in the request, \
             or the body is no JSON.",
            "Give one name of 6 to 30 letters and digits. `details` names the field and the bound \
             that it breaks.",
            Useless,
        ),
        ErrorCode::PatternNotMatched => (
            "The name has a character other than the letters A-Z, a-z and the digits 0-9.",
            "Leave out spaces, hyphens, accents and other signs. `portal check NAME` shows each of \
             them without sending anything.",
            Useless,
        ),
        ErrorCode::AlreadyUsed => (
            "The name is taken. Names are unique over all of Zoho, and letters in different case \
             are the same name.",
            "List the org's portals: if the name is there, the org has it already; else another \
             organization has it, and you need another name.",
            Useless,
        ),
        ErrorCode::NoPermission => (
            "The user whose token it is may not manage portals.",
            "Ask an administrator for the permissions that `details.permissions` lists: \
             \"Manage Portal\" (Crm_Implied_Manage_ClientPortal) and \"Manage Portal Users\" \
             (Crm_Implied_Manage_ClientPortal_Users); creating and renaming need both.",
            Useless,
        ),
        ErrorCode::InvalidToken => (
            "The access token is unknown, expired or revoked.",
            "Get a new access token with the refresh token. If the new one is refused too, check \
             that accounts server and API host are of the same data center.",
            WithNewToken,
        ),
        ErrorCode::AuthenticationFailure => (
            "The call carries no access token, or one that the service does not accept.",
            "Send `Authorization: Zoho-oauthtoken <access token>`, and get a new token if one was \
             sent.",
            WithNewToken,
        ),
        ErrorCode::OauthScopeMismatch => (
            "The access token is valid, but its scopes don't cover this call.",
            "Make a new grant with the scopes \
             ZohoCRM.settings.clientportal.CREATE,ZohoCRM.settings.clientportal.READ (and \
             ZohoCRM.settings.clientportal.UPDATE for renaming).",
            Useless,
        ),
        ErrorCode::AuthorizationFailed => (
            "The user may not use this part of the API.",
            "Ask an administrator of the org to check the user's profile and API access.",
            Useless,
        ),
        ErrorCode::LimitReached => (
            "The org has as many portals as it may have; one, where nothing else was agreed.",
            "Use the portal that `portal list` shows, or rename it. None can be deleted.",
            Useless,
        ),
        ErrorCode::LicenseLimitExceeded => (
            "The org's licence does not cover another one.",
            "Ask an administrator of the org to look at its licence.",
            Useless,
        ),
        ErrorCode::NotAllowed => (
            "The operation is not allowed for this user or record.",
            "Ask an administrator of the org.",
            Useless,
        ),
        ErrorCode::ApiNotSupported => (
            "The operation does not exist here: portals don't work in a sandbox org, and the API \
             has the versions v4 to v8.",
            "Use a production or developer org, and a version that exists. To rehearse, run \
             `portal serve`.",
            Useless,
        ),
        ErrorCode::FeatureNotSupported | ErrorCode::FeatureNotEnabled => (
            "The org's edition has no portals, or they are switched off.",
            "Ask an administrator of the org to check its edition and settings.",
            Useless,
        ),
        ErrorCode::InactiveUser => (
            "The user whose token it is is not active.",
            "Ask an administrator to activate the user, or use another user's token.",
            Useless,
        ),
        ErrorCode::InvalidUrlPattern => (
            "There is nothing under that path.",
            "Check the API host and the version: the path is /crm/v7/settings/portals.",
            Useless,
        ),
        ErrorCode::InvalidRequestMethod => (
            "The path exists, but not with that method. There is no method that deletes a portal.",
            "Use POST to create, GET to list or read, PUT to rename.",
            Useless,
        ),
        ErrorCode::BadRequest | ErrorCode::JsonParseError | ErrorCode::UnableToParseDataType => (
            "The request could not be read.",
            "Send {\"portals\":[{\"name\":\"…\"}]} as JSON.",
            Useless,
        ),
        ErrorCode::NotModified => (
            "Nothing changed since the time that the request asked about.",
            "Nothing needs to be done.",
            Useless,
        ),
        ErrorCode::TooManyRequests => (
            "The org or the client made more calls than allowed; nothing was done.",
            "Wait as long as `Retry-After` says, else a growing time, then send it again.",
            AfterWaiting,
        ),
        ErrorCode::InternalError | ErrorCode::InternalServerError => (
            "The service failed. A create may have been done all the same.",
            "Look whether the portal is there before anything else; `portal create` does.",
            AfterLooking,
        ),
        ErrorCode::Other(_) => (
            "The service gave a code that is not known here.",
            "Read its message and details, and the service's documentation.",
            Useless,
        ),
    };
    Explanation { meaning, remedy, retry }
}

/// Looks up what the accounts server says under `error`; a word that is not known here gets a
/// general answer.
///
/// ```
/// use portal_model::explain::{Retry, explain_oauth};
///
/// assert_eq!(explain_oauth("Access Denied").retry, Retry::AfterWaiting);
/// ```
pub fn explain_oauth(error: &str) -> Explanation {
    let (meaning, remedy, retry) = match error {
        OAuthError::INVALID_CLIENT | "invalid_client_id" => (
            "The accounts server does not know the client id, or the client secret is wrong.",
            "Check the client id and the data center: a client is known in one data center only.",
            Retry::Useless,
        ),
        OAuthError::INVALID_CLIENT_SECRET => (
            "The client secret is not that of the client.",
            "Check the client secret in Zoho's API console.",
            Retry::Useless,
        ),
        OAuthError::INVALID_CODE | "invalid_grant" => (
            "The refresh token is wrong or was revoked; or the code is wrong, used or too old.",
            "Make a new code in Zoho's API console; `portal login` makes a refresh token of it.",
            Retry::Useless,
        ),
        OAuthError::UNSUPPORTED_GRANT_TYPE => (
            "The grant type is neither `authorization_code` nor `refresh_token`.",
            "Send one of the two as `grant_type`.",
            Retry::Useless,
        ),
        OAuthError::ACCESS_DENIED => (
            "Too many access tokens were asked for: ten in ten minutes lock an account out.",
            "Wait ten minutes, and then use each token for the hour that it lives.",
            Retry::AfterWaiting,
        ),
        _ => (
            "The accounts server gave an error that is not known here.",
            "Check the client id, the client secret and the refresh token.",
            Retry::Useless,
        ),
    };
    Explanation { meaning, remedy, retry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_code_has_its_own_answer_in_whole_sentences() {
        let codes = ErrorCode::KNOWN.iter().map(|code| (code.as_str(), explain(code)));
        let errors = OAuthError::KNOWN.iter().map(|error| (*error, explain_oauth(error)));
        let general = [explain(&ErrorCode::from("SOMETHING_NEW")), explain_oauth("something_new")];
        for (code, explanation) in codes.chain(errors) {
            assert!(!general.contains(&explanation), "{code}");
            for text in [explanation.meaning, explanation.remedy] {
                assert!(text.ends_with('.') && !text.contains("  "), "{code}: {text}");
            }
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_name_rules() {
        let text = explain(&ErrorCode::InvalidData).remedy;
        let bounds = format!("{} to {}", crate::name::MIN_LEN, crate::name::MAX_LEN);
        assert!(text.contains(&bounds), "{text}");
    }
}
