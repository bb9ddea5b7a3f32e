//! `POST /oauth/v2/token` and `POST /oauth/v2/token/revoke`.

use bytes::Bytes;
use http::{header, uri::Scheme};
use portal_model::oauth::{RevokeToken, TokenRequest};
use portal_model::{ApiError, DataCenter, Environment, Response};
use portal_store::Registry;

use super::call::Call;
use super::reply::Refused;
use super::service::Inner;

impl<R: Registry> Inner<R> {
    pub(super) async fn token(&self, call: &Call) -> Result<Response, Refused> {
        let request = TokenRequest::parse(parameters(call).await?)?;
        let mut token = self.registry.grant(&request, self.token_rules, self.now()).await??;
        token.api_domain = self.public_url.clone().or_else(|| base_url(call));
        Ok(token.answer())
    }

    pub(super) async fn revoke(&self, call: &Call) -> Result<Response, Refused> {
        let mut parameters = parameters(call).await?.into_iter();
        let token = parameters.find(|(name, _)| name == "token").map(|(_, value)| value);
        let was_known = match token {
            Some(token) => self.registry.revoke(&token, self.now()).await?,
            None => false,
        };
        Ok(RevokeToken::answer(was_known))
    }
}

/// The parameters of a call wherever they stand: in the query, and in a body that is a form of
/// either kind, whatever it calls itself.
async fn parameters(call: &Call) -> Result<Vec<(String, String)>, ApiError> {
    let mut parameters: Vec<_> =
        TokenRequest::parameters(call.uri.query().unwrap_or_default()).collect();
    let body = call.body()?;
    let content_type = call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match content_type.and_then(|content_type| multer::parse_boundary(content_type).ok()) {
        Some(boundary) => parameters.extend(multipart(body, boundary).await),
        None => parameters.extend(TokenRequest::parameters(&String::from_utf8_lossy(body))),
    }
    Ok(parameters)
}

/// The fields of a multipart body, as far as it can be read.
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

/// Scheme and host as the client wrote them; nothing where it named no host or one of Zoho's, to
/// which a client would then send its token.
fn base_url(call: &Call) -> Option<String> {
    let scheme = call.uri.scheme().unwrap_or(&Scheme::HTTP);
    let host = match call.uri.authority() {
        Some(authority) => authority.as_str(),
        None => call.headers.get(header::HOST)?.to_str().ok()?,
    };
    (!host.is_empty() && !is_zoho(host)).then(|| format!("{scheme}://{host}"))
}

fn is_zoho(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    DataCenter::ALL.into_iter().any(|data_center| {
        let api = data_center.api_url(Environment::Production);
        [api.as_str(), data_center.accounts_url()]
            .into_iter()
            .filter_map(|url| url.split_once('.').map(|(_, domain)| domain))
            .any(|domain| {
                host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_host_of_zoho_is_ever_handed_on() {
        for host in ["www.zohoapis.com", "WWW.ZohoAPIs.eu:443", "zohoapis.in", "accounts.zoho.sa"] {
            assert!(is_zoho(host), "{host}");
        }
        for host in ["127.0.0.1:8780", "localhost", "crm.acme.example", "myzohoapis.com"] {
            assert!(!is_zoho(host), "{host}");
        }
    }
}
