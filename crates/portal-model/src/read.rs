//! `GET /crm/{version}/settings/portals` and `GET /crm/{version}/settings/portals/{name}`
//!
//! Both read portals of the token's org: all of them, or the one of a name. After `ALREADY_USED`, 200 to
//! the second means that this org has the name and 204 that another org does.

use percent_encoding::{percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use crate::endpoint::{
    ApiVersion, Endpoint, Method, Request, Response, ResponseError, UNRESERVED, Unreadable,
    UnreadableReason,
};
use crate::envelope::{self, Portals};
use crate::portal::Portal;
use crate::scope::Scope;

/// List the portals of the org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListPortals;

impl ListPortals {
    /// The server's side: 200 with `portals` in the order of their creation, 204 if there are none.
    pub fn response(portals: &[Portal]) -> Response {
        if portals.is_empty() {
            Response::new(204, "")
        } else {
            Response::new(200, envelope::to_json(&Portals::new(portals)))
        }
    }
}

impl Endpoint for ListPortals {
    /// In the order of the service.
    type Output = Vec<Portal>;
    const SCOPES: &'static [Scope] = &[Scope::PORTAL_READ];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Get, portals_path(version))
    }

    fn decode(&self, response: &Response) -> Result<Vec<Portal>, ResponseError> {
        decode_portals(response)
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

    /// The server's side: the name in the last segment of a path.
    pub fn parse(segment: &str) -> Self {
        Self::new(percent_decode_str(segment).decode_utf8_lossy())
    }

    /// The server's side: 200 with the portal, 204 if the org has none of that name.
    pub fn response(portal: Option<&Portal>) -> Response {
        ListPortals::response(portal.map_or(&[], std::slice::from_ref))
    }
}

impl Endpoint for GetPortal {
    /// `None` if the org has no portal of that name.
    type Output = Option<Portal>;
    const SCOPES: &'static [Scope] = &[Scope::PORTAL_READ];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Get, portal_path(version, &self.name))
    }

    fn decode(&self, response: &Response) -> Result<Option<Portal>, ResponseError> {
        let mut portals = decode_portals(response)?.into_iter();
        let is_asked_for = |portal: &Portal| portal.name.to_lowercase() == self.name.to_lowercase();
        match (portals.next(), portals.next()) {
            (None, _) => Ok(None),
            (Some(portal), None) if is_asked_for(&portal) => Ok(Some(portal)),
            _ => Err(ResponseError::Unreadable(Unreadable::new(
                response,
                UnreadableReason::Contradiction,
            ))),
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

/// Reads the response to a list or a get: 204 is an empty list, and a record without a name makes
/// the whole unreadable, since it could be the one that is looked for.
pub(crate) fn decode_portals(response: &Response) -> Result<Vec<Portal>, ResponseError> {
    decode_page(response).map(|(portals, _)| portals)
}

/// The portals of a response, and whether the service says that there are more.
///
/// A list is one response, never paged, as far as any source says; `info.more_records` is how the
/// service's other lists say otherwise.
pub(crate) fn decode_page(response: &Response) -> Result<(Vec<Portal>, bool), ResponseError> {
    if response.status == 204 {
        return Ok((Vec::new(), false));
    }
    let mut body = envelope::read_object(response)?;
    if let Some(error) = envelope::refusal_in(&body, response.status) {
        return Err(ResponseError::Api(error));
    }
    let unreadable = |why| ResponseError::Unreadable(Unreadable::new(response, why));
    if response.status != 200 {
        return Err(unreadable(UnreadableReason::NoEnvelope));
    }
    let more = body.get("info").and_then(|info| info.get("more_records")?.as_bool());
    let portals = match body.remove("portals") {
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| {
                serde_json::from_value(item).map_err(|_| unreadable(UnreadableReason::NoEnvelope))
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(unreadable(UnreadableReason::NoEnvelope)),
    };
    Ok((portals, more == Some(true)))
}
