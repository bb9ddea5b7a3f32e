//! `GET /crm/{version}/settings/portals` and `GET /crm/{version}/settings/portals/{name}`
//!
//! Both read portals of the token's org: all of them, or the one of a name. After `ALREADY_USED`, 200 to
//! the second means that this org has the name and 204 that another org does.

use percent_encoding::utf8_percent_encode;
use serde::de::{MapAccess, SeqAccess};

use crate::endpoint::{
    ApiVersion, Endpoint, Method, ReadOnly, Request, Response, ResponseError, UNRESERVED,
    UnreadableReason,
};
use crate::envelope::{ApiResult, Body};
use crate::json::{Any, FromJson, RawJson};
use crate::name::is_same_name;
use crate::portal::{Portal, Record};
use crate::scope::Scope;

/// List the portals of the org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListPortals;

impl ReadOnly for ListPortals {}

impl Endpoint for ListPortals {
    /// In the order of the service.
    type Output = Vec<Portal>;
    const SCOPES: &'static [Scope] = &[Scope::PORTAL_READ];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Get, portals_path(version))
    }

    fn decode(&self, response: &Response) -> Result<Vec<Portal>, ResponseError> {
        decode_page(response).map(|(portals, _)| portals)
    }
}

/// Read one portal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetPortal {
    /// The name. Any text: portals with names that [`PortalName`](crate::PortalName) rejects may exist.
    pub name: String,
}

impl GetPortal {
    /// A request for the portal `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Fields by which a record without a name is a portal's.
const DETAILS: [&str; 4] = ["admin_zuid", "login_url", "saml_configuration", "zaid"];

impl ReadOnly for GetPortal {}

impl Endpoint for GetPortal {
    /// `None` if the org has no portal of that name.
    type Output = Option<Portal>;
    const SCOPES: &'static [Scope] = &[Scope::PORTAL_READ];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Get, portal_path(version, &self.name))
    }

    fn decode(&self, response: &Response) -> Result<Option<Portal>, ResponseError> {
        let mut records = records(response)?.0;
        // In the latest edition of the API the details have no name: it is that of the request.
        if let Records::One(record) = &mut records {
            record.name_if_any(&self.name, &DETAILS);
        }
        let mut portals = records
            .into_portals()
            .map_err(|why| ResponseError::unreadable(response, why))?
            .into_iter();
        let is_requested = |portal: &Portal| is_same_name(&portal.name, &self.name);
        match (portals.next(), portals.next()) {
            (None, _) => Ok(None),
            (Some(portal), None) if is_requested(&portal) => Ok(Some(portal)),
            _ => Err(ResponseError::unreadable(response, UnreadableReason::Contradiction)),
        }
    }
}

/// `/crm/{version}/settings/portals`
pub(crate) fn portals_path(version: ApiVersion) -> String {
    format!("/crm/{version}/settings/portals")
}

/// `/crm/{version}/settings/portals/{name}`
pub(crate) fn portal_path(version: ApiVersion, name: &str) -> String {
    format!("{}/{}", portals_path(version), utf8_percent_encode(name, UNRESERVED))
}

/// The portals of a list, and why there may be more of them, if so.
///
/// A list is one response, never paged, as far as any source shows; `info` is how the service marks its
/// other lists as incomplete.
pub(crate) fn decode_page(
    response: &Response,
) -> Result<(Vec<Portal>, Option<&'static str>), ResponseError> {
    let (records, info) = records(response)?;
    let portals = records.into_portals().map_err(|why| ResponseError::unreadable(response, why))?;
    let why = info.and_then(|info| incomplete(&info, portals.len()));
    Ok((portals, why))
}

/// Why a list of `count` records with this `info` is not all that there is.
fn incomplete(info: &RawJson, count: usize) -> Option<&'static str> {
    let Some(Any(Some(info))) = info.read::<Any<Option<Info>>>() else {
        return Some("what it says of itself is unreadable");
    };
    if info.has_more {
        return Some("it has more pages");
    }
    let differs = info.count.is_some_and(|counted| counted != count.to_string());
    differs.then_some("it has not as many portals as it says")
}

