//! What responses mean: the one place that decides which rejections are certain.

use crate::endpoint::{Response, ResponseError, UnreadableReason};
use crate::envelope;
use crate::error::{ApiError, ErrorCode};
use crate::name::PortalName;
use crate::outcome::{Doubt, Failure, NotDone};
use crate::portal::Portal;
use crate::read;

/// Why a list shows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// The service rejected the token.
    TokenRejected(ResponseError),
    /// The service does not let this token list: its scope does not cover it.
    ScopeMissing(ApiError),
    /// The service rejected the request for another reason.
    Rejected(ApiError),
    /// Anything else. Trying again may help: how the flow ends if it does not.
    Failed(NotDone),
}

/// What the response to an attempt means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The effect happened.
    Done,
    /// The service reports success for another name: something happened.
    OtherName(String),
    /// The service rejected the request, with a documented code under its documented status: it
    /// did nothing.
    Rejected(ApiError),
    /// A rejection that an earlier copy of this very request may have caused, if something between
    /// here and the service repeated it.
    Suspect(ApiError),
    /// A rejection that is not documented, or not the service's: it shows nothing of what happened, and
    /// would come again.
    Refused(ResponseError),
    /// Too many requests. A gateway may respond so after the fact.
    RateLimited(ResponseError),
    /// The access token was rejected, and nothing was done.
    TokenRejected(ResponseError),
    /// A 401 that is not the service's documented one. A new token may help.
    Unauthorized(ResponseError),
    /// It does not show what happened.
    Ambiguous(Doubt),
}

/// Rejections after which the service certainly did nothing (rule 3): documented codes under their
/// documented status. Everything else leaves the attempt in doubt.
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

