//! `GET /crm/{version}/settings/portals/{name}`
//!
//! Reads one portal of the token's org. After `ALREADY_USED`, 200 means that this org has the
//! name and 204 that another org does.

use crate::endpoint::{
    ApiVersion, Endpoint, Method, Request, Response, ResponseError, Unreadable, UnreadableReason,
};
use crate::list::{ListPortals, decode_portals, portals_path};
use crate::percent;
use crate::portal::Portal;
use crate::scope::Scope;

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
        Self::new(percent::decode(segment))
    }

    /// The server's side: 200 with the portal, 204 if the org has none of that name.
    pub fn answer(portal: Option<&Portal>) -> Response {
        ListPortals::answer(portal.map_or(&[], std::slice::from_ref))
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

/// `/crm/{version}/settings/portals/{name}`
pub(crate) fn portal_path(version: ApiVersion, name: &str) -> String {
    format!("{}/{}", portals_path(version), percent::encode(name))
}
