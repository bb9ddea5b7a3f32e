//! What responses mean: the one place that decides which rejections are certain.

use crate::endpoint::{ApiVersion, Endpoint, Request, Response, ResponseError};
use crate::error::{ApiError, ErrorCode};
use crate::outcome::Doubt;
use crate::read::{self, ListPortals};

use super::effect::{Listing, Reply, Unusable};

/// Rejections after which the service certainly did nothing (rule 3): documented codes under their
/// documented status. Everything else is at best [`Reply::Finished`].
///
/// A token rejection is certain too, but leads to a new token. Codes that an earlier copy of the
/// same request may have caused are an effect's own.
const CERTAIN: [(u16, ErrorCode); 9] = [
    (400, ErrorCode::MandatoryNotFound),
    (400, ErrorCode::InvalidData),
    (413, ErrorCode::InvalidData),
    (400, ErrorCode::PatternNotMatched),
    (403, ErrorCode::NoPermission),
    (400, ErrorCode::ApiNotSupported),
    (401, ErrorCode::OauthScopeMismatch),
    (404, ErrorCode::InvalidUrlPattern),
    (400, ErrorCode::InvalidRequestMethod),
];

/// Statuses under 500 that do not show what happened, whatever the body: timeouts, conflicts
/// and closed connections, which gateways report too.
const AMBIGUOUS: [u16; 4] = [408, 409, 425, 499];

/// Classifies the response to an attempt. `suspects` are the codes under 400 that an earlier copy
/// of the same request may have caused.
pub(super) fn classify<E: Endpoint>(
    endpoint: &E,
    response: &Response,
    suspects: &[ErrorCode],
) -> Reply {
    let error = match endpoint.decode(response) {
        Ok(_) => return Reply::Done,
        // A gateway limits rates in words of its own.
        Err(ResponseError::Unreadable(_)) if response.status == 429 => {
            return Reply::RateLimited { by_service: false };
        }
        Err(ResponseError::Unreadable(unreadable)) => {
            return Reply::Ambiguous(Doubt::Unreadable(unreadable));
        }
        Err(ResponseError::Api(error)) => error,
    };
    let is_status_of_rejection =
        (400..500).contains(&response.status) && !AMBIGUOUS.contains(&response.status);
    if error.is_rate_limited() && is_status_of_rejection {
        Reply::RateLimited { by_service: error.code == ErrorCode::TooManyRequests }
    } else if error.is_server_error() || !is_status_of_rejection {
        Reply::Ambiguous(Doubt::ServerError(error))
    } else if error.is_token_rejected() {
        Reply::TokenRejected(error)
    } else if response.status == 400 && suspects.contains(&error.code) {
        Reply::Suspect(error)
    } else if is_certain(&error) {
        Reply::Rejected(error)
    } else {
        Reply::Finished(error)
    }
}

fn is_certain(error: &ApiError) -> bool {
    CERTAIN.iter().any(|(status, code)| *status == error.http_status && *code == error.code)
}

/// Whether a rejection means that the name is taken: the documented code under its documented status
/// (rule 3). Under another one it proves nothing of whose the name is.
pub(super) fn is_name_taken(error: &ApiError) -> bool {
    error.is_already_used() && error.http_status == 400
}

/// The list, past any cache.
pub(super) fn list_request(version: ApiVersion) -> Request {
    ListPortals.request(version).with_header("cache-control", "no-cache")
}

