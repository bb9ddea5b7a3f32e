//! What a code means and what to do about it, for documentation and for programs.

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
pub fn explain(code: &ErrorCode) -> Explanation {
    let (meaning, remedy) = code.meaning_and_remedy();
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
            "check the client id, the client secret and the data center: a client exists in one data \
             center only",
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

    #[test]
    fn times_are_those_after_which_list_proves_absence() {
        let policy = crate::flow::Policy::default();
        for (code, time) in [
            (ErrorCode::AlreadyUsed, policy.list_lag),
            (ErrorCode::InternalError, policy.processing_time + policy.list_lag),
        ] {
            let text = explain(&code).remedy;
            assert!(text.contains(&format!(" {} s", time.as_secs())), "{text}");
        }
    }
}
