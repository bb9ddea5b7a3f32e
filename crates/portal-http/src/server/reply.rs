//! The answer to one call: what the service says, and how it is sent.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use portal_model::oauth::OAuthError;
use portal_model::{ApiError, Refusal, Response, Timestamp};
use portal_store::{Principal, RegistryError};

use super::body::AnswerBody;
use super::fault::Ending;
use super::limits::{Admission, Throttled};

const RESET: HeaderName = HeaderName::from_static("x-accesstoken-reset");
const CREDITS: HeaderName = HeaderName::from_static("x-api-credits-remaining");

/// Why a call does not get what it asks for.
#[derive(Debug)]
pub(super) enum Refused {
    Api(Refusal),
    Accounts(OAuthError),
    Throttled(Throttled),
    Engine(RegistryError),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Api(refusal)
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Api(Refusal::Call(error))
    }
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        Self::Accounts(error)
    }
}

impl From<Throttled> for Refused {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled(throttled)
    }
}

impl From<RegistryError> for Refused {
    fn from(error: RegistryError) -> Self {
        Self::Engine(error)
    }
}

/// The answer to one call.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) response: Response,
    /// Of a refusal: what a program decides by.
    pub(super) code: Option<String>,
    /// The name of the org, of a call with a valid token.
    pub(super) org: Option<String>,
    expires_at: Option<Timestamp>,
    /// It counts as running until the answer is handed over.
    admission: Option<Admission>,
    form: Form,
}

/// How much of an answer is sent, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Html,
    Cut,
    Withheld,
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self {
            response,
            code: None,
            org: None,
            expires_at: None,
            admission: None,
            form: Form::Json,
        }
    }
}

impl From<Refused> for Reply {
    fn from(refused: Refused) -> Self {
        let (response, code) = match refused {
            Refused::Api(refusal) => (refusal.response(), refusal.error().code.as_str().to_owned()),
            Refused::Accounts(error) => (error.answer(), error.error),
            Refused::Throttled(Throttled { retry_after }) => {
                let mut reply = Self::from(ApiError::too_many_requests());
                reply.response.retry_after = Some(retry_after);
                return reply;
            }
            Refused::Engine(error) => {
                tracing::error!(%error, "the registry failed");
                return ApiError::internal_error().into();
            }
        };
        Self { code: Some(code), ..response.into() }
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        Refused::from(error).into()
    }
}

impl<T: Into<Self>> From<Result<T, Refused>> for Reply {
    fn from(result: Result<T, Refused>) -> Self {
        result.map_or_else(Self::from, Into::into)
    }
}

impl Reply {
    /// The same answer, to a call of `principal`.
    pub(super) fn to(mut self, principal: &Principal) -> Self {
        self.org = Some(principal.org.name.clone());
        self.expires_at = Some(principal.expires_at);
        self
    }

    /// The same answer, to a call that the limits let in.
    pub(super) fn under(mut self, admission: Option<Admission>) -> Self {
        self.admission = admission;
        self
    }

    /// Whether the call did its work.
    pub(super) fn is_success(&self) -> bool {
        self.code.is_none()
    }

    /// The status, where an answer with one is sent.
    pub(super) fn status(&self) -> Option<u16> {
        (self.form != Form::Withheld).then_some(self.response.status)
    }

    /// What `ending` makes of this answer to a call of the API, or of the token endpoint.
    pub(super) fn struck(self, ending: Ending, is_token_call: bool) -> Self {
        let reply = match ending {
            // With a status that has a body: it is the body that breaks the connection.
            Ending::Drop => {
                return Self { form: Form::Withheld, response: Response::new(200, ""), ..self };
            }
            Ending::Cut => return self.cut(),
            Ending::Fail => ApiError::internal_error().into(),
            Ending::Html => {
                let page = "<html><head><title>502 Bad Gateway</title></head>\
                    <body><center><h1>502 Bad Gateway</h1></center></body></html>\n";
                Self { form: Form::Html, ..Response::new(502, page).into() }
            }
            Ending::Throttle(seconds) => {
                let mut reply: Self = if is_token_call {
                    Refused::from(OAuthError::throttled()).into()
                } else {
                    ApiError::too_many_requests().into()
                };
                reply.response.retry_after = seconds.map(std::time::Duration::from_secs);
                reply
            }
        };
        Self { org: self.org, expires_at: self.expires_at, admission: self.admission, ..reply }
    }

    /// A 200 that ends too early, also where the whole answer has no body.
    fn cut(mut self) -> Self {
        if self.response.body.is_empty() {
            self.response = Response::new(200, br#"{"portals":[]}"#);
        }
        Self { form: Form::Cut, ..self }
    }

    /// As it goes over the wire.
    pub(super) fn into_http(self) -> http::Response<AnswerBody> {
        let Response { status, retry_after, body, .. } = self.response;
        let has_body = !body.is_empty();
        let body = Bytes::from(body);
        let mut response = http::Response::new(match self.form {
            Form::Json | Form::Html => AnswerBody::whole(body),
            Form::Cut => AnswerBody::cut(body),
            Form::Withheld => AnswerBody::withheld(),
        });
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if has_body {
            let content_type = match self.form {
                Form::Html => "text/html",
                Form::Json | Form::Cut | Form::Withheld => "application/json;charset=UTF-8",
            };
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(time) = self.expires_at
            && let Ok(time) = HeaderValue::from_str(&time.to_string())
        {
            headers.insert(RESET, time);
        }
        if let Some(credits) = self.admission.and_then(|admission| admission.credits_remaining) {
            headers.insert(CREDITS, credits.into());
        }
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        response
    }
}
