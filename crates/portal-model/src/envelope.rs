//! The two envelopes of a response, and the one of a request.
//!
//! The result of one item is inside `{"portals":[…]}` (wrapped); a result about the whole request is
//! at the top level (bare). Reading accepts both under any status, since sources disagree; writing
//! is exact.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::endpoint::{Response, ResponseError, Unreadable, UnreadableReason};
use crate::error::{ApiError, Details, ErrorCode};
use crate::name::PortalName;

/// A rejection on the server's side, with its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// About the whole request: bare.
    Request(ApiError),
    /// About the one portal in it: wrapped.
    Item(ApiError),
}

impl Refusal {
    /// The error without its envelope.
    pub fn error(&self) -> &ApiError {
        match self {
            Self::Request(error) | Self::Item(error) => error,
        }
    }

    /// The response with this rejection.
    pub fn response(&self) -> Response {
        let error = Failure::from(self.error());
        let body = match self {
            Self::Request(_) => to_json(&error),
            Self::Item(_) => to_json(&Portals { portals: [error] }),
        };
        Response::new(self.error().http_status, body)
    }
}

/// The body of a create and of a rename, and the result of either.
#[derive(Serialize)]
pub(crate) struct Portals<T> {
    portals: T,
}

impl<T> Portals<T> {
    pub(crate) const fn new(portals: T) -> Self {
        Self { portals }
    }
}

/// One item of a request.
#[derive(Serialize)]
struct Item<'a> {
    name: &'a PortalName,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a ErrorCode,
    details: &'a Details,
    message: &'a str,
    status: &'static str,
}

impl<'a> From<&'a ApiError> for Failure<'a> {
    fn from(error: &'a ApiError) -> Self {
        Self {
            code: &error.code,
            details: &error.details,
            message: &error.message,
            status: "error",
        }
    }
}

#[derive(Serialize)]
struct Success<'a> {
    code: &'static str,
    details: SuccessDetails<'a>,
    message: &'static str,
    status: &'static str,
}

#[derive(Serialize)]
struct SuccessDetails<'a> {
    name: &'a str,
}

/// JSON of a value whose serialization cannot fail: maps with string keys, no foreign code.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// `{"portals":[{"name":…}]}`, the body of a create and of a rename.
pub(crate) fn encode_name(name: &PortalName) -> Vec<u8> {
    to_json(&Portals { portals: [Item { name }] })
}

/// Reads the body of a create or a rename.
pub(crate) fn parse_name(body: &[u8]) -> Result<PortalName, Refusal> {
    match valid_name(body) {
        Some(name) => Ok(name),
        None => parse_any(body),
    }
}

/// Reads a body as nearly all clients send it: a valid name and nothing else. In a third of the time
/// of [`parse_any`], which accepts more and knows what is wrong.
fn valid_name(body: &[u8]) -> Option<PortalName> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body<'a> {
        #[serde(borrow)]
        portals: [Item<'a>; 1],
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }
    let Body { portals: [item] } = serde_json::from_slice(body).ok()?;
    PortalName::parse(&item.name).ok()
}

/// Reads any body, in the order in which the service complains.
fn parse_any(body: &[u8]) -> Result<PortalName, Refusal> {
    let portals = || ApiError::invalid_data("portals", "$.portals");
    let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else {
        return Err(Refusal::Request(ApiError::invalid_body()));
    };
    let item = match body.remove("portals") {
        None => Err(ApiError::mandatory_not_found("portals", "$.portals")),
        Some(Value::Array(items)) => match <[Value; 1]>::try_from(items) {
            Ok([item]) => Ok(item),
            Err(items) if items.is_empty() => Err(portals().with("minimum_length", 1)),
            Err(_) => Err(portals().with("maximum_length", 1)),
        },
        Some(_) => Err(portals().with("expected_data_type", "jsonarray")),
    };
    parse_item(item.map_err(Refusal::Request)?).map_err(Refusal::Item)
}

fn parse_item(item: Value) -> Result<PortalName, ApiError> {
    const PATH: &str = "$.portals[0].name";
    let Value::Object(mut item) = item else {
        return Err(ApiError::new(400, ErrorCode::InvalidData, "invalid data")
            .with("expected_data_type", "jsonobject")
            .with("json_path", "$.portals[0]"));
    };
    match item.remove("name") {
        None => Err(ApiError::mandatory_not_found("name", PATH)),
        Some(Value::String(name)) => {
            PortalName::try_from(name).map_err(|invalid| ApiError::from(&invalid))
        }
        Some(_) => Err(ApiError::invalid_data("name", PATH).with("expected_data_type", "text")),
    }
}

/// The response to a create or rename that succeeded.
pub(crate) fn success(name: &str, message: &'static str) -> Response {
    let item =
        Success { code: "SUCCESS", details: SuccessDetails { name }, message, status: "success" };
    Response::new(200, to_json(&Portals { portals: [item] }))
}

/// Reads the response to a create or rename to `requested`; a success returns the name as the
/// service writes it.
pub(crate) fn decode_name(
    response: &Response,
    requested: &PortalName,
) -> Result<String, ResponseError> {
    let unreadable = |why| ResponseError::Unreadable(Unreadable::new(response, why));
    let body = read_object(response)?;
    if let Some(error) = refusal_in(&body, response.status) {
        return Err(ResponseError::Api(error));
    }
    let result = the_result(&body)
        .filter(|result| is(result, "code", "SUCCESS") && is(result, "status", "success"))
        .ok_or_else(|| unreadable(UnreadableReason::NoEnvelope))?;
    let echoed = match result.get("details").and_then(|details| details.get("name")) {
        None => Some(requested.as_str()),
        Some(echoed) => echoed.as_str(),
    };
    echoed
        .filter(|echoed| requested.is_same_as(echoed) && (200..300).contains(&response.status))
        .map(ToOwned::to_owned)
        .ok_or_else(|| unreadable(UnreadableReason::Contradiction))
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
    Err(ResponseError::Unreadable(Unreadable::new(response, why)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_name_is_what_any_reader_finds() {
        // What two readers of JSON could differ in: order, repetition, types, escapes, what follows.
        let parts: [&[&str]; 12] = [
            &["{"],
            &["", r#""portals":[],"#, r#""x":1e999,"#, r#""x":[1],"#],
            &[r#""portals""#, r#""x""#, r#""portal\u0073""#],
            &[":[{"],
            &["", r#""name":"AcmeOther","#, r#""x":null,"#],
            &["\"name\":"],
            &[
                r#""AcmePortal""#,
                r#""\u0041cmePortal""#,
                r#""my portal!""#,
                r#""Acme""#,
                "null",
                "[]",
            ],
            &["", r#","name":"AcmeOther""#, r#","x":"\ud800""#],
            &["}"],
            &["", ",{}", r#",{"name":"AcmeOther"}"#],
            &["]"],
            &["}", "},", "} x", r#","portals":[]}"#, " } "],
        ];
        let mut bodies = vec![String::new()];
        for texts in parts {
            let with = |body| texts.iter().map(move |text| format!("{body}{text}"));
            bodies = bodies.iter().flat_map(with).collect();
        }
        let mut valid = 0;
        for body in bodies {
            if let Some(name) = valid_name(body.as_bytes()) {
                assert_eq!(parse_any(body.as_bytes()), Ok(name), "{body}");
                valid += 1;
            }
        }
        // Two ways to write the key, two the name, two the end.
        assert_eq!(valid, 8);
    }
}
