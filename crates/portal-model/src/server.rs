//! The server's side of the endpoints: reads requests and writes responses, for a stand-in of the
//! service. Needs the feature `server`.
//!
//! Reading accepts any bytes; writing is exact.
//!
//! ```
//! use portal_model::{ApiVersion, server};
//!
//! let body = br#"{"portals":[{"name":"my portal"}]}"#;
//! let response = match server::parse_create(body) {
//!     Ok(create) => server::created(ApiVersion::V7, create.name.as_str()),
//!     Err(refusal) => refusal.response(),
//! };
//! assert_eq!(response.status, 400);
//! ```
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | contents |
//! |---|---|
//! | `body` | the body of a create and of a rename |
//! | `refusal` | [`Refusal`] |
//! | `rejections` | what the service rejects, and how |
//! | `tokens` | the accounts server's side |

mod body;
mod refusal;
pub mod rejections;
mod tokens;

use percent_encoding::percent_decode_str;

use crate::create::CreatePortal;
use crate::endpoint::{ApiVersion, Response};
use crate::envelope::{Named, Portals, to_json};
use crate::portal::Portal;
use crate::rename::RenamePortal;

pub use refusal::Refusal;
use refusal::Reply;
pub use tokens::{
    form_parameters, granted, parse_token_request, revoked, token_refused, tokens_rate_limited,
};

/// Reads the body of a create. No content type is needed: the documented example sends a wrong one,
/// and the official SDKs send none.
///
/// # Errors
/// The service's response to such a body, as a [`Refusal`].
pub fn parse_create(body: &[u8]) -> Result<CreatePortal, Refusal> {
    body::parse_name(body).map(CreatePortal::new)
}

/// Reads the body of a rename, a request to `/portals/{old}`, where `old` is already decoded.
///
/// # Errors
/// The service's response to such a body, as a [`Refusal`].
pub fn parse_rename(old: impl Into<String>, body: &[u8]) -> Result<RenamePortal, Refusal> {
    body::parse_name(body).map(|new| RenamePortal::new(old, new))
}

/// The name in the last segment of a path.
pub fn parse_segment(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// The response that `name` was created.
pub fn created(version: ApiVersion, name: &str) -> Response {
    let message = match version {
        ApiVersion::V8 => "Portal created successfully",
        _ => "Portal created successfully with given name.",
    };
    success(name, message)
}

/// The response that the portal is now named `name`.
pub fn renamed(version: ApiVersion, name: &str) -> Response {
    let message = match version {
        ApiVersion::V8 => "Portal updated successfully",
        _ => "Portal renamed successfully with given name.",
    };
    success(name, message)
}

/// The response to a list: 200 with `portals` in the order of their creation, 204 if there are none.
pub fn list(portals: &[Portal]) -> Response {
    if portals.is_empty() {
        Response::new(204, "")
    } else {
        Response::new(200, to_json(&Portals { portals }))
    }
}

/// The response about one portal: 200 with it, 204 if the org has none of that name.
pub fn portal(portal: Option<&Portal>) -> Response {
    list(portal.map_or(&[], std::slice::from_ref))
}

/// The response to a create or rename that succeeded.
fn success(name: &str, message: &str) -> Response {
    let details = Named { name };
    let item = Reply { code: "SUCCESS", details, message, status: "success" };
    Response::new(200, to_json(&Portals { portals: [item] }))
}
