//! Revoking a token: [`RevokeToken`].

use serde_json::{Map, Value};

use super::{OAuthError, REVOKE_PATH, TokenResponseError};
use crate::endpoint::{Method, Request, Response, Unreadable, UnreadableReason};
use crate::percent;
use crate::secret::Secret;

/// Revoke a refresh token, and with it every access token that came from it.
///
/// The service takes the token in the URL: the only URL with a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevokeToken {
    /// The refresh token.
    pub refresh_token: Secret<String>,
}

impl RevokeToken {
    /// A revocation of `refresh_token`.
    pub fn new(refresh_token: impl Into<Secret<String>>) -> Self {
        Self { refresh_token: refresh_token.into() }
    }

    /// The request. Its path carries the token: log it without its query.
    pub fn request(&self) -> Request {
        let token = percent::encode(self.refresh_token.expose());
        Request::new(Method::Post, format!("{REVOKE_PATH}?token={token}"))
    }

    /// Reads the response.
    ///
    /// # Errors
    /// [`TokenResponseError::Refused`] if the token is unknown, or
    /// [`TokenResponseError::Unreadable`].
    pub fn decode(response: &Response) -> Result<(), TokenResponseError> {
        let unreadable =
            |why| TokenResponseError::Unreadable(Unreadable::without_excerpt(response, why));
        let answer: Map<String, Value> = serde_json::from_slice(&response.body)
            .map_err(|_| unreadable(UnreadableReason::NotJson))?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str);
        match (text("status"), text("error")) {
            (Some("success"), None) => Ok(()),
            (_, Some(error)) => Err(TokenResponseError::Refused(OAuthError::new(error))),
            _ => Err(unreadable(UnreadableReason::NoEnvelope)),
        }
    }

    /// The server's side: the response to a revocation; 400 for an unknown token.
    pub fn answer(was_known: bool) -> Response {
        if was_known {
            Response::new(200, br#"{"status":"success"}"#)
        } else {
            Response::new(400, br#"{"error":"invalid_token"}"#)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_says_whether_the_token_was_known() {
        assert_eq!(RevokeToken::decode(&RevokeToken::answer(true)), Ok(()));
        let unknown = RevokeToken::decode(&RevokeToken::answer(false));
        assert!(matches!(unknown, Err(TokenResponseError::Refused(_))));
        let path = RevokeToken::new("1000.a b".to_owned()).request().path;
        assert_eq!(path, "/oauth/v2/token/revoke?token=1000.a%20b");
    }
}
