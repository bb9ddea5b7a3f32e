//! Why a single call has no result, for people, machines and the exit status.

use portal_http::client::ClientError;
use portal_model::explain::explain;
use portal_model::flow::TokenError;
use portal_model::outcome::ExitClass;
use portal_model::{ApiError, ErrorCode};

use crate::failure::{ErrorReport, Failure};
use crate::permission;
use crate::report::renew;

/// The failure of a call. `purpose` completes "could not …"; what it changes, if anything, is
/// looked at with `look`.
pub(crate) fn failure(error: &ClientError, purpose: &str, look: Option<&str>) -> Failure {
    let message = format!("could not {purpose}: {error}");
    match (error, look) {
        (ClientError::Token(TokenError::Refused(error)), _) => Failure::new(
            ExitClass::Forbidden,
            ErrorReport { code: Some(error.error.clone()), ..ErrorReport::new("auth", message) }
                .hint(renew(error)),
        ),
        (ClientError::Token(TokenError::Local(_) | TokenError::NotRenewable), _) => {
            Failure::new(ExitClass::Forbidden, ErrorReport::new("auth", message))
        }
        (ClientError::Api(error), _) if error.http_status < 500 => refused(error, message, purpose),
        (error, Some(look)) if error.may_have_been_sent() => Failure::new(
            ExitClass::Unknown,
            ErrorReport::new("in_doubt", format!("{message}; it may have happened all the same"))
                .hint(look),
        ),
        _ => Failure::new(
            ExitClass::Unavailable,
            ErrorReport::new("unreachable", message)
                .hint("check the network and the API host; running the same again is safe"),
        ),
    }
}

fn refused(error: &ApiError, message: String, purpose: &str) -> Failure {
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
    Failure::new(exit, ErrorReport::refused(message, error).hint(hint))
}