/// Classifies the response to an attempt that gives a portal this name. `suspects` are the codes under 400
/// that an earlier copy of the same request may have caused.
pub(super) fn classify(name: &PortalName, response: &Response, suspects: &[ErrorCode]) -> Reply {
    let status = response.status;
    let error = match envelope::decode_name(response, name) {
        Ok(_) => return Reply::Done,
        Err(ResponseError::Api(error)) => error,
        Err(ResponseError::Unreadable(page)) => {
            if page.why == UnreadableReason::Contradiction
                && let Some(name) = envelope::name_in_success(response)
            {
                return Reply::OtherName(name);
            }
            let error = ResponseError::Unreadable(page);
            return match status {
                429 => Reply::RateLimited(error),
                401 => Reply::Unauthorized(error),
                300..500 => Reply::Refused(error),
                _ => Reply::Ambiguous(error.into()),
            };
        }
    };
    let is_ambiguous = AMBIGUOUS.contains(&status) || error.is_server_error() || status < 300;
    if error.is_rate_limited() && (400..500).contains(&status) && !AMBIGUOUS.contains(&status) {
        Reply::RateLimited(ResponseError::Api(error))
    } else if is_ambiguous {
        Reply::Ambiguous(Doubt::ServerError(error))
    } else if error.is_token_rejected() {
        Reply::TokenRejected(ResponseError::Api(error))
    } else if status == 400 && suspects.contains(&error.code) {
        Reply::Suspect(error)
    } else if is_certain(&error) {
        Reply::Rejected(error)
    } else if status == 401 {
        Reply::Unauthorized(ResponseError::Api(error))
    } else {
        Reply::Refused(ResponseError::Api(error))
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

/// The portals of a complete list that is not a cache's. Any other counts for nothing (rule 1), neither
/// for presence nor for absence.
pub(super) fn read_list(response: &Response) -> Result<Vec<Portal>, Unusable> {
    let failed = |failure| Err(Unusable::Failed(NotDone::Unreachable(failure)));
    let error = match read::decode_page(response) {
        Ok((portals, None)) => return Ok(portals),
        Ok((_, Some(why))) => return failed(Failure::IncompleteList(why)),
        Err(error) => error,
    };
    if response.status == 429 || error.api().is_some_and(ApiError::is_rate_limited) {
        return Err(Unusable::Failed(rate_limited(error, response)));
    }
    if error.needs_new_token() {
        return Err(Unusable::TokenRejected(error));
    }
    match error {
        ResponseError::Api(error) if !error.is_server_error() && response.status >= 400 => {
            let is_scope_missing = error.is_scope_mismatch() && response.status == 401;
            let why = if is_scope_missing { Unusable::ScopeMissing } else { Unusable::Rejected };
            Err(why(error))
        }
        error => failed(Failure::Response(error)),
    }
}

/// How a flow ends if the service limits the rate of requests until the end.
pub(super) fn rate_limited(error: ResponseError, response: &Response) -> NotDone {
    NotDone::RateLimited { retry_after: response.retry_after, cause: Failure::Response(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, code: &str) -> Reply {
        let name = PortalName::parse("AcmePortal").unwrap();
        let body = format!(r#"{{"code":"{code}","details":{{}},"message":"","status":"error"}}"#);
        let suspects = [ErrorCode::AlreadyUsed, ErrorCode::LimitReached];
        classify(&name, &Response::new(status, body), &suspects)
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
                    _ if !(300..500).contains(&status) => "Ambiguous",
                    _ if matches!(status, 408 | 409 | 425 | 499) => "Ambiguous",
                    "TOO_MANY_REQUESTS" if status >= 400 => "RateLimited",
                    _ if status == 429 => "RateLimited",
                    "INTERNAL_ERROR" | "INTERNAL_SERVER_ERROR" => "Ambiguous",
                    _ if is_documented => "Rejected",
                    _ if status == 401 => "Unauthorized",
                    _ => "Refused",
                };
                let found = format!("{:?}", reply(status, code));
                assert!(found.starts_with(expected), "{status} {code}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn page_of_gateway_is_never_certain() {
        let name = PortalName::parse("AcmePortal").unwrap();
        for status in 200..600 {
            let expected = match status {
                401 => "Unauthorized",
                429 => "RateLimited",
                300..500 => "Refused",
                _ => "Ambiguous",
            };
            let found = format!("{:?}", classify(&name, &Response::new(status, "<html>"), &[]));
            assert!(found.starts_with(expected), "{status}: {found}, not {expected}");
        }
    }

    #[test]
    fn success_of_other_name_is_evidence() {
        let name = PortalName::parse("AcmePortal").unwrap();
        let body = r#"{"portals":[{"code":"SUCCESS","details":{"name":"AcmePortal1"},"status":"success"}]}"#;
        let classify = |status| classify(&name, &Response::new(status, body), &[]);
        assert_eq!(classify(201), Reply::OtherName("AcmePortal1".to_owned()));
        assert!(matches!(classify(500), Reply::Ambiguous(_)));
    }

    #[test]
    fn error_of_list_is_rejection_from_400_on() {
        let list = |status, body: &str| read_list(&Response::new(status, body)).unwrap_err();
        let new = r#"{"code":"NEW_CODE","details":{},"message":"","status":"error"}"#;
        assert!(matches!(list(400, new), Unusable::Rejected(_)));
        let is_limited = |why| matches!(why, Unusable::Failed(NotDone::RateLimited { .. }));
        assert!(is_limited(list(429, "<html>")));
        let limited = r#"{"code":"TOO_MANY_REQUESTS","details":{},"message":"","status":"error"}"#;
        assert!(is_limited(list(400, limited)));
        for status in [200, 302, 399] {
            assert!(
                matches!(list(status, new), Unusable::Failed(NotDone::Unreachable(_))),
                "{status}"
            );
        }
        for body in [new, "<html>"] {
            assert!(matches!(list(401, body), Unusable::TokenRejected(_)), "{body}");
        }
    }

    #[test]
    fn cached_or_paged_list_counts_for_nothing() {
        let incomplete = |response: Response| {
            let list = read_list(&response);
            matches!(list, Err(Unusable::Failed(NotDone::Unreachable(Failure::IncompleteList(_)))))
        };
        assert!(incomplete(Response::new(200, r#"{"portals":[],"info":{"more_records":true}}"#)));
        let whole = Response::new(200, r#"{"portals":[],"info":{"more_records":false}}"#);
        assert!(read_list(&whole).unwrap().is_empty());
        for (header, value) in [
            ("age", "3600"),
            ("link", "<https://api.example/portals?page=2>; rel=\"next\""),
            ("link", "</1>; rel=first, </2>; title=x; REL=\"last next\""),
        ] {
            let marked = whole.clone().with_headers(|name| (name == header).then_some(value));
            assert!(incomplete(marked), "{header}: {value}");
        }
        let only = whole.with_headers(|name| (name == "link").then_some("</next>; rel=self"));
        assert!(read_list(&only).unwrap().is_empty());
        let twice = r#"{"portals":[{"name":"AcmePortal"}],"portals":[]}"#;
        assert!(incomplete(Response::new(200, twice)));
    }
}
