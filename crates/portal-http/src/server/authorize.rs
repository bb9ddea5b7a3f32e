//! Whether a request is permitted: access token, quota, scope, environment and permission, in the
//! order in which the service checks them.

use std::sync::Arc;

use http::request::Parts;
use portal_model::server::rejections;
use portal_model::{
    ApiError, ApiVersion, CreatePortal, Endpoint, Environment, GetOrg, ListPortals, RenamePortal,
    Scope,
};
use portal_store::{Permission, Principal, Registry};

use super::request::{access_token, check_codings};
use super::response::ServerResponse;
use super::route::{Operation, Route};
use super::state::ServiceState;

/// What a request may reach, decided by its head alone.
#[derive(Debug)]
pub(super) enum Access {
    Crm { version: ApiVersion, operation: Operation, principal: Arc<Principal> },
    Token,
    Revoke,
    OpenApi,
}

/// Checks path, method, access token and codings.
pub(super) async fn access<R: Registry>(
    state: &ServiceState<R>,
    head: &Parts,
) -> Result<Access, ServerResponse> {
    let access = match Route::of(&head.method, head.uri.path())? {
        Route::Crm(version, operation) => {
            let token = access_token(&head.headers, state.schemes)
                .ok_or_else(rejections::authentication_failure)?;
            let principal = state.registry.authenticate(token, state.now()).await?;
            let principal = principal.ok_or_else(rejections::invalid_token)?;
            Access::Crm { version, operation, principal }
        }
        Route::Token => Access::Token,
        Route::Revoke => Access::Revoke,
        Route::OpenApi => Access::OpenApi,
    };
    check_codings(&head.headers)?;
    Ok(access)
}

/// Whether the token's scopes and the user's permissions cover the operation.
pub(super) fn authorize(principal: &Principal, operation: &Operation) -> Result<(), ApiError> {
    let (scopes, permissions): (&[Scope], &[Permission]) = match operation {
        // The official SDKs request the current user with whatever scope the token has.
        Operation::Users => return Ok(()),
        Operation::Org => (GetOrg::SCOPES, &[]),
        Operation::List | Operation::Get(_) => (ListPortals::SCOPES, &[Permission::ManagePortal]),
        Operation::Create => (CreatePortal::SCOPES, &Permission::ALL),
        Operation::Rename(_) => (RenamePortal::SCOPES, &Permission::ALL),
    };
    if !Scope::any_covers(&principal.scopes, scopes) {
        return Err(rejections::scope_mismatch());
    }
    // The org itself works in a sandbox too.
    if permissions.is_empty() {
        return Ok(());
    }
    // Documented as unsupported in a sandbox for everyone, so permissions come after it.
    if principal.org.environment == Environment::Sandbox {
        return Err(rejections::not_in_sandbox());
    }
    let granted = &principal.user.permissions;
    let missing: Vec<_> =
        permissions.iter().filter(|permission| !granted.contains(permission)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(rejections::no_permission(missing.into_iter().map(|permission| permission.api_name())))
}
