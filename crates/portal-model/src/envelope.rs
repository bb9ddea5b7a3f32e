//! The two envelopes of a response, and the one of a request.
//!
//! The result of one item is inside `{"portals":[…]}` (wrapped); a result about the whole request is
//! at the top level (bare). Reading accepts both under any status, since sources disagree.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::endpoint::{Response, ResponseError, UnreadableReason};
use crate::error::{ApiError, Details, ErrorCode};
use crate::json::{Members, Object};
use crate::name::PortalName;

/// The body of a create and of a rename, and the result of either.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Portals<T> {
    pub(crate) portals: T,
}

/// An item of a request, and the details of a success.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// A success as it is documented. Any other response is read through [`Members`], which takes longer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Success<'a> {
    code: &'a str,
    status: &'a str,
    // Not `IgnoredAny`, which takes text that is not UTF-8.
    #[serde(rename = "message", borrow)]
    _message: &'a RawValue,
    #[serde(borrow)]
    details: Object<Named<'a>>,
}

/// The member `portals`, if the body has nothing else, and what it has is of that form.
pub(crate) fn read_portals<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let body = serde_json::from_slice::<Object<Portals<T>>>(body);
    body.ok().map(|Object(Portals { portals })| portals)
}

/// Reads the response to a create or rename to `requested`; a success returns the name as the
/// service writes it.
pub(crate) fn decode_name(
    response: &Response,
    requested: &PortalName,
) -> Result<String, ResponseError> {
    let unreadable = |why| ResponseError::unreadable(response, why);
    let is_echo =
        |echoed: &str| requested.is_same_as(echoed) && (200..300).contains(&response.status);
    if let Some([Object(success)]) = read_portals::<[Object<Success<'_>>; 1]>(&response.body)
        && (success.code, success.status) == ("SUCCESS", "success")
        && is_echo(success.details.0.name)
    {
        return Ok(success.details.0.name.to_owned());
    }
    let result = the_result(read_object(response)?);
    let Some(success) =
        result.as_ref().filter(|it| it.is("code", "SUCCESS") && it.is("status", "success"))
    else {
        let error = result.and_then(|result| into_refusal(result, response.status));
        return Err(
            error.map_or_else(|| unreadable(UnreadableReason::NoEnvelope), ResponseError::Api)
        );
    };
    let details = success.get::<Members>("details").unwrap_or_default();
    let echoed = match details.0.get("name") {
        None => Some(requested.as_str().to_owned()),
        Some(name) => name.read(),
    };
    echoed
        .filter(|echoed| is_echo(echoed))
        .ok_or_else(|| unreadable(UnreadableReason::Contradiction))
}

/// The name in a success, whatever was requested.
pub(crate) fn name_in_success(response: &Response) -> Option<String> {
    let body = read_object(response).ok().filter(|_| (200..300).contains(&response.status))?;
    let result = the_result(body).filter(|result| result.is("code", "SUCCESS"))?;
    result.get::<Members>("details")?.get("name")
}

/// The rejection in a response, bare or wrapped, if it is one.
pub(crate) fn refusal(response: &Response) -> Result<Option<ApiError>, ResponseError> {
    let result = the_result(read_object(response)?);
    Ok(result.and_then(|result| into_refusal(result, response.status)))
}

/// The error in a result without its envelope, if it has a code other than `SUCCESS` and the status
/// `error`.
pub(crate) fn into_refusal(mut result: Members, http_status: u16) -> Option<ApiError> {
    let code = result.get::<String>("code").filter(|code| code != "SUCCESS")?;
    if !result.is("status", "error") {
        return None;
    }
    let message: String = result.get("message").unwrap_or_default();
    let mut error = ApiError::new(http_status, ErrorCode::from(code), message);
    if let Some(details) = result.0.remove("details") {
        error.details = Details(details);
    }
    Some(error)
}

/// The body as a JSON object.
pub(crate) fn read_object(response: &Response) -> Result<Members, ResponseError> {
    serde_json::from_slice(&response.body).map_err(|_| {
        let why = if response.body.iter().all(u8::is_ascii_whitespace) {
            UnreadableReason::Empty
        } else if serde_json::from_slice::<&RawValue>(&response.body).is_ok() {
            UnreadableReason::NoEnvelope
        } else {
            UnreadableReason::NotJson
        };
        ResponseError::unreadable(response, why)
    })
}

/// The result: wrapped, or the body itself; `None` unless there is exactly one.
fn the_result(body: Members) -> Option<Members> {
    match body.0.get("portals") {
        None => Some(body),
        Some(portals) => portals.read().map(|[result]: [Members; 1]| result),
    }
}
