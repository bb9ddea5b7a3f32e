//! The failures of single calls, with their hints and exit statuses.

use std::fmt::Display;

use portal_http::client::ClientError;
use portal_model::error::with_sources;
use portal_model::flow::TokenError;

use crate::report::cause::{TOKEN_REJECTED, not_sent, refused_by_accounts, rejected, unreachable};
use crate::report::failure::Failure;

/// The failure of a call that changes nothing, or that can be repeated. `purpose` completes
/// "could not …".
pub(crate) fn failure(error: &ClientError, purpose: &str) -> Failure {
    let message = |why: &dyn Display| format!("could not {purpose}: {why}");
    match error {
        ClientError::Token(TokenError::Rejected(refusal)) => {
            refused_by_accounts(message(&with_sources(error)), refusal)
        }
        ClientError::Token(TokenError::Local(_) | TokenError::NotRenewable) => {
            Failure::forbidden(message(&with_sources(error)))
        }
        ClientError::Token(TokenError::NotSent(why)) | ClientError::NotSent(why) => {
            not_sent(message(why), why)
        }
        ClientError::Api(error) if error.http_status < 500 => rejected(error, purpose, message),
        ClientError::Unreadable(response) if response.http_status == 401 => {
            Failure::forbidden(message(response)).hint(TOKEN_REJECTED)
        }
        _ => unreachable(message(&with_sources(error))),
    }
}

/// The failure of a command whose org cannot be determined.
pub(crate) fn unidentified(error: &ClientError) -> Failure {
    failure(error, "determine which org this is")
}