pub(super) fn read_list(response: &Response) -> Result<Listing, Unusable> {
    match read::decode_page(response) {
        Ok((portals, more)) => {
            Ok(Listing { portals, is_complete: !more && !response.is_from_cache })
        }
        Err(_) if response.status == 429 => Err(Unusable::RateLimited),
        Err(ResponseError::Api(error)) if error.is_rate_limited() => Err(Unusable::RateLimited),
        Err(error) if error.needs_new_token() => Err(Unusable::TokenRejected(match error {
            ResponseError::Api(error) => error,
            ResponseError::Unreadable(response) => {
                ApiError::new(401, ErrorCode::AuthenticationFailure, response.to_string())
            }
        })),
        Err(ResponseError::Api(error)) if error.is_server_error() || response.status < 400 => {
            Err(Unusable::Failed(error.to_string()))
        }
        Err(ResponseError::Api(error)) if error.is_scope_mismatch() => {
            Err(Unusable::ScopeMissing(error))
        }
        Err(ResponseError::Api(error)) => Err(Unusable::Rejected(error)),
        Err(error) => Err(Unusable::Failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::CreatePortal;
    use crate::name::PortalName;

    fn reply(status: u16, code: &str) -> Reply {
        let create = CreatePortal::new(PortalName::parse("AcmePortal").unwrap());
        let body = format!(r#"{{"code":"{code}","details":{{}},"message":"","status":"error"}}"#);
        let suspects = [ErrorCode::AlreadyUsed, ErrorCode::LimitReached];
        classify(&create, &Response::new(status, body), &suspects)
    }

    /// The table of errors in the README of this crate, as (status, code).
    fn documented() -> Vec<(u16, String)> {
        let rows = include_str!("../../README.md").lines().filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let status = cells.get(2)?.parse().ok()?;
            Some((status, cells.get(3)?.trim_matches('`').to_owned()))
        });
        rows.collect()
    }

    #[test]
    fn exactly_documented_rejections_are_certain() {
        let documented = documented();
        assert!(documented.len() > 15, "{documented:?}");
        for status in 200..600 {
            for code in ErrorCode::KNOWN.iter().map(ErrorCode::as_str).chain(["NEW_CODE"]) {
                let is_documented = documented.contains(&(status, code.to_owned()));
                let expected = match code {
                    "ALREADY_USED" | "LIMIT_REACHED" if is_documented => "Suspect",
                    "INVALID_TOKEN" | "AUTHENTICATION_FAILURE" if is_documented => "TokenRejected",
                    _ if (200..400).contains(&status) || status >= 500 => "Ambiguous",
                    _ if matches!(status, 408 | 409 | 425 | 499) => "Ambiguous",
                    "TOO_MANY_REQUESTS" => "RateLimited",
                    _ if status == 429 => "RateLimited",
                    "INTERNAL_ERROR" | "INTERNAL_SERVER_ERROR" => "Ambiguous",
                    _ if is_documented => "Rejected",
                    _ => "Finished",
                };
                let found = format!("{:?}", reply(status, code));
                assert!(found.starts_with(expected), "{status} {code}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn gateway_pages_are_ambiguous_except_its_429() {
        let create = CreatePortal::new(PortalName::parse("AcmePortal").unwrap());
        let page = |status| classify(&create, &Response::new(status, "<html>"), &[]);
        for status in (200..600).filter(|status| *status != 429) {
            assert!(matches!(page(status), Reply::Ambiguous(_)), "{status}");
        }
        assert_eq!(page(429), Reply::RateLimited { by_service: false });
    }

    #[test]
    fn error_of_list_is_rejection_from_400_on() {
        let list = |status| {
            let body = r#"{"code":"NEW_CODE","details":{},"message":"","status":"error"}"#;
            read_list(&Response::new(status, body)).unwrap_err()
        };
        assert!(matches!(list(400), Unusable::Rejected(_)));
        assert_eq!(read_list(&Response::new(429, "<html>")), Err(Unusable::RateLimited));
        let limited = r#"{"code":"TOO_MANY_REQUESTS","details":{},"message":"","status":"error"}"#;
        assert_eq!(read_list(&Response::new(400, limited)), Err(Unusable::RateLimited));
        for status in [200, 302, 399] {
            assert!(matches!(list(status), Unusable::Failed(_)), "{status}");
        }
        assert!(matches!(list(401), Unusable::TokenRejected(_)));
        let page = read_list(&Response::new(401, "<html>"));
        assert!(matches!(page, Err(Unusable::TokenRejected(_))));
    }

    #[test]
    fn cached_or_paged_list_is_incomplete() {
        let page = Response::new(200, r#"{"portals":[],"info":{"more_records":true}}"#);
        assert!(!read_list(&page).unwrap().is_complete);
        let whole = Response::new(200, r#"{"portals":[],"info":{"more_records":false}}"#);
        assert!(read_list(&whole).unwrap().is_complete);
        let old = whole.with_headers(|name| (name == "age").then_some("3600"));
        assert!(!read_list(&old).unwrap().is_complete);
    }
}
