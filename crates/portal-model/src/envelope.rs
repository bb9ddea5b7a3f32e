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
    let result = the_result::<Success>(response)?;
    let Some(success) = result.filter(|result| result.has_code && result.has_status) else {
        let error = refusal(response)?;
        return Err(
            error.map_or_else(|| unreadable(UnreadableReason::NoEnvelope), ResponseError::Api)
        );
    };
    let echoed = match success.echoed {
        Echoed::Nothing => Some(requested.as_str().to_owned()),
        Echoed::Name(name) => name,
    };
    echoed
        .filter(|echoed| requested.is_same_as(echoed) && (200..300).contains(&response.status))
        .ok_or_else(|| unreadable(UnreadableReason::Contradiction))
}

/// The name in a success, whatever was requested.
pub(crate) fn name_in_success(response: &Response) -> Option<String> {
    match the_result::<Success>(response).ok()??.echoed {
        Echoed::Name(name) if (200..300).contains(&response.status) => name,
        _ => None,
    }
}

/// The rejection in a response, bare or wrapped, if it is one.
pub(crate) fn refusal(response: &Response) -> Result<Option<ApiError>, ResponseError> {
    let result = the_result::<ApiResult>(response)?;
    Ok(result.and_then(|result| result.into_refusal(response.status)))
}

/// The result: wrapped, or the body itself; `None` unless there is exactly one.
fn the_result<R: ReadMember>(response: &Response) -> Result<Option<R>, ResponseError> {
    let body = Body::<R, OneResult<R>>::read(response)?;
    Ok(body.portals.map_or(Some(body.result), |OneResult(result)| result))
}

/// A body that is a JSON object, without what is not needed.
pub(crate) struct Body<R, P> {
    /// At the top level.
    pub(crate) result: R,
    /// What a list says of itself.
    pub(crate) info: Option<RawJson>,
    /// `None` if there is no such member.
    pub(crate) portals: Option<P>,
}

impl<R: ReadMember, P: FromJson> Body<R, P> {
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
impl<R: ReadMember, P: FromJson> FromJson for Option<Body<R, P>> {
    fn from_json(_: RawJson) -> Self {
        None
    }

    fn from_object<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut body = Body { result: R::default(), info: None, portals: None };
        // Of a member that occurs twice the last one counts, as in a map.
        while let Some(Any(member)) = members.next_key()? {
            match member {
                Member::Portals => body.portals = Some(members.next_value::<Any<P>>()?.0),
                Member::Info => body.info = Some(members.next_value()?),
                member => body.result.read_member(&member, &mut members)?,
            }
        }
        Ok(Some(body))
    }
}

/// The result of a request, or of its item, as far as it is needed.
pub(crate) trait ReadMember: Default {
    /// Reads the value of a member.
    fn read_member<'de, A: MapAccess<'de>>(
        &mut self,
        member: &Member,
        members: &mut A,
    ) -> Result<(), A::Error>;
}

/// As an error.
#[derive(Default)]
pub(crate) struct ApiResult {
    code: Option<String>,
    status: Option<String>,
    message: Option<String>,
    details: Option<RawJson>,
}

impl ApiResult {
    /// The error, if it has a code other than `SUCCESS` and the status `error`.
    pub(crate) fn into_refusal(self, http_status: u16) -> Option<ApiError> {
        let code = self.code.filter(|code| code != "SUCCESS")?;
        self.status.filter(|status| status.eq_ignore_ascii_case("error"))?;
        let message = self.message.unwrap_or_default();
        let mut error = ApiError::new(http_status, ErrorCode::from(code), message);
        if let Some(details) = self.details {
            error.details = Details(details);
        }
        Some(error)
    }
}

impl ReadMember for ApiResult {
    fn read_member<'de, A: MapAccess<'de>>(
        &mut self,
        member: &Member,
        members: &mut A,
    ) -> Result<(), A::Error> {
        match member {
            Member::Code => self.code = members.next_value::<Any<_>>()?.0,
            Member::Status => self.status = members.next_value::<Any<_>>()?.0,
            Member::Message => self.message = members.next_value::<Any<_>>()?.0,
            Member::Details => self.details = Some(members.next_value()?),
            Member::Portals | Member::Info | Member::Name | Member::Other => {
                members.next_value::<Dropped>()?;
            }
        }
        Ok(())
    }
}

/// As a success.
#[derive(Default)]
struct Success {
    has_code: bool,
    has_status: bool,
    echoed: Echoed,
}

impl ReadMember for Success {
    fn read_member<'de, A: MapAccess<'de>>(
        &mut self,
        member: &Member,
        members: &mut A,
    ) -> Result<(), A::Error> {
        match member {
            Member::Code => Any(IsSuccess(self.has_code)) = members.next_value()?,
            Member::Status => Any(IsSuccess(self.has_status)) = members.next_value()?,
            Member::Details => Any(self.echoed) = members.next_value()?,
            _ => {
                members.next_value::<Dropped>()?;
            }
        }
        Ok(())
    }
}

/// A code or a status that says so.
struct IsSuccess(bool);

impl FromJson for IsSuccess {
    fn from_json(_: RawJson) -> Self {
        Self(false)
    }

    fn from_text(text: &str) -> Self {
        Self(text.eq_ignore_ascii_case("SUCCESS"))
    }
}

/// The name in the details of a success.
#[derive(Default)]
enum Echoed {
    #[default]
    Nothing,
    /// `None` if it is not a text.
    Name(Option<String>),
}

impl FromJson for Echoed {
    fn from_json(_: RawJson) -> Self {
        Self::Nothing
    }

    fn from_object<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut echoed = Self::Nothing;
        while let Some(Any(member)) = members.next_key()? {
            if matches!(member, Member::Name) {
                echoed = Self::Name(members.next_value::<Any<_>>()?.0);
            } else {
                members.next_value::<Dropped>()?;
            }
        }
        Ok(echoed)
    }
}

/// `None` if it is not an object.
impl<R: ReadMember> FromJson for Option<R> {
    fn from_json(_: RawJson) -> Self {
        None
    }

    fn from_object<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut result = R::default();
        while let Some(Any(member)) = members.next_key()? {
            result.read_member(&member, &mut members)?;
        }
        Ok(Some(result))
    }
}

/// A list of one result; `None` if it is anything else.
struct OneResult<R>(Option<R>);

impl<R: ReadMember> FromJson for OneResult<R> {
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
pub(crate) enum Member {
    Code,
    Details,
    Info,
    Message,
    Name,
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
            "name" => Self::Name,
            "portals" => Self::Portals,
            "status" => Self::Status,
            _ => Self::Other,
        }
    }
}
