//! [`Route`]: the operation that a method and a path name.

use http::Method;
use portal_model::server::{self, rejections};
use portal_model::{ApiError, ApiVersion, oauth};

/// The target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Under `/crm/{version}`.
    Crm(ApiVersion, Operation),
    /// `POST /oauth/v2/token`
    Token,
    /// `POST /oauth/v2/token/revoke`
    Revoke,
    /// `GET /openapi.json`
    OpenApi,
}

/// An operation of the API; names are percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    List,
    Create,
    Get(String),
    Rename(String),
    Users,
    Org,
}

impl Route {
    /// Checks path, version and method, in this order, as the service does.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, ApiError> {
        let only = |allowed, route| {
            if *method == allowed { Ok(route) } else { Err(rejections::invalid_request_method()) }
        };
        match path {
            oauth::TOKEN_PATH => only(Method::POST, Self::Token),
            oauth::REVOKE_PATH => only(Method::POST, Self::Revoke),
            "/openapi.json" => only(Method::GET, Self::OpenApi),
            _ => Self::of_crm(method, path),
        }
    }

    fn of_crm(method: &Method, path: &str) -> Result<Self, ApiError> {
        let (version, resource) = path
            .strip_prefix("/crm/")
            .and_then(|path| path.split_once('/'))
            .filter(|(segment, _)| is_version(segment))
            .ok_or_else(rejections::invalid_url_pattern)?;
        let operation = match resource {
            "settings/portals" => match *method {
                Method::GET => Some(Operation::List),
                Method::POST => Some(Operation::Create),
                _ => None,
            },
            "users" => (method == Method::GET).then_some(Operation::Users),
            "org" => (method == Method::GET).then_some(Operation::Org),
            _ => {
                let name = resource
                    .strip_prefix("settings/portals/")
                    .filter(|name| !name.is_empty() && !name.contains('/'))
                    .map(server::parse_segment)
                    .ok_or_else(rejections::invalid_url_pattern)?;
                match *method {
                    Method::GET => Some(Operation::Get(name)),
                    Method::PUT => Some(Operation::Rename(name)),
                    _ => None,
                }
            }
        };
        let version = version
            .parse()
            .map_err(|_| rejections::version_not_supported(ApiVersion::V8.number()))?;
        operation
            .map(|operation| Self::Crm(version, operation))
            .ok_or_else(rejections::invalid_request_method)
    }

    /// Whether a request of this method can have an effect: such a request completes even if its
    /// client disconnects.
    pub(super) fn is_change(method: &Method) -> bool {
        matches!(*method, Method::POST | Method::PUT)
    }
}

/// `v<digits>` or `v<digits>.<digits>`
fn is_version(segment: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    segment.strip_prefix('v').is_some_and(|number| match number.split_once('.') {
        None => is_number(number),
        Some((major, minor)) => is_number(major) && is_number(minor),
    })
}

#[cfg(test)]
mod tests {
    use portal_model::ErrorCode;

    use super::*;

    fn get(path: &str) -> Result<Route, ErrorCode> {
        Route::of(&Method::GET, path).map_err(|error| error.code)
    }

    #[test]
    fn path_name_is_decoded() {
        assert_eq!(
            get("/crm/v7/settings/portals/a%20b%2Fc"),
            Ok(Route::Crm(ApiVersion::V7, Operation::Get("a b/c".to_owned())))
        );
    }

    #[test]
    fn version_segment_is_validated() {
        for version in ["v3", "v9", "v2.1", "v7.0", "v07", "v18446744073709551616"] {
            assert_eq!(get(&format!("/crm/{version}/org")), Err(ErrorCode::ApiNotSupported));
        }
        for other in ["7", "v", "vv7", "v7.", "v.7", "v7.0.0", "V7", "v7a", ""] {
            assert_eq!(get(&format!("/crm/{other}/org")), Err(ErrorCode::InvalidUrlPattern));
        }
    }

    #[test]
    fn checks_path_then_version_then_method() {
        let code = |path| Route::of(&Method::DELETE, path).unwrap_err().code;
        assert_eq!(code("/crm/v9/nothing"), ErrorCode::InvalidUrlPattern);
        assert_eq!(code("/crm/v9/settings/portals"), ErrorCode::ApiNotSupported);
        assert_eq!(code("/crm/v7/settings/portals"), ErrorCode::InvalidRequestMethod);
        assert_eq!(code("/oauth/v2/token"), ErrorCode::InvalidRequestMethod);
    }

    #[test]
    fn unknown_paths_are_invalid() {
        for path in [
            "",
            "*",
            "/",
            "/crm",
            "/crm/v7",
            "/crm/v7/",
            "/crm/v7/org/",
            "/crm/v7/settings/portals/",
            "/crm/v7/settings/portals/name/users",
            "/CRM/v7/org",
            "/oauth/v2/token/",
            "/oauth/v3/token",
        ] {
            assert_eq!(get(path), Err(ErrorCode::InvalidUrlPattern), "{path}");
        }
    }
}
