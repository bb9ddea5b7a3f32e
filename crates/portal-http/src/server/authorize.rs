//! Who calls, and whether they may: token, scope, environment and permission, in this order.

use http::{HeaderMap, header};
use portal_model::{
    ApiError, ApiVersion, CreatePortal, Endpoint, Environment, ListPortals, RenamePortal, Scope,
    endpoint::AUTHORIZATION_SCHEME,
};
use portal_store::{Permission, Principal, Registry};

use super::call::Call;
use super::limits::{Admission, Throttled};
use super::reply::{Refused, Reply};
use super::route::Operation;
use super::service::Inner;

impl<R: Registry> Inner<R> {
    /// A call under `/crm`.
    pub(super) async fn crm(
        &self,
        call: &Call,
        version: ApiVersion,
        operation: &Operation,
    ) -> Reply {
        let principal = match self.authenticate(call).await {
            Ok(principal) => principal,
            Err(refused) => return refused.into(),
        };
        let admission = match self.admit(&principal) {
            Ok(admission) => admission,
            Err(throttled) => return Reply::from(Refused::from(throttled)).to(&principal),
        };
        let answer = match authorize(&principal, operation) {
            Ok(()) => self.operate(call, version, operation, &principal).await,
            Err(error) => Err(error.into()),
        };
        Reply::from(answer).to(&principal).under(admission)
    }

    async fn authenticate(&self, call: &Call) -> Result<Principal, Refused> {
        let token = bearer(&call.headers).ok_or_else(ApiError::authentication_failure)?;
        let principal = self.registry.principal(token, self.now()).await?;
        Ok(principal.ok_or_else(ApiError::invalid_token)?)
    }

    fn admit(&self, principal: &Principal) -> Result<Option<Admission>, Throttled> {
        let Some(limits) = &self.limits else { return Ok(None) };
        limits.admit(principal.org.id, &principal.client_id, self.now()).map(Some)
    }
}

/// The token of the `Authorization` header; its scheme may be in any case.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case(AUTHORIZATION_SCHEME) && !token.is_empty()).then_some(token)
}

fn authorize(principal: &Principal, operation: &Operation) -> Result<(), ApiError> {
    // The official SDKs look users and orgs up with whatever scope a token has, so any will do.
    let scopes: &[Scope] = match operation {
        Operation::CurrentUser | Operation::Org => return Ok(()),
        Operation::List | Operation::Get(_) => ListPortals::SCOPES,
        Operation::Create => CreatePortal::SCOPES,
        Operation::Rename(_) => RenamePortal::SCOPES,
    };
    if !Scope::any_covers(&principal.scopes, scopes) {
        return Err(ApiError::scope_mismatch());
    }
    if principal.org.environment == Environment::Sandbox {
        return Err(ApiError::not_in_sandbox());
    }
    let needed: &[Permission] = match operation {
        Operation::Create | Operation::Rename(_) => &Permission::ALL,
        _ => &[],
    };
    let held = &principal.user.permissions;
    let mut missing = needed.iter().filter(|permission| !held.contains(permission)).peekable();
    match missing.peek() {
        None => Ok(()),
        Some(_) => Err(ApiError::no_permission(missing.map(|permission| permission.api_name()))),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_services_own_scheme_carries_a_token() {
        let of = |value: &'static str| {
            let value = HeaderValue::from_static(value);
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
            bearer(&headers).map(ToOwned::to_owned)
        };
        assert_eq!(of("Zoho-oauthtoken 1000.a.b").as_deref(), Some("1000.a.b"));
        assert_eq!(of("zoho-OAUTHTOKEN  1000.a.b ").as_deref(), Some("1000.a.b"));
        for none in ["", "Zoho-oauthtoken", "Zoho-oauthtoken ", "Bearer 1000.a.b", "1000.a.b"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
