//! `PUT /crm/{version}/settings/portals/{name}`
//!
//! Renames a portal of the token's org. The old name is free at once.

use crate::endpoint::{ApiVersion, Endpoint, Method, Request, Response, ResponseError};
use crate::envelope;
use crate::name::PortalName;
use crate::read::portal_path;
use crate::scope::Scope;

/// Rename a portal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenamePortal {
    /// The current name. Any text: portals with names that [`PortalName`] rejects may exist.
    pub old: String,
    /// The new name.
    pub new: PortalName,
}

impl RenamePortal {
    /// A rename of `old` to `new`.
    pub fn new(old: impl Into<String>, new: PortalName) -> Self {
        Self { old: old.into(), new }
    }
}

impl Endpoint for RenamePortal {
    /// The new name as the service writes it; its letters may differ in case.
    type Output = String;
    const SCOPES: &'static [Scope] = &[Scope::PORTAL_UPDATE];

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Put, portal_path(version, &self.old))
            .with_body("application/json", envelope::encode_name(&self.new))
    }

    fn decode(&self, response: &Response) -> Result<String, ResponseError> {
        envelope::decode_name(response, &self.new)
    }
}