/// What a list says of itself.
#[derive(Default)]
struct Info {
    has_more: bool,
    count: Option<String>,
}

/// `None` if it is not an object.
impl FromJson for Option<Info> {
    fn from_json(_: RawJson) -> Self {
        None
    }

    fn from_object<'de, A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut info = Info::default();
        while let Some((name, Any(Spelled(value)))) = members.next_entry::<String, _>()? {
            if name == "count" {
                info.count = Some(value).filter(|count| count != "null");
            } else if name == "more_records" || name.starts_with("next") {
                info.has_more |= !matches!(value.as_str(), "" | "null" | "false");
            }
        }
        Ok(Some(info))
    }
}

/// A value in any spelling: a number or a flag may come as a text.
struct Spelled(String);

impl FromJson for Spelled {
    fn from_json(json: RawJson) -> Self {
        Self(json.as_str().to_owned())
    }

    fn from_text(text: &str) -> Self {
        Self(text.trim().to_ascii_lowercase())
    }
}

/// The records of a response, and what a list says of itself. 204 has none.
fn records(response: &Response) -> Result<(Records, Option<RawJson>), ResponseError> {
    if response.status == 204 {
        return Ok((Records::Several(Ok(Vec::new())), None));
    }
    let Body { result, info, portals } = Body::<ApiResult, Records>::read(response)?;
    // A single record may be the error of the request instead of a portal.
    let result = match &portals {
        None => Some(result),
        Some(Records::One(record)) => {
            record.read::<Any<Option<_>>>().and_then(|Any(result)| result)
        }
        Some(_) => None,
    };
    if let Some(error) = result.and_then(|result| result.into_refusal(response.status)) {
        return Err(ResponseError::Api(error));
    }
    let info = info.filter(|info| info.as_str() != "null");
    portals
        .filter(|_| response.status == 200)
        .map(|records| (records, info))
        .ok_or_else(|| ResponseError::unreadable(response, UnreadableReason::NoEnvelope))
}

/// The member `portals`.
enum Records {
    /// One record: it may be an error, or lack the name of the requested portal.
    One(Box<Record>),
    /// None or several portals, or why the first invalid record is invalid.
    Several(Result<Vec<Portal>, UnreadableReason>),
}

impl Records {
    /// A record without a name makes all of them unreadable: its portal could be the one that
    /// matters.
    fn into_portals(self) -> Result<Vec<Portal>, UnreadableReason> {
        match self {
            Self::One(record) => checked(Some(record)).map(|record| vec![record.into_portal()]),
            Self::Several(portals) => portals,
        }
    }
}

/// A record that is a portal.
fn checked(record: Option<Box<Record>>) -> Result<Box<Record>, UnreadableReason> {
    let record = record.ok_or(UnreadableReason::NoEnvelope)?;
    if record.is_portal() { Ok(record) } else { Err(UnreadableReason::NoName) }
}

impl FromJson for Records {
    fn from_json(_: RawJson) -> Self {
        Self::Several(Err(UnreadableReason::NoEnvelope))
    }

    fn from_array<'de, A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let Some(Any::<Option<Box<Record>>>(first)) = items.next_element()? else {
            return Ok(Self::Several(Ok(Vec::new())));
        };
        let Some(Any(second)) = items.next_element()? else {
            let one = first.map(Self::One);
            return Ok(one.unwrap_or(Self::Several(Err(UnreadableReason::NoEnvelope))));
        };
        let mut portals = Ok(Vec::new());
        let mut push = |record| match (&mut portals, checked(record)) {
            (Ok(list), Ok(record)) => list.push(record.into_portal()),
            (Ok(_), Err(why)) => portals = Err(why),
            (Err(_), _) => {}
        };
        push(first);
        push(second);
        // To the end, even after an invalid record: the rest may not be JSON.
        while let Some(Any(record)) = items.next_element()? {
            push(record);
        }
        Ok(Self::Several(portals))
    }
}

#[cfg(test)]
mod tests;
