//! The accounts server's side: requests for tokens, and responses to them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Map;

use crate::endpoint::Response;
use crate::envelope::to_json;
use crate::oauth::{AccessToken, Grant, OAuthError, TokenRequest};
use crate::secret::Secret;

/// Reads the parameters of a request for a token, of a query or a body. The first of a name counts.
///
/// # Errors
/// The service's error if a parameter is missing.
pub fn parse_token_request(
    parameters: impl IntoIterator<Item = (String, String)>,
) -> Result<TokenRequest, OAuthError> {
    let mut found = BTreeMap::new();
    for (name, value) in parameters {
        found.entry(name).or_insert(value);
    }
    let mut take = |name: &str, error: &str| {
        found.remove(name).filter(|value| !value.is_empty()).ok_or_else(|| OAuthError::new(error))
    };
    let client_id = take("client_id", OAuthError::INVALID_CLIENT)?;
    let client_secret = take("client_secret", OAuthError::INVALID_CLIENT)?;
    let grant = match take("grant_type", OAuthError::UNSUPPORTED_GRANT_TYPE)?.as_str() {
        "refresh_token" => {
            Grant::RefreshToken(take("refresh_token", OAuthError::INVALID_CODE)?.into())
        }
        "authorization_code" => Grant::AuthorizationCode {
            code: take("code", OAuthError::INVALID_CODE)?.into(),
            redirect_uri: take("redirect_uri", "").ok(),
        },
        _ => return Err(OAuthError::new(OAuthError::UNSUPPORTED_GRANT_TYPE)),
    };
    Ok(TokenRequest::new(client_id, client_secret, grant))
}

/// Reads the pairs of a query or an urlencoded body, for [`parse_token_request`].
pub fn form_parameters(form: &str) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(form.as_bytes()).into_owned()
}

/// The response with an access token.
pub fn granted(token: &AccessToken) -> Response {
    let body = Granted {
        access_token: token.access_token.expose(),
        refresh_token: token.refresh_token.as_ref().map(Secret::expose),
        api_domain: token.api_domain.as_deref(),
        token_type: "Bearer",
        expires_in: token.expires_in.as_secs(),
    };
    Response::new(200, to_json(&body))
}

#[derive(Serialize)]
struct Granted<'a> {
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_domain: Option<&'a str>,
    token_type: &'static str,
    expires_in: u64,
}

/// The response with an error, under HTTP 200 as on the real service.
pub fn token_refused(error: &OAuthError) -> Response {
    let mut body = Map::new();
    body.insert("error".to_owned(), error.error.clone().into());
    if let Some(description) = &error.description {
        body.insert("error_description".to_owned(), description.clone().into());
    }
    let status = if error.is_rate_limited() { 400 } else { 200 };
    Response::new(status, to_json(&body))
}

/// The error for too many tokens: ten in ten minutes lock an account out for a while.
pub fn tokens_rate_limited() -> OAuthError {
    OAuthError {
        error: OAuthError::ACCESS_DENIED.to_owned(),
        description: Some(
            "You have made too many requests continuously. Please try again after some time."
                .to_owned(),
        ),
    }
}

/// The response to a revocation; 400 for an unknown token.
pub fn revoked(was_known: bool) -> Response {
    if was_known {
        Response::new(200, br#"{"status":"success"}"#)
    } else {
        Response::new(400, br#"{"error":"invalid_token"}"#)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use std::time::Duration;

    use crate::oauth::{RevokeToken, TokenError};

    fn any_grant() -> impl Strategy<Value = Grant> {
        let text = || "[^\0]{1,40}";
        prop_oneof![
            (text(), proptest::option::of(text())).prop_map(|(code, redirect_uri)| {
                Grant::AuthorizationCode { code: code.into(), redirect_uri }
            }),
            text().prop_map(|token| Grant::RefreshToken(token.into())),
        ]
    }

    proptest! {
        #[test]
        fn token_request_survives_its_text(
            id in "[^\0]{1,40}", secret in "[^\0]{1,40}", grant in any_grant(),
        ) {
            let sent = TokenRequest::new(id, secret, grant);
            let body = String::from_utf8(sent.request().body).unwrap();
            prop_assert_eq!(parse_token_request(form_parameters(&body)), Ok(sent));
        }

        #[test]
        fn token_response_survives_its_text(
            token in ".+", refresh in any::<Option<String>>(), domain in any::<Option<String>>(),
            seconds in any::<u64>(),
        ) {
            let mut sent = AccessToken::new(token);
            sent.refresh_token = refresh.map(Secret::new);
            sent.api_domain = domain;
            sent.expires_in = Duration::from_secs(seconds);
            prop_assert_eq!(AccessToken::decode(&granted(&sent)), Ok(sent));
        }

        #[test]
        fn oauth_error_survives_its_text(error in ".*", description: Option<String>) {
            let sent = OAuthError { error, description };
            prop_assert_eq!(
                AccessToken::decode(&token_refused(&sent)),
                Err(TokenError::Rejected(sent)),
            );
        }
    }

    #[test]
    fn revocation_of_unknown_token_is_rejected() {
        assert_eq!(RevokeToken::decode(&revoked(true)), Ok(()));
        let unknown = RevokeToken::decode(&revoked(false));
        assert!(matches!(unknown, Err(TokenError::Rejected(_))));
        let path = RevokeToken::new("1000.a b".to_owned()).request().path;
        assert_eq!(path, "/oauth/v2/token/revoke?token=1000.a%20b");
    }
}
