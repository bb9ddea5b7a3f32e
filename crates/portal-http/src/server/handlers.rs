//! The operations under `/crm`: portals, and the user and org that the official SDKs request
//! before anything else.

use portal_model::oauth::TokenRequest;
use portal_model::{
    ApiError, ApiVersion, CreatePortal, ErrorCode, GetPortal, ListPortals, Refusal, RenamePortal,
    Response,
};
use portal_store::{CreateConflict, Permission, Principal, Registry, RenameConflict};
use serde_json::json;

use super::request::ServerRequest;
use super::response::RequestError;
use super::route::Operation;
use super::state::ServiceState;

/// Performs `operation` for a principal who is authorized.
pub(super) async fn perform<R: Registry>(
    state: &ServiceState<R>,
    request: &ServerRequest,
    version: ApiVersion,
    operation: &Operation,
    principal: &Principal,
) -> Result<Response, RequestError> {
    let org = principal.org.id;
    match operation {
        Operation::List => Ok(ListPortals::response(&state.registry.portals(org).await?)),
        Operation::Get(name) => {
            Ok(GetPortal::response(state.registry.portal(org, name).await?.as_ref()))
        }
        Operation::Create => create(state, request, version, principal).await,
        Operation::Rename(old) => rename(state, request, version, old, principal).await,
        Operation::CurrentUser => current_user(request.head.uri.query(), principal),
        Operation::Org => Ok(current_org(principal)),
    }
}

async fn create<R: Registry>(
    state: &ServiceState<R>,
    request: &ServerRequest,
    version: ApiVersion,
    principal: &Principal,
) -> Result<Response, RequestError> {
    let CreatePortal { name, .. } = CreatePortal::parse(request.complete_body()?)?;
    let (org, user) = (principal.org.id, principal.user.id);
    match state.registry.create_portal(org, user, &name, state.now()).await? {
        Ok(()) => Ok(CreatePortal::response(version, name.as_str())),
        Err(CreateConflict::LimitReached) => Err(ApiError::limit_reached(1).into()),
        // About the item, while the limit is about the org: the envelopes differ.
        Err(CreateConflict::NameTaken) => Err(Refusal::Item(ApiError::already_used()).into()),
    }
}

async fn rename<R: Registry>(
    state: &ServiceState<R>,
    request: &ServerRequest,
    version: ApiVersion,
    old: &str,
    principal: &Principal,
) -> Result<Response, RequestError> {
    let RenamePortal { new, .. } = RenamePortal::parse(old, request.complete_body()?)?;
    let (org, user) = (principal.org.id, principal.user.id);
    match state.registry.rename_portal(org, user, old, &new, state.now()).await? {
        Ok(portal) => Ok(RenamePortal::response(version, &portal.name)),
        Err(RenameConflict::NotFound) => Err(ApiError::no_such_portal().into()),
        Err(RenameConflict::NameTaken) => Err(Refusal::Item(ApiError::already_used()).into()),
    }
}

/// `GET /crm/{version}/users?type=CurrentUser`; no other type is supported.
fn current_user(query: Option<&str>, principal: &Principal) -> Result<Response, RequestError> {
    let is_current_user = TokenRequest::parameters(query.unwrap_or_default())
        .any(|(name, value)| name == "type" && value == "CurrentUser");
    if !is_current_user {
        return Err(ApiError::new(400, ErrorCode::InvalidData, "invalid data")
            .with("param_name", "type")
            .with("supported_values", vec!["CurrentUser"])
            .into());
    }
    let user = &principal.user;
    let (first_name, last_name) = match user.name.rsplit_once(' ') {
        Some((first, last)) => (Some(first), last),
        None => (None, user.name.as_str()),
    };
    let profile =
        if user.permissions.len() == Permission::ALL.len() { "Administrator" } else { "Standard" };
    let id = user.id.to_string();
    let body = json!({"users": [{
        "id": id,
        "zuid": id,
        "email": user.email,
        "full_name": user.name,
        "first_name": first_name,
        "last_name": last_name,
        "profile": {"name": profile, "id": id},
        "status": "active",
        "confirm": true,
    }]});
    Ok(Response::new(200, body.to_string()))
}

/// `GET /crm/{version}/org`
fn current_org(principal: &Principal) -> Response {
    let id = principal.org.id.to_string();
    let body = json!({"org": [{
        "id": id,
        "zgid": id,
        "company_name": principal.org.name,
        "primary_email": principal.user.email,
    }]});
    Response::new(200, body.to_string())
}
