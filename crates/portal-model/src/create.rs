//! `POST /crm/{version}/settings/portals`
//!
//! Creates a portal in the token's org. It cannot be undone, and after a lost response it is not
//! known whether it happened: a [`Flow`](crate::flow::Flow) is the safe way to send it.

use crate::endpoint::{ApiVersion, Endpoint, Method, Request, Response, ResponseError};
use crate::envelope;
use crate::name::PortalName;
use crate::read::portals_path;
use crate::scope::Scope;

/// Create a portal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatePortal {
    /// The name of the portal.
    pub name: PortalName,
}

impl CreatePortal {
    /// A create of `name`.
    pub fn new(name: PortalName) -> Self {
        Self { name }
    }
}

impl Endpoint for CreatePortal {
    /// The name as the service writes it; its letters may differ in case.
    type Output = String;
    const SCOPES: &'static [Scope] = &[Scope::PORTAL_CREATE];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Post, portals_path(version))
            .with_body("application/json", envelope::encode_name(&self.name))
    }

    fn decode(&self, response: &Response) -> Result<String, ResponseError> {
        envelope::decode_name(response, &self.name)
    }
}
