//! The failures of single calls, with their hints and exit statuses.

use portal_http::client::ClientError;
use portal_model::explain::explain;
use portal_model::flow::TokenError;
use portal_model::{ApiError, ErrorCode};

use crate::report::cause::renew;
use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorReport, Failure};
use crate::report::permission;

/// The failure of a call that changes nothing, or that can be repeated. `purpose` completes
/// "could not …".
pub(crate) fn failure(error: &ClientError, purpose: &str) -> Failure {
    let message = format!("could not {purpose}: {error}");
    match error {
        ClientError::Token(TokenError::Rejected(error)) => Failure::new(
            ExitClass::Forbidden,
            ErrorReport { code: Some(error.error.clone()), ..ErrorReport::new("auth", message) }
                .hint(renew(error)),
        ),
        ClientError::Token(TokenError::Local(_) | TokenError::NotRenewable) => {
            Failure::new(ExitClass::Forbidden, ErrorReport::new("auth", message))
        }
        ClientError::Api(error) if error.http_status < 500 => rejected(error, message, purpose),
        _ => Failure::new(
            ExitClass::Unavailable,
            ErrorReport::new("unreachable", message)
                .hint("check the network and the API host, then run the same command again"),
        ),
    }
}

/// The failure of a command whose org cannot be determined.
pub(crate) fn unidentified(error: &ClientError) -> Failure {
    failure(error, "determine which org this is")
}

fn rejected(error: &ApiError, message: String, purpose: &str) -> Failure {
    let exit = match error.code {
        ErrorCode::NoPermission | ErrorCode::OauthScopeMismatch => ExitClass::Forbidden,
        ErrorCode::TooManyRequests => ExitClass::Unavailable,
        _ if error.is_token_rejected() => ExitClass::Forbidden,
        _ => ExitClass::Rejected,
    };
    let (message, hint) = if error.code == ErrorCode::NoPermission {
        let (missing, note) = permission::missing(error, purpose);
        (format!("could not {purpose}: {missing}"), note)
    } else {
        (message, explain(&error.code).remedy.to_owned())
    };
    Failure::new(exit, ErrorReport::rejected(message, error).hint(hint))
}
