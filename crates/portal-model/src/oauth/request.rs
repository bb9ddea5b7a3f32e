//! What a client sends to the accounts server: [`TokenRequest`] and [`RevokeToken`].

use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use super::error::{OAuthError, TokenResponseError};
use crate::endpoint::{Method, Request, Response, UNRESERVED, Unreadable, UnreadableReason};
use crate::secret::Secret;

/// The path of [`TokenRequest`].
pub const TOKEN_PATH: &str = "/oauth/v2/token";
/// The path of [`RevokeToken`].
pub const REVOKE_PATH: &str = "/oauth/v2/token/revoke";

/// Request an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The registered client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// What the token is requested with.
    pub grant: Grant,
}

/// What an access token is requested with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A code from the console of a self client: valid once, for three minutes. Its
    /// response carries a refresh token.
    AuthorizationCode {
        /// The code.
        code: Secret,
        /// The one that the code was made for, if any.
        redirect_uri: Option<String>,
    },
    /// A refresh token, which does not expire.
    RefreshToken(Secret),
}

impl TokenRequest {
    /// A request of `client_id`.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
        grant: Grant,
    ) -> Self {
        Self { client_id: client_id.into(), client_secret: client_secret.into(), grant }
    }

    /// The request, its parameters as an urlencoded form in the body.
    pub fn request(&self) -> Request {
        // Long enough for all of it: a buffer that grows leaves copies of the secrets behind.
        let mut form = form_urlencoded::Serializer::new(String::with_capacity(1024));
        match &self.grant {
            Grant::AuthorizationCode { code, redirect_uri } => {
                form.append_pair("grant_type", "authorization_code");
                form.append_pair("code", code.expose());
                if let Some(redirect_uri) = redirect_uri {
                    form.append_pair("redirect_uri", redirect_uri);
                }
            }
            Grant::RefreshToken(refresh_token) => {
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("refresh_token", refresh_token.expose());
            }
        }
        form.append_pair("client_id", &self.client_id);
        form.append_pair("client_secret", self.client_secret.expose());
        Request::new(Method::Post, TOKEN_PATH)
            .with_body("application/x-www-form-urlencoded", form.finish().into_bytes())
    }

    /// The server's side: reads the parameters, of a query or a body. The first of a name counts.
    ///
    /// # Errors
    /// The service's error if a parameter is missing.
    pub fn parse(
        parameters: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OAuthError> {
        let mut found = Map::new();
        for (name, value) in parameters {
            found.entry(name).or_insert(Value::String(value));
        }
        let mut take = |name: &str, error: &str| match found.remove(name) {
            Some(Value::String(value)) if !value.is_empty() => Ok(value),
            _ => Err(OAuthError::new(error)),
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
        Ok(Self::new(client_id, client_secret, grant))
    }

    /// Reads the pairs of a query or an urlencoded body, for [`parse`](Self::parse).
    pub fn parameters(form: &str) -> impl Iterator<Item = (String, String)> {
        form_urlencoded::parse(form.as_bytes()).into_owned()
    }
}

/// Revoke a refresh token, and with it every access token that came from it.
///
/// The service takes the token in the URL: the only URL with a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevokeToken {
    /// The refresh token.
    pub refresh_token: Secret,
}

impl RevokeToken {
    /// A revocation of `refresh_token`.
    pub fn new(refresh_token: impl Into<Secret>) -> Self {
        Self { refresh_token: refresh_token.into() }
    }

    /// The request. Its path carries the token: log it without its query.
    pub fn request(&self) -> Request {
        let token = utf8_percent_encode(self.refresh_token.expose(), UNRESERVED);
        Request::new(Method::Post, format!("{REVOKE_PATH}?token={token}"))
    }

    /// Reads the response.
    ///
    /// # Errors
    /// [`TokenResponseError::Rejected`] if the token is unknown, or
    /// [`TokenResponseError::Unreadable`].
    pub fn decode(response: &Response) -> Result<(), TokenResponseError> {
        let unreadable =
            |why| TokenResponseError::Unreadable(Unreadable::without_excerpt(response, why));
        let body: Map<String, Value> = serde_json::from_slice(&response.body)
            .map_err(|_| unreadable(UnreadableReason::NotJson))?;
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        match (text("status"), text("error")) {
            (Some("success"), None) => Ok(()),
            (_, Some(error)) => Err(TokenResponseError::Rejected(OAuthError::new(error))),
            _ => Err(unreadable(UnreadableReason::NoEnvelope)),
        }
    }

    /// The server's side: the response to a revocation; 400 for an unknown token.
    pub fn response(was_known: bool) -> Response {
        if was_known {
            Response::new(200, br#"{"status":"success"}"#)
        } else {
            Response::new(400, br#"{"error":"invalid_token"}"#)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            prop_assert_eq!(TokenRequest::parse(TokenRequest::parameters(&body)), Ok(sent));
        }
    }

    #[test]
    fn revocation_of_unknown_token_is_rejected() {
        assert_eq!(RevokeToken::decode(&RevokeToken::response(true)), Ok(()));
        let unknown = RevokeToken::decode(&RevokeToken::response(false));
        assert!(matches!(unknown, Err(TokenResponseError::Rejected(_))));
        let path = RevokeToken::new("1000.a b".to_owned()).request().path;
        assert_eq!(path, "/oauth/v2/token/revoke?token=1000.a%20b");
    }
}
