//! A received request: faults before the operation, the operation, faults after it, and the
//! access log.

use std::time::Instant;

use portal_model::oauth::{AccessToken, TOKEN_PATH};
use portal_model::{ApiVersion, Response};
use portal_store::Registry;

use super::access_log::AccessLogEntry;
use super::authorize::{admit, authenticate, authorize};
use super::fault::Point;
use super::request::{ServerRequest, bearer};
use super::response::{RequestError, ServerResponse};
use super::route::{Operation, Route};
use super::state::ServiceState;
use super::{handlers, oauth};

/// Responds to `request` and reports it to the access log.
pub(super) async fn dispatch<R: Registry>(
    state: &ServiceState<R>,
    request: &ServerRequest,
) -> ServerResponse {
    let started = Instant::now();
    let response = ServerResponse::from(with_faults(state, request).await);
    if let Some(on_request) = &state.on_request {
        on_request(&AccessLogEntry {
            method: request.head.method.clone(),
            path: request.path().to_owned(),
            org: response.org.clone(),
            status: response.status(),
            code: response.code.clone(),
            elapsed: started.elapsed(),
        });
    }
    response
}

async fn with_faults<R: Registry>(
    state: &ServiceState<R>,
    request: &ServerRequest,
) -> Result<ServerResponse, RequestError> {
    let (method, path) = (&request.head.method, request.path());
    let token = bearer(&request.head.headers);
    let is_token_request = path == TOKEN_PATH;
    let injected = state.faults.strike(Point::Request, method, path);
    if let Some(token) = token.filter(|_| injected.expire) {
        state.registry.end_access_token(token).await?;
    }
    injected.wait().await;
    if let Some(fault) = injected.ending {
        let nothing_done = ServerResponse::from(Response::new(204, ""));
        return Ok(nothing_done.with_fault(fault, is_token_request));
    }
    let response = operate(state, request).await;
    // Faults at `committed` are for requests that took effect; a refused one did nothing.
    if !response.is_success() {
        return Ok(response);
    }
    let injected = state.faults.strike(Point::Committed, method, path);
    if injected.expire {
        if let Ok(granted) = AccessToken::decode(&response.response) {
            state.registry.end_access_token(granted.access_token.expose()).await?;
        } else if let Some(token) = token {
            state.registry.end_access_token(token).await?;
        }
    }
    injected.wait().await;
    Ok(match injected.ending {
        Some(fault) => response.with_fault(fault, is_token_request),
        None => response,
    })
}

async fn operate<R: Registry>(state: &ServiceState<R>, request: &ServerRequest) -> ServerResponse {
    match Route::of(&request.head.method, request.path()) {
        Ok(Route::Crm(version, operation)) => crm(state, request, version, &operation).await,
        Ok(Route::Token) => oauth::token(state, request).await.into(),
        Ok(Route::Revoke) => oauth::revoke(state, request).await.into(),
        Err(error) => error.into(),
    }
}

async fn crm<R: Registry>(
    state: &ServiceState<R>,
    request: &ServerRequest,
    version: ApiVersion,
    operation: &Operation,
) -> ServerResponse {
    let principal = match authenticate(state, &request.head.headers).await {
        Ok(principal) => principal,
        Err(error) => return error.into(),
    };
    let admission = match admit(state, &principal) {
        Ok(admission) => admission,
        Err(limited) => {
            return ServerResponse::from(RequestError::from(limited)).for_principal(&principal);
        }
    };
    let result = match authorize(&principal, operation) {
        Ok(()) => handlers::perform(state, request, version, operation, &principal).await,
        Err(error) => Err(error.into()),
    };
    ServerResponse::from(result).for_principal(&principal).with_admission(admission)
}
