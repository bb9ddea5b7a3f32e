//! [`ServerResponse`]: the response to one request, or why it fails, and how it is sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use portal_model::oauth::OAuthError;
use portal_model::server::{Refusal, rejections, token_refused, tokens_rate_limited};
use portal_model::{ApiError, Response};
use portal_store::{Principal, RegistryError};

use super::body::ResponseBody;
use super::fault::FaultResponse;
use super::log_limit::log_limited;
use super::quota::Admission;

const RESET: HeaderName = HeaderName::from_static("x-accesstoken-reset");
const CREDITS: HeaderName = HeaderName::from_static("x-api-credits-remaining");

/// The response to one request, with what the access log and the headers need to know about it. As an
/// error, it is why a request fails.
#[derive(Debug)]
pub(super) struct ServerResponse {
    pub(super) response: Response,
    /// The error code; `None` for a success.
    pub(super) code: Option<String>,
    /// Who sent the request; `None` without a valid access token.
    pub(super) principal: Option<Arc<Principal>>,
    /// Held until the response is handed to the connection: until then the request counts as
    /// concurrent.
    pub(super) admission: Option<Admission>,
    /// What it was replaced by.
    fault: Option<FaultResponse>,
}

impl From<Response> for ServerResponse {
    fn from(response: Response) -> Self {
        Self { response, code: None, principal: None, admission: None, fault: None }
    }
}

impl From<Refusal> for ServerResponse {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.error().code.as_str().to_owned();
        Self { code: Some(code), ..refusal.response().into() }
    }
}

impl From<ApiError> for ServerResponse {
    fn from(error: ApiError) -> Self {
        Refusal::Request(error).into()
    }
}

impl From<OAuthError> for ServerResponse {
    fn from(error: OAuthError) -> Self {
        let response = token_refused(&error);
        Self { code: Some(error.error), ..response.into() }
    }
}

impl From<RegistryError> for ServerResponse {
    fn from(error: RegistryError) -> Self {
        if matches!(error, RegistryError::Overloaded) {
            return Self::rate_limited(false, Some(Duration::from_secs(1)));
        }
        log_limited!(error, %error, "the registry failed: responding with 500");
        rejections::internal_error().into()
    }
}

impl<T: Into<Self>> From<Result<T, Self>> for ServerResponse {
    fn from(result: Result<T, Self>) -> Self {
        result.map_or_else(|error| error, Into::into)
    }
}

impl ServerResponse {
    /// 429 of the API, or what the accounts server sends instead.
    pub(super) fn rate_limited(is_token_request: bool, retry_after: Option<Duration>) -> Self {
        let mut limited: Self = if is_token_request {
            tokens_rate_limited().into()
        } else {
            rejections::too_many_requests().into()
        };
        limited.response.retry_after = retry_after;
        limited
    }

    /// The name of the org, if the request had a valid access token.
    pub(super) fn org(&self) -> Option<&str> {
        self.principal.as_ref().map(|principal| principal.org.name.as_str())
    }

    /// The status, if a response is sent at all.
    pub(super) fn status(&self) -> Option<u16> {
        (self.fault != Some(FaultResponse::Drop)).then_some(self.response.status)
    }

    /// Replaces this response by what `fault` makes of it.
    pub(super) fn with_fault(self, fault: FaultResponse, is_token_request: bool) -> Self {
        let response: Self = match fault {
            // A status that allows a body, since it is the body that aborts the connection.
            FaultResponse::Drop => Response::new(200, "").into(),
            // A 200 that ends too early, also if the complete response has no body.
            FaultResponse::Cut if self.response.body.is_empty() => {
                Response::new(200, br#"{"portals":[]}"#).into()
            }
            FaultResponse::Cut => self.response.into(),
            FaultResponse::Fail => rejections::internal_error().into(),
            FaultResponse::Html => {
                let page = "<html><head><title>502 Bad Gateway</title></head>\
                    <body><center><h1>502 Bad Gateway</h1></center></body></html>\n";
                Response::new(502, page).into()
            }
            FaultResponse::RateLimit(seconds) => {
                Self::rate_limited(is_token_request, seconds.map(Duration::from_secs))
            }
        };
        let (principal, admission) = (self.principal, self.admission);
        Self { principal, admission, fault: Some(fault), ..response }
    }

    /// The response as it is sent.
    pub(super) fn into_http(self) -> http::Response<ResponseBody> {
        let headers = self.headers();
        let body = Bytes::from(self.response.body);
        let mut response = http::Response::new(match self.fault {
            Some(FaultResponse::Drop) => ResponseBody::withheld(),
            Some(FaultResponse::Cut) => ResponseBody::cut(body),
            _ => ResponseBody::complete(body),
        });
        *response.status_mut() =
            StatusCode::from_u16(self.response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = headers;
        response
    }

    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !self.response.body.is_empty() {
            let content_type = match self.fault {
                Some(FaultResponse::Html) => "text/html",
                _ => "application/json;charset=UTF-8",
            };
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(principal) = &self.principal
            && let Ok(time) = HeaderValue::from_str(&principal.expires_at.to_string())
        {
            headers.insert(RESET, time);
        }
        let credits = self.admission.as_ref().and_then(|admission| admission.credits_remaining);
        if let Some(credits) = credits {
            headers.insert(CREDITS, credits.into());
        }
        if let Some(wait) = self.response.retry_after {
            headers.insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        headers
    }
}
