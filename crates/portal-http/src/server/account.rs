//! `GET /crm/{version}/users?type=CurrentUser` and `GET /crm/{version}/org`: what the official SDKs
//! look up before they make their first call.

use portal_model::oauth::TokenRequest;
use portal_model::{ApiError, ErrorCode, Response};
use portal_store::{Permission, Principal};
use serde_json::json;

use super::reply::Refused;

/// The user of the token, the only one that can be asked for.
pub(super) fn current_user(
    query: Option<&str>,
    principal: &Principal,
) -> Result<Response, Refused> {
    let asks_for_it = TokenRequest::parameters(query.unwrap_or_default())
        .any(|(name, value)| name == "type" && value == "CurrentUser");
    if !asks_for_it {
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

/// The org of the token.
pub(super) fn org(principal: &Principal) -> Response {
    let id = principal.org.id.to_string();
    let body = json!({"org": [{
        "id": id,
        "zgid": id,
        "company_name": principal.org.name,
        "primary_email": principal.user.email,
    }]});
    Response::new(200, body.to_string())
}
