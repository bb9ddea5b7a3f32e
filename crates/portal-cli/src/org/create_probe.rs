//! Determines whether a token can create portals, by a create without a name: the service always
//! rejects it, and the error code tells.

use portal_http::client::{Client, ClientError};
use portal_model::{
    ApiError, ApiVersion, CreatePortal, Endpoint, ErrorCode, ListPortals, Method, PortalName,
    ReadOnly, Request, Response, ResponseError, Scope,
};

use crate::org::retry::{TRIES, retry};

/// The result of a create without a name.
#[derive(Debug)]
pub(crate) enum CanCreate {
    Yes,
    MissingScope,
    MissingPermission(ApiError),
    /// The org can't have portals, for example because it is a sandbox.
    NotHere(ApiError),
    /// The response does not tell.
    Undetermined(String),
}

/// Sends a create without a name, retrying transient failures.
///
/// # Errors
/// The service did not respond.
pub(crate) async fn probe(client: &Client) -> Result<CanCreate, ClientError> {
    let error = match retry(async || client.call(&NamelessCreate).await).await {
        Err(ClientError::Api(error)) => error,
        Err(error) => return Err(error),
        Ok(()) => {
            let why = "the service accepted a create without a name";
            return Ok(CanCreate::Undetermined(why.to_owned()));
        }
    };
    Ok(match error.code {
        ErrorCode::MandatoryNotFound => CanCreate::Yes,
        ErrorCode::OauthScopeMismatch => CanCreate::MissingScope,
        ErrorCode::NoPermission => CanCreate::MissingPermission(error),
        ErrorCode::ApiNotSupported => CanCreate::NotHere(error),
        _ => {
            let why = format!("the response does not show it, after {TRIES} tries: {error}");
            CanCreate::Undetermined(why)
        }
    })
}

struct NamelessCreate;

/// The service always rejects it.
impl ReadOnly for NamelessCreate {}

impl Endpoint for NamelessCreate {
    type Output = ();
    const SCOPES: &'static [Scope] = CreatePortal::SCOPES;

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Post, ListPortals.request(version).path)
            .with_body("application/json", br#"{"portals":[{}]}"#.to_vec())
    }

    fn decode(&self, response: &Response) -> Result<(), ResponseError> {
        // Any name works, because the response is a rejection.
        match PortalName::parse("nameless").map(|name| CreatePortal::new(name).decode(response)) {
            Ok(Err(rejection)) => Err(rejection),
            _ => Ok(()),
        }
    }
}
