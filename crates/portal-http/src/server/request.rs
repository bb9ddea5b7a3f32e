//! [`ServerRequest`]: a request whose body has been received.

use http::{HeaderMap, header, request::Parts};
use portal_model::{ApiError, endpoint::AUTHORIZATION_SCHEME};

use super::body::{BODY_LIMIT, ReceivedBody};

/// A request whose body has been received, as far as it came.
pub(super) struct ServerRequest {
    pub(super) head: Parts,
    pub(super) body: ReceivedBody,
}

impl ServerRequest {
    pub(super) fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The complete body. Call it last: the service checks everything else before the body.
    pub(super) fn complete_body(&self) -> Result<&[u8], ApiError> {
        match &self.body {
            ReceivedBody::Complete(body) => Ok(body),
            ReceivedBody::TooLarge => Err(ApiError::body_too_large(BODY_LIMIT)),
            ReceivedBody::Incomplete => Err(ApiError::invalid_body()),
        }
    }
}

/// The token of the `Authorization` header; its scheme is case-insensitive.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case(AUTHORIZATION_SCHEME) && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn bearer_accepts_own_scheme_only() {
        let of = |value: &'static str| {
            let value = HeaderValue::from_static(value);
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
            bearer(&headers).map(ToOwned::to_owned)
        };
        assert_eq!(of("Zoho-oauthtoken 1000.a.b").as_deref(), Some("1000.a.b"));
        assert_eq!(of("zoho-OAUTHTOKEN  1000.a.b ").as_deref(), Some("1000.a.b"));
        for none in ["", "Zoho-oauthtoken", "Zoho-oauthtoken ", "Bearer 1000.a.b", "1000.a.b"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
