//! Responses, and refusals that become one.

use std::convert::Infallible;
use std::fmt::Display;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use maud::Markup;
use portal_model::neutral::escaped;
use serde_json::Value;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;
pub(crate) type RouteResult = Result<Response<Body>, Refusal>;

/// Why a request is refused.
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

/// A refusal of what the request itself has.
pub(crate) fn bad_request(error: impl Display) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, error.to_string())
}

pub(crate) fn html(page: Markup) -> Response<Body> {
    text("text/html; charset=utf-8", page.into_string())
}

pub(crate) fn json(json: &Value) -> Response<Body> {
    text("application/json", escaped(&json.to_string()) + "\n")
}

pub(crate) fn plain(line: impl Display) -> Response<Body> {
    text("text/plain; charset=utf-8", format!("{line}\n"))
}

pub(crate) fn text(content_type: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    with_type(content_type, Full::new(text.into()).boxed_unsync())
}

pub(crate) fn see_other(path: &'static str) -> Response<Body> {
    let mut response = with_status(StatusCode::SEE_OTHER, text("text/plain; charset=utf-8", ""));
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(path));
    response
}

pub(crate) fn with_status(status: StatusCode, mut response: Response<Body>) -> Response<Body> {
    *response.status_mut() = status;
    response
}

pub(crate) fn with_type(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
