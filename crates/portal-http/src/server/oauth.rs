//! `POST /oauth/v2/token` and `POST /oauth/v2/token/revoke`.

use bytes::Bytes;
use http::{header, uri::Scheme};

use portal_model::server;
use portal_model::{ApiError, Response};
use portal_store::Registry;

use super::host;
use super::log_limit::log_limited;
use super::request::ServerRequest;
use super::response::ServerResponse;
use super::state::{PublicUrl, ServiceState};

/// Grants an access token.
pub(super) async fn token<R: Registry>(
    state: &ServiceState<R>,
    request: &ServerRequest,
) -> Result<Response, ServerResponse> {
    let grant = server::parse_token_request(parameters(request).await?)?;
    let granted = state.registry.issue_token(&grant, state.token_rules, state.now()).await?;
    let mut token = granted.inspect_err(|refused| {
        // One who guesses leaves a trace, even if nobody logs requests.
        log_limited!(warn, code = refused.error, "a request for a token was refused");
    })?;
    token.api_domain = match &state.public_url {
        PublicUrl::Given(url) => Some(url.clone()),
        PublicUrl::HttpsHost => authority(request).map(|host| format!("https://{host}")),
        PublicUrl::Host => base_url(request),
    };
    Ok(server::granted(&token))
}

/// Revokes a refresh token with its access tokens, or one access token.
pub(super) async fn revoke<R: Registry>(
    state: &ServiceState<R>,
    request: &ServerRequest,
) -> Result<Response, ServerResponse> {
    let mut parameters = parameters(request).await?.into_iter();
    let token = parameters.find(|(name, _)| name == "token").map(|(_, value)| value);
    let was_known = match token {
        Some(token) => {
            state.registry.revoke(&token, state.now()).await?
                || state.registry.expire_access_token(&token).await?
        }
        None => false,
    };
    Ok(server::revoked(was_known))
}

/// The parameters of the query, and of a body that is a form of either kind. The service accepts
/// both, and a form without its content type.
async fn parameters(request: &ServerRequest) -> Result<Vec<(String, String)>, ApiError> {
    let mut parameters: Vec<_> =
        server::form_parameters(request.head.uri.query().unwrap_or_default()).collect();
    let body = request.complete_body()?;
    let content_type =
        request.head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match content_type.and_then(|content_type| multer::parse_boundary(content_type).ok()) {
        Some(boundary) => parameters.extend(multipart(body, boundary).await),
        None => parameters.extend(server::form_parameters(&String::from_utf8_lossy(body))),
    }
    Ok(parameters)
}

/// The fields of a multipart body, up to the first invalid one.
async fn multipart(body: &[u8], boundary: String) -> Vec<(String, String)> {
    let body = Bytes::copy_from_slice(body);
    let stream = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut multipart = multer::Multipart::new(stream, boundary);
    let mut fields = Vec::new();
    while let Ok(Some(field)) = multipart.next_field().await {
        let Some(name) = field.name().map(ToOwned::to_owned) else { continue };
        let Ok(value) = field.text().await else { break };
        fields.push((name, value));
    }
    fields
}

/// Scheme and host as the client sent them.
fn base_url(request: &ServerRequest) -> Option<String> {
    let of_connection = request.head.extensions.get::<Scheme>();
    let scheme = request.head.uri.scheme().or(of_connection).unwrap_or(&Scheme::HTTP);
    authority(request).map(|host| format!("{scheme}://{host}"))
}

/// The host as the client sent it. `None` without a valid one, and for one of Zoho's: a client would
/// send its token there.
fn authority(request: &ServerRequest) -> Option<&str> {
    host::authority(&request.head).ok()?.filter(|host| !is_zoho(host))
}

/// Whether the host is in one of Zoho's domains, of a known or a future data center.
fn is_zoho(authority: &str) -> bool {
    let host = host::host_name(authority);
    let mut labels = host.rsplit('.').skip(1);
    // Below the top level, or below such as `com.au`.
    let owner = match labels.next() {
        Some("com" | "co") => labels.next(),
        label => label,
    };
    matches!(owner, Some("zoho" | "zohoapis" | "zohocloud"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zoho_host_is_recognized_in_any_spelling() {
        for host in [
            "www.zohoapis.com",
            "WWW.ZohoAPIs.eu:443",
            "zohoapis.in",
            "zohoapis.in.:80",
            "accounts.zoho.sa",
            "www.zohoapis.com.au",
            "www.zohoapis.uk.",
            "accounts.zoho.ae",
            "zohoapis.com",
            "crmsandbox.zohocloud.ca",
        ] {
            assert!(is_zoho(host), "{host}");
        }
        for host in [
            "127.0.0.1:8780",
            "[::1]:8780",
            "localhost",
            "zoho",
            "com",
            "zoho.acme.example",
            "myzohoapis.com",
        ] {
            assert!(!is_zoho(host), "{host}");
        }
    }
}
