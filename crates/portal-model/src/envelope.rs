//! The two envelopes of a response, and the one of a request.
//!
//! The result of one item is inside `{"portals":[…]}` (wrapped); a result about the whole request is
//! at the top level (bare). Reading accepts both under any status, since sources disagree.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::endpoint::{Response, ResponseError, UnreadableReason};
use crate::error::{ApiError, Details, ErrorCode};
use crate::name::PortalName;

/// The body of a create and of a rename, and the result of either.
#[derive(Serialize)]
pub(crate) struct Portals<T> {
    pub(crate) portals: T,
}

/// An item of a request, and the details of a success.
#[derive(Serialize)]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
}

/// JSON of a value whose serialization cannot fail: maps with string keys, no foreign code.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// `{"portals":[{"name":…}]}`, the body of a create and of a rename.
pub(crate) fn encode_name(name: &PortalName) -> Vec<u8> {
    to_json(&Portals { portals: [Named { name: name.as_str() }] })
}

/// Reads the response to a create or rename to `requested`; a success returns the name as the
/// service writes it.
pub(crate) fn decode_name(
    response: &Response,
    requested: &PortalName,
) -> Result<String, ResponseError> {
    let body = read_object(response)?;
    if let Some(error) = refusal_in(&body, response.status) {
        return Err(ResponseError::Api(error));
    }
    let result = the_result(&body)
        .filter(|result| is(result, "code", "SUCCESS") && is(result, "status", "success"))
        .ok_or_else(|| ResponseError::unreadable(response, UnreadableReason::NoEnvelope))?;
    let echoed = match result.get("details").and_then(|details| details.get("name")) {
        None => Some(requested.as_str()),
        Some(echoed) => echoed.as_str(),
    };
    echoed
        .filter(|echoed| requested.is_same_as(echoed) && (200..300).contains(&response.status))
        .map(ToOwned::to_owned)
        .ok_or_else(|| ResponseError::unreadable(response, UnreadableReason::Contradiction))
}

/// The name in a success, whatever was requested.
pub(crate) fn name_in_success(response: &Response) -> Option<String> {
    let body = read_object(response).ok().filter(|_| (200..300).contains(&response.status))?;
    let result = the_result(&body).filter(|result| is(result, "code", "SUCCESS"))?;
    Some(result.get("details")?.get("name")?.as_str()?.to_owned())
}

/// Reads a rejection, bare or wrapped: it has a code other than `SUCCESS` and the status `error`.
pub(crate) fn refusal_in(body: &Map<String, Value>, http_status: u16) -> Option<ApiError> {
    the_result(body).and_then(|result| refusal(result, http_status))
}

/// Reads a result without its envelope as a rejection.
pub(crate) fn refusal(result: &Map<String, Value>, http_status: u16) -> Option<ApiError> {
    if !is(result, "status", "error") {
        return None;
    }
    let code = result.get("code")?.as_str().filter(|code| *code != "SUCCESS")?;
    let message = result.get("message").and_then(Value::as_str).unwrap_or_default();
    let mut error = ApiError::new(http_status, ErrorCode::from(code), message);
    if let Some(details) = result.get("details") {
        error.details = Details::from(details.clone());
    }
    Some(error)
}

/// The body as a JSON object.
pub(crate) fn read_object(response: &Response) -> Result<Map<String, Value>, ResponseError> {
    let why = match serde_json::from_slice(&response.body) {
        Ok(Value::Object(body)) => return Ok(body),
        Ok(_) => UnreadableReason::NoEnvelope,
        Err(_) if response.body.iter().all(u8::is_ascii_whitespace) => UnreadableReason::Empty,
        Err(_) => UnreadableReason::NotJson,
    };
    Err(ResponseError::unreadable(response, why))
}

/// The result: wrapped, or the body itself; `None` unless there is exactly one.
fn the_result(body: &Map<String, Value>) -> Option<&Map<String, Value>> {
    match body.get("portals") {
        None => Some(body),
        Some(Value::Array(items)) => match items.as_slice() {
            [Value::Object(item)] => Some(item),
            _ => None,
        },
        Some(_) => None,
    }
}

fn is(result: &Map<String, Value>, key: &str, expected: &str) -> bool {
    result
        .get(key)
        .and_then(Value::as_str)
        .is_some_and(|value| value.eq_ignore_ascii_case(expected))
}
