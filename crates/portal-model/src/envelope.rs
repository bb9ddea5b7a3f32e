//! The two envelopes of a response, and the one of a request.
//!
//! The result of one item is inside `{"portals":[…]}` (wrapped); a result about the whole request is
//! at the top level (bare). Reading accepts both under any status, since sources disagree.

use serde::Serialize;
use serde::de::{MapAccess, SeqAccess};

use crate::endpoint::{Response, ResponseError, UnreadableReason};
use crate::error::{ApiError, Details, ErrorCode};
use crate::json::{Any, Dropped, FromJson, RawJson};
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
    let unreadable = |why| ResponseError::unreadable(response, why);
    let Some(result) = the_result(response)? else {
        return Err(unreadable(UnreadableReason::NoEnvelope));
    };
    if !(result.is_code_success() && is(result.status.as_ref(), "success")) {
        let error = result.into_refusal(response.status);
        return Err(
            error.map_or_else(|| unreadable(UnreadableReason::NoEnvelope), ResponseError::Api)
        );
    }
    let echoed = match result.details.and_then(|details| details.get("name")) {
        None => Some(requested.as_str().to_owned()),
        Some(echoed) => echoed.read(),
    };
    echoed
        .filter(|echoed| requested.is_same_as(echoed) && (200..300).contains(&response.status))
        .ok_or_else(|| unreadable(UnreadableReason::Contradiction))
}

/// The name in a success, whatever was requested.
pub(crate) fn name_in_success(response: &Response) -> Option<String> {
    let result = the_result(response).ok().filter(|_| (200..300).contains(&response.status))??;
    result.details.as_ref().filter(|_| result.is_code_success())?.get("name")?.read()
}

/// The rejection in a response, bare or wrapped, if it is one.
pub(crate) fn refusal(response: &Response) -> Result<Option<ApiError>, ResponseError> {
    Ok(the_result(response)?.and_then(|result| result.into_refusal(response.status)))
}

/// The result: wrapped, or the body itself; `None` unless there is exactly one.
fn the_result(response: &Response) -> Result<Option<ApiResult>, ResponseError> {
    let body = Body::<OneResult>::read(response)?;
    Ok(body.portals.map_or(Some(body.result), |OneResult(result)| result))
}

/// A body that is a JSON object, without what is not needed.
pub(crate) struct Body<P> {
    /// At the top level.
    pub(crate) result: ApiResult,
    /// What a list says of itself.
    pub(crate) info: Option<RawJson>,
    /// `None` if there is no such member.
    pub(crate) portals: Option<P>,
}

impl<P: FromJson> Body<P> {
    pub(crate) fn read(response: &Response) -> Result<Self, ResponseError> {
        let why = match serde_json::from_slice::<Any<Option<Self>>>(&response.body) {
            Ok(Any(Some(body))) => return Ok(body),
            Ok(Any(None)) => UnreadableReason::NoEnvelope,
            Err(_) if response.body.iter().all(u8::is_ascii_whitespace) => UnreadableReason::Empty,
            Err(_) => UnreadableReason::NotJson,
        };
        Err(ResponseError::unreadable(response, why))
    }
}

/// `None` if it is not an object.
impl<P: FromJson> FromJson for Option<Body<P>> {
    fn from_json(_: RawJson) -> Self {
        None
    }

    fn from_object<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut body = Body { result: ApiResult::default(), info: None, portals: None };
        // Of a member that occurs twice the last one counts, as in a map.
        while let Some(Any(member)) = members.next_key()? {
            match member {
                Member::Portals => body.portals = Some(members.next_value::<Any<P>>()?.0),
                Member::Info => body.info = Some(members.next_value()?),
                member => body.result.read(&member, &mut members)?,
            }
        }
        Ok(Some(body))
    }
}

/// The result of a request, or of its item: a success, an error, or neither.
#[derive(Default)]
pub(crate) struct ApiResult {
    code: Option<String>,
    status: Option<String>,
    message: Option<String>,
    details: Option<RawJson>,
}

impl ApiResult {
    fn is_code_success(&self) -> bool {
        is(self.code.as_ref(), "SUCCESS")
    }

    /// The error, if it has a code other than `SUCCESS` and the status `error`.
    pub(crate) fn into_refusal(self, http_status: u16) -> Option<ApiError> {
        let code = self.code.filter(|code| code != "SUCCESS")?;
        if !is(self.status.as_ref(), "error") {
            return None;
        }
        let message = self.message.unwrap_or_default();
        let mut error = ApiError::new(http_status, ErrorCode::from(code), message);
        if let Some(details) = self.details {
            error.details = Details(details);
        }
        Some(error)
    }

    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        member: &Member,
        members: &mut A,
    ) -> Result<(), A::Error> {
        match member {
            Member::Code => self.code = members.next_value::<Any<_>>()?.0,
            Member::Status => self.status = members.next_value::<Any<_>>()?.0,
            Member::Message => self.message = members.next_value::<Any<_>>()?.0,
            Member::Details => self.details = Some(members.next_value()?),
            Member::Portals | Member::Info | Member::Other => {
                members.next_value::<Dropped>()?;
            }
        }
        Ok(())
    }
}

/// `None` if it is not an object.
impl FromJson for Option<ApiResult> {
    fn from_json(_: RawJson) -> Self {
        None
    }

    fn from_object<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut result = ApiResult::default();
        while let Some(Any(member)) = members.next_key()? {
            result.read(&member, &mut members)?;
        }
        Ok(Some(result))
    }
}

/// A list of one result; `None` if it is anything else.
struct OneResult(Option<ApiResult>);

impl FromJson for OneResult {
    fn from_json(_: RawJson) -> Self {
        Self(None)
    }

    fn from_array<'de, A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let mut result = items.next_element::<Any<_>>()?.and_then(|Any(result)| result);
        while items.next_element::<Dropped>()?.is_some() {
            result = None;
        }
        Ok(Self(result))
    }
}

/// The name of a member that is read.
enum Member {
    Code,
    Details,
    Info,
    Message,
    Portals,
    Status,
    Other,
}

impl FromJson for Member {
    fn from_json(_: RawJson) -> Self {
        Self::Other
    }

    fn from_text(name: &str) -> Self {
        match name {
            "code" => Self::Code,
            "details" => Self::Details,
            "info" => Self::Info,
            "message" => Self::Message,
            "portals" => Self::Portals,
            "status" => Self::Status,
            _ => Self::Other,
        }
    }
}

fn is(text: Option<&String>, expected: &str) -> bool {
    text.is_some_and(|text| text.eq_ignore_ascii_case(expected))
}
