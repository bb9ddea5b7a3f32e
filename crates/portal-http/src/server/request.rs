//! [`ServerRequest`]: a request whose body has been received.

use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};
use portal_model::{ApiError, ErrorCode, endpoint::AUTHORIZATION_SCHEME};

/// A request whose body has been received, as far as it came.
pub(super) struct ServerRequest {
    pub(super) head: Parts,
    pub(super) body: Result<Bytes, ApiError>,
}

impl ServerRequest {
    pub(super) fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The complete body. Call it last: the service checks everything else before the body.
    pub(super) fn complete_body(&self) -> Result<&[u8], ApiError> {
        self.body.as_deref().map_err(Clone::clone)
    }
}

/// Authorization schemes that are accepted. Zoho's OAuth documentation names both, the one of the
/// CRM API only its own, and generic OAuth clients send `Bearer` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schemes {
    ZohoAndBearer,
    ZohoOnly,
}

/// The token of the `Authorization` header; its scheme is case-insensitive.
pub(super) fn access_token(headers: &HeaderMap, schemes: Schemes) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    let is_accepted = scheme.eq_ignore_ascii_case(AUTHORIZATION_SCHEME)
        || (schemes == Schemes::ZohoAndBearer && scheme.eq_ignore_ascii_case("Bearer"));
    (is_accepted && !token.is_empty()).then_some(token)
}

/// Refuses codings other than chunked transfer: hyper removes that one and leaves the others, and a
/// body that is still encoded must not be read as if it were not.
pub(super) fn check_codings(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_only = |name, coding: &str| {
        let mut values = headers.get_all(name).iter();
        values.all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(coding.as_bytes()))
    };
    let refuse = |status, problem| Err(ApiError::new(status, ErrorCode::BadRequest, problem));
    if !is_only(header::TRANSFER_ENCODING, "chunked") {
        return refuse(501, "unsupported transfer coding: expected none or chunked");
    }
    if !is_only(header::CONTENT_ENCODING, "identity") {
        return refuse(415, "unsupported content coding: expected none");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn token_is_read_under_accepted_schemes_only() {
        let of = |value: &'static str, schemes| {
            let value = HeaderValue::from_static(value);
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
            access_token(&headers, schemes).map(ToOwned::to_owned)
        };
        for schemes in [Schemes::ZohoAndBearer, Schemes::ZohoOnly] {
            assert_eq!(of("Zoho-oauthtoken 1000.a.b", schemes).as_deref(), Some("1000.a.b"));
            assert_eq!(of("zoho-OAUTHTOKEN  1000.a.b ", schemes).as_deref(), Some("1000.a.b"));
            for none in ["", "Zoho-oauthtoken", "Zoho-oauthtoken ", "Basic YTpi", "1000.a.b"] {
                assert_eq!(of(none, schemes), None, "{none}");
            }
        }
        assert_eq!(of("bearer 1000.a.b", Schemes::ZohoAndBearer).as_deref(), Some("1000.a.b"));
        assert_eq!(of("Bearer 1000.a.b", Schemes::ZohoOnly), None);
    }

    #[test]
    fn codings_other_than_chunked_are_refused() {
        let status = |name, value| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
            check_codings(&headers).err().map(|error| error.http_status)
        };
        assert_eq!(check_codings(&HeaderMap::new()), Ok(()));
        assert_eq!(status(header::TRANSFER_ENCODING, "Chunked"), None);
        assert_eq!(status(header::TRANSFER_ENCODING, "gzip, chunked"), Some(501));
        assert_eq!(status(header::TRANSFER_ENCODING, "identity, chunked"), Some(501));
        assert_eq!(status(header::CONTENT_ENCODING, "identity"), None);
        assert_eq!(status(header::CONTENT_ENCODING, "gzip"), Some(415));
    }
}
