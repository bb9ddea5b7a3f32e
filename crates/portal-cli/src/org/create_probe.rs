//! Whether a token can create a portal: a create without a name, which the service always rejects,
//! with the reason.

use portal_http::client::{Client, ClientError};
use portal_model::{
    ApiError, ApiVersion, CreatePortal, Endpoint, ErrorCode, ListPortals, Method, PortalName,
    Request, Response, ResponseError, Scope,
};

use crate::org::retry::{TRIES, retry};

/// What a create without a name shows.
#[derive(Debug)]
pub(crate) enum CanCreate {
    Yes,
    MissingScope,
    MissingPermission(ApiError),
    /// The org cannot have a portal, such as a sandbox.
    NotHere(ApiError),
    /// The response does not show it.
    Undetermined(String),
}

/// Sends a create without a name, again if the failure is one that passes.
///
/// # Errors
/// There was no response of the service.
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

impl Endpoint for NamelessCreate {
    type Output = ();
    const SCOPES: &'static [Scope] = CreatePortal::SCOPES;

    fn request(&self, version: ApiVersion) -> Request {
        Request::new(Method::Post, ListPortals.request(version).path)
            .with_body("application/json", br#"{"portals":[{}]}"#.to_vec())
    }

    fn decode(&self, response: &Response) -> Result<(), ResponseError> {
        // Any name will do: the response is a rejection.
        match PortalName::parse("nameless").map(|name| CreatePortal::new(name).decode(response)) {
            Ok(Err(rejection)) => Err(rejection),
            _ => Ok(()),
        }
    }
}
