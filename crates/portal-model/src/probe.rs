//! `POST /crm/{version}/settings/portals` without a name
//!
//! The service always rejects such a create, and the code of the rejection shows whether the token may
//! create portals: the permission is checked before the name. Nothing else shows that without an effect.

use crate::create::CreatePortal;
use crate::endpoint::{
    ApiVersion, Endpoint, Method, ReadOnly, Request, Response, ResponseError, UnreadableReason,
};
use crate::envelope;
use crate::error::{ApiError, ErrorCode};
use crate::read::portals_path;
use crate::scope::Scope;

/// Find out whether the token may create portals, by a create without a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeCreate;

/// Whether a token may create portals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CanCreate {
    /// It may: only the name was missing.
    Yes,
    /// It lacks the scope.
    MissingScope,
    /// Its user lacks a permission.
    MissingPermission(ApiError),
    /// The org can't have portals, for example because it is a sandbox.
    NotHere(ApiError),
}

/// The service always rejects it.
impl ReadOnly for ProbeCreate {}

impl Endpoint for ProbeCreate {
    type Output = CanCreate;
    const SCOPES: &'static [Scope] = CreatePortal::SCOPES;

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Post, portals_path(version))
            .with_body("application/json", br#"{"portals":[{}]}"#.to_vec())
    }

    /// A rejection that does not show it is [`ResponseError::Api`].
    fn decode(&self, response: &Response) -> Result<CanCreate, ResponseError> {
        match envelope::refusal(response)? {
            Some(error) => match error.code {
                ErrorCode::MandatoryNotFound => Ok(CanCreate::Yes),
                ErrorCode::OauthScopeMismatch => Ok(CanCreate::MissingScope),
                ErrorCode::NoPermission => Ok(CanCreate::MissingPermission(error)),
                ErrorCode::ApiNotSupported => Ok(CanCreate::NotHere(error)),
                _ => Err(ResponseError::Api(error)),
            },
            // Nobody accepts a create without a name.
            None => Err(ResponseError::unreadable(response, UnreadableReason::Contradiction)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(status: u16, code: &str) -> Result<CanCreate, ResponseError> {
        let body = format!(r#"{{"code":"{code}","details":{{}},"message":"","status":"error"}}"#);
        ProbeCreate.decode(&Response::new(status, body))
    }

    #[test]
    fn request_has_no_name() {
        let request = ProbeCreate.request(ApiVersion::V7);
        assert_eq!(
            (request.method, request.path.as_str()),
            (Method::Post, "/crm/v7/settings/portals")
        );
        assert_eq!(request.body, br#"{"portals":[{}]}"#);
    }

    #[test]
    fn code_shows_whether_token_may_create() {
        assert_eq!(decode(400, "MANDATORY_NOT_FOUND"), Ok(CanCreate::Yes));
        assert_eq!(decode(401, "OAUTH_SCOPE_MISMATCH"), Ok(CanCreate::MissingScope));
        assert!(matches!(decode(403, "NO_PERMISSION"), Ok(CanCreate::MissingPermission(_))));
        assert!(matches!(decode(400, "API_NOT_SUPPORTED"), Ok(CanCreate::NotHere(_))));
        assert!(matches!(decode(500, "INTERNAL_ERROR"), Err(ResponseError::Api(_))));
        let wrapped = r#"{"portals":[{"code":"MANDATORY_NOT_FOUND","details":{},"message":"",
            "status":"error"}]}"#;
        assert_eq!(ProbeCreate.decode(&Response::new(400, wrapped)), Ok(CanCreate::Yes));
    }

    #[test]
    fn accepted_probe_is_contradiction() {
        let body =
            r#"{"portals":[{"code":"SUCCESS","details":{},"message":"","status":"success"}]}"#;
        let error = ProbeCreate.decode(&Response::new(200, body)).unwrap_err();
        assert!(error.to_string().contains("contradicts"), "{error}");
    }
}
