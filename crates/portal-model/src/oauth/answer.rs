//! The accounts server's response: [`AccessToken`], or why there is none.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::OAuthError;
use crate::endpoint::{Response, Unreadable, UnreadableReason};
use crate::secret::Secret;

/// A granted access token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessToken {
    /// The token for the `Authorization` header.
    pub access_token: Secret<String>,
    /// Only in response to a code.
    pub refresh_token: Option<Secret<String>>,
    /// The API host of the account's org; see [`ApiDomain`](crate::datacenter::ApiDomain) for what a
    /// client does with it.
    pub api_domain: Option<String>,
    /// How long it is valid from now: one hour at the real service, in whole seconds.
    pub expires_in: Duration,
}

/// Lifetime of an access token if the response has none: one hour (documentation).
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);

impl AccessToken {
    /// A token that is valid for [`DEFAULT_LIFETIME`].
    pub fn new(access_token: impl Into<Secret<String>>) -> Self {
        Self {
            access_token: access_token.into(),
            refresh_token: None,
            api_domain: None,
            expires_in: DEFAULT_LIFETIME,
        }
    }

    /// Reads the response to a [`TokenRequest`](super::TokenRequest). The HTTP status is ignored:
    /// errors come under 200 too.
    ///
    /// # Errors
    /// [`TokenResponseError::Refused`] with the accounts server's error, or
    /// [`TokenResponseError::Unreadable`].
    pub fn decode(response: &Response) -> Result<Self, TokenResponseError> {
        let unreadable =
            |why| TokenResponseError::Unreadable(Unreadable::without_excerpt(response, why));
        let answer: Map<String, Value> = serde_json::from_slice(&response.body)
            .map_err(|_| unreadable(UnreadableReason::NotJson))?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        let Some(access_token) = text("access_token").filter(|token| !token.is_empty()) else {
            return Err(match text("error") {
                Some(error) => TokenResponseError::Refused(OAuthError {
                    error,
                    description: text("error_description"),
                }),
                None => unreadable(UnreadableReason::NoEnvelope),
            });
        };
        Ok(Self {
            access_token: access_token.into(),
            refresh_token: text("refresh_token").map(Secret::new),
            api_domain: text("api_domain"),
            expires_in: lifetime(&answer),
        })
    }

    /// The server's side: the response with this token.
    pub fn answer(&self) -> Response {
        let body = Granted {
            access_token: &self.access_token,
            refresh_token: self.refresh_token.as_ref(),
            api_domain: self.api_domain.as_deref(),
            token_type: "Bearer",
            expires_in: self.expires_in.as_secs(),
        };
        Response::new(200, crate::envelope::to_json(&body))
    }
}

#[derive(Serialize)]
struct Granted<'a> {
    access_token: &'a Secret<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a Secret<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_domain: Option<&'a str>,
    token_type: &'static str,
    expires_in: u64,
}

/// `expires_in` is seconds; if `expires_in_sec` is there too, that is seconds and `expires_in` is
/// milliseconds.
fn lifetime(answer: &Map<String, Value>) -> Duration {
    let number = |key: &str| match answer.get(key)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    number("expires_in_sec")
        .or_else(|| number("expires_in"))
        .map_or(DEFAULT_LIFETIME, Duration::from_secs)
}

/// Why a response has no access token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenResponseError {
    /// The accounts server rejected the request.
    #[error(transparent)]
    Refused(OAuthError),
    /// Not a response of an accounts server. None of its body is kept, since it may hold a token.
    #[error(transparent)]
    Unreadable(Unreadable),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_arrives_as_it_was_answered(
            token in ".+", refresh in any::<Option<String>>(), domain in any::<Option<String>>(),
            seconds in any::<u64>(),
        ) {
            let mut answered = AccessToken::new(token);
            answered.refresh_token = refresh.map(Secret::new);
            answered.api_domain = domain;
            answered.expires_in = Duration::from_secs(seconds);
            prop_assert_eq!(AccessToken::decode(&answered.answer()), Ok(answered));
        }

        #[test]
        fn an_answer_is_a_token_only_with_an_access_token(status: u16, body: Vec<u8>) {
            prop_assert!(AccessToken::decode(&Response::new(status, body)).is_err());
        }

        #[test]
        fn an_oauth_error_arrives_as_it_was_answered(error in ".*", description: Option<String>) {
            let sent = OAuthError { error, description };
            prop_assert_eq!(
                AccessToken::decode(&sent.answer()),
                Err(TokenResponseError::Refused(sent)),
            );
        }
    }

    #[test]
    fn milliseconds_are_told_from_seconds_by_the_field_beside_them() {
        let lifetime = |body: &str| {
            AccessToken::decode(&Response::new(200, body)).unwrap().expires_in.as_secs()
        };
        assert_eq!(lifetime(r#"{"access_token":"t","expires_in":1800}"#), 1800);
        assert_eq!(lifetime(r#"{"access_token":"t","expires_in":"1800"}"#), 1800);
        let both = r#"{"access_token":"t","expires_in":3600000,"expires_in_sec":3600}"#;
        assert_eq!(lifetime(both), 3600);
        assert_eq!(lifetime(r#"{"access_token":"t"}"#), 3600);
    }

    #[test]
    fn no_token_reaches_an_error() {
        let cut = Response::new(200, r#"{"access_token":"1000.hush.hush","refresh_tok"#);
        let error = AccessToken::decode(&cut).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}
