//! A received request: faults before the operation, the operation, faults after it, and the
//! access log.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::request::Parts;
use portal_model::Response;
use portal_model::oauth::{AccessToken, TOKEN_PATH};
use portal_store::Registry;

use super::authorize::{Access, access, authorize};
use super::fault::{FaultSpec, Point};
use super::handlers::Call;
use super::log_limit::log_limited;
use super::past_lists::PastLists;
use super::request::{ServerRequest, access_token};
use super::response::ServerResponse;
use super::route::{Operation, Route};
use super::served_request::ServedRequest;
use super::state::ServiceState;
use super::{OPENAPI, oauth};

/// Responds to `request` and reports it to the access log.
pub(super) async fn dispatch<R: Registry>(
    state: &ServiceState<R>,
    request: &ServerRequest,
    access: Result<Access, ServerResponse>,
) -> ServerResponse {
    let (received, started) = (SystemTime::now(), Instant::now());
    let mut faults = Vec::new();
    let response = with_faults(state, request, access, &mut faults).await.into();
    let body = request.complete_body().unwrap_or_default();
    state.report(&ServedRequest {
        received,
        elapsed: started.elapsed(),
        head: &request.head,
        body,
        response: &response,
        faults: &faults,
    });
    response
}

/// The response to a request beyond the bound on requests in flight.
pub(super) fn overloaded(head: &Parts) -> ServerResponse {
    log_limited!(warn, "too many requests in flight: responding with 429");
    let is_token_request = head.uri.path() == TOKEN_PATH;
    ServerResponse::rate_limited(is_token_request, Some(Duration::from_secs(1)))
}

/// Reports a request that was rejected by its head alone.
pub(super) fn rejected<R>(
    state: &ServiceState<R>,
    head: &Parts,
    response: ServerResponse,
) -> ServerResponse {
    state.report(&ServedRequest {
        received: SystemTime::now(),
        elapsed: Duration::ZERO,
        head,
        body: b"",
        response: &response,
        faults: &[],
    });
    response
}

async fn with_faults<R: Registry>(
    state: &ServiceState<R>,
    request: &ServerRequest,
    mut allowed: Result<Access, ServerResponse>,
    faults: &mut Vec<FaultSpec>,
) -> Result<ServerResponse, ServerResponse> {
    let (method, path) = (&request.head.method, request.path());
    let token = access_token(&request.head.headers, state.schemes);
    let is_token_request = path == TOKEN_PATH;
    let mut injected = state.faults.check(Point::Request, method, path);
    faults.append(&mut injected.faults);
    if let Some(token) = token.filter(|_| injected.expire) {
        state.registry.expire_access_token(token).await?;
        // The token was checked before the body was read and the fault injected.
        if allowed.is_ok() {
            allowed = access(state, &request.head).await;
        }
    }
    injected.wait().await;
    if let Some(fault) = injected.response {
        let nothing_done = ServerResponse::from(Response::new(204, ""));
        return Ok(nothing_done.with_fault(fault, is_token_request));
    }
    let response = match allowed? {
        Access::Crm { version, operation, principal } => {
            let call = Call { state, request, version, principal: &principal };
            let mut response = crm(&call, &operation, injected.past).await;
            response.principal = Some(principal);
            response
        }
        Access::Token => oauth::token(state, request).await.into(),
        Access::Revoke => oauth::revoke(state, request).await.into(),
        Access::OpenApi => Response::new(200, OPENAPI).into(),
    };
    // Faults at `committed` are for requests that took effect; a failed one did nothing.
    if response.code.is_some() {
        return Ok(response);
    }
    let mut injected = state.faults.check(Point::Committed, method, path);
    faults.append(&mut injected.faults);
    if injected.expire {
        if let Ok(granted) = AccessToken::decode(&response.response) {
            state.registry.expire_access_token(granted.access_token.expose()).await?;
        } else if let Some(token) = token {
            state.registry.expire_access_token(token).await?;
        }
    }
    injected.wait().await;
    Ok(match injected.response {
        Some(fault) => response.with_fault(fault, is_token_request),
        None => response,
    })
}

async fn crm<R: Registry>(
    call: &Call<'_, R>,
    operation: &Operation,
    past: Option<Arc<PastLists>>,
) -> ServerResponse {
    let principal = call.principal;
    // Before authorization: a request without scope or permission costs as much as any other.
    let admitted = call
        .state
        .quotas
        .as_ref()
        .map(|quotas| quotas.admit(principal.org.id, &principal.client_id, call.state.now()));
    let (result, admission) = match (admitted.transpose(), authorize(principal, operation)) {
        (Err(wait), _) => (Err(ServerResponse::rate_limited(false, Some(wait))), None),
        (Ok(admission), Err(error)) => (Err(error.into()), admission),
        (Ok(admission), Ok(())) => {
            record_lists(call).await;
            let result = call.perform(operation, past.as_deref()).await;
            record_lists(call).await;
            (result, admission)
        }
    };
    let mut response = ServerResponse::from(result);
    response.admission = admission;
    response
}

/// Records the list of the org for later stale ones, before a request that may change it and after.
async fn record_lists<R: Registry>(call: &Call<'_, R>) {
    let Call { state, request, principal, .. } = call;
    if Route::is_change(&request.head.method) {
        for past in state.faults.past_lists() {
            // A registry that fails here fails the next list too; the change is not undone.
            let _ = past.look(&state.registry, principal.org.id, &state.clock).await;
        }
    }
}
