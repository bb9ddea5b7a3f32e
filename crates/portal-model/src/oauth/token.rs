//! A granted token: [`AccessToken`], and when to renew it: [`TokenState`].

use std::time::Duration;

use serde_json::{Map, Value};

use super::error::{OAuthError, TokenError, read_object};
use crate::endpoint::{Response, UnreadableReason};
use crate::secret::Secret;

/// A granted access token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessToken {
    /// The token for the `Authorization` header.
    pub access_token: Secret,
    /// Only in response to a code.
    pub refresh_token: Option<Secret>,
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
    pub fn new(access_token: impl Into<Secret>) -> Self {
        Self {
            access_token: access_token.into(),
            refresh_token: None,
            api_domain: None,
            expires_in: DEFAULT_LIFETIME,
        }
    }

    /// Reads the response to a [`TokenRequest`](super::TokenRequest). The HTTP status is ignored below
    /// 429: errors come under 200 too.
    ///
    /// # Errors
    /// [`TokenError::Rejected`] with the accounts server's error, or [`TokenError::Unreadable`].
    pub fn decode(response: &Response) -> Result<Self, TokenError> {
        let mut body = read_object(response)?;
        let expires_in = lifetime(&body);
        // Taken out, not copied: what is dropped with the rest of the body is not zeroed.
        let mut text = |key: &str| match body.remove(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let Some(access_token) = text("access_token").filter(|token| !token.is_empty()) else {
            return Err(match text("error") {
                Some(error) => TokenError::Rejected(OAuthError {
                    description: text("error_description"),
                    ..OAuthError::new(error)
                }),
                None => TokenError::unreadable(response, UnreadableReason::NoEnvelope),
            });
        };
        Ok(Self {
            access_token: access_token.into(),
            refresh_token: text("refresh_token").map(Secret::new),
            api_domain: text("api_domain"),
            expires_in,
        })
    }
}

/// `expires_in` is seconds; if `expires_in_sec` is there too, that is seconds and `expires_in` is
/// milliseconds.
fn lifetime(body: &Map<String, Value>) -> Duration {
    let number = |key: &str| match body.get(key)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    number("expires_in_sec")
        .or_else(|| number("expires_in"))
        .map_or(DEFAULT_LIFETIME, Duration::from_secs)
}

/// What to do with an access token of a certain age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenState {
    /// Use it.
    Valid,
    /// Use it, and get a new one meanwhile: it expires soon.
    RefreshSoon,
    /// Don't use it: it has expired, or would before a request with it arrives.
    Expired,
}

impl TokenState {
    /// A token is to be refreshed in the last tenth of its lifetime, at most this long before its end: 5 minutes.
    pub const REFRESH_BEFORE_END: Duration = Duration::from_secs(300);
    /// A token counts as expired in the last fiftieth of its lifetime, at most this long before its end: 30
    /// seconds, for latency and clock skew.
    pub const EXPIRY_LEEWAY: Duration = Duration::from_secs(30);

    /// The state of a token that was granted for `expires_in`, `age` after its response came.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portal_model::oauth::TokenState;
    ///
    /// let at = |minutes| TokenState::at(Duration::from_mins(minutes), Duration::from_hours(1));
    /// assert_eq!([at(0), at(54), at(56), at(60)],
    ///     [TokenState::Valid, TokenState::Valid, TokenState::RefreshSoon, TokenState::Expired]);
    /// ```
    pub fn at(age: Duration, expires_in: Duration) -> Self {
        let left = expires_in.saturating_sub(age);
        if left <= Self::EXPIRY_LEEWAY.min(expires_in / 50) {
            Self::Expired
        } else if left <= Self::REFRESH_BEFORE_END.min(expires_in / 10) {
            Self::RefreshSoon
        } else {
            Self::Valid
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn token_state_only_ages(lifetime in 0..10_000_u64, a in 0..10_000_u64, b in 0..10_000_u64) {
            let rank = |age| match TokenState::at(
                Duration::from_secs(age), Duration::from_secs(lifetime),
            ) {
                TokenState::Valid => 0,
                TokenState::RefreshSoon => 1,
                TokenState::Expired => 2,
            };
            prop_assert!(rank(a.min(b)) <= rank(a.max(b)));
            prop_assert_eq!(rank(lifetime), 2);
        }

        #[test]
        fn response_without_access_token_is_error(status: u16, body: Vec<u8>) {
            prop_assert!(AccessToken::decode(&Response::new(status, body)).is_err());
        }
    }

    #[test]
    fn throttle_is_rate_limit_in_every_spelling() {
        for (status, body) in [
            (400, r#"{"error":"Access Denied","error_description":"too many","status":"failure"}"#),
            (400, r#"{"error":"access_denied"}"#),
            (200, r#"{"error":"ACCESS-DENIED"}"#),
            (429, r#"{"error":"general_error"}"#),
            (429, "<html>"),
        ] {
            let error = AccessToken::decode(&Response::new(status, body)).unwrap_err();
            let TokenError::Rejected(error) = error else { panic!("{error:?}") };
            assert!(error.is_rate_limited() && !error.is_wrong_credential(), "{body}");
            assert_eq!(error.error, OAuthError::ACCESS_DENIED, "{body}");
        }
        let denied = AccessToken::decode(&Response::new(200, r#"{"error":"denied"}"#)).unwrap_err();
        assert!(matches!(denied, TokenError::Rejected(error) if !error.is_rate_limited()));
    }

    #[test]
    fn failure_of_server_is_no_rejection() {
        for (status, body) in [
            (500, r#"{"error":"general_error"}"#),
            (502, r#"{"error":"invalid_client"}"#),
            (503, r#"{"error":"temporarily_unavailable"}"#),
            (503, r#"{"access_token":"1000.a.b"}"#),
        ] {
            let error = AccessToken::decode(&Response::new(status, body)).unwrap_err();
            assert!(matches!(error, TokenError::Unreadable(_)), "{body}: {error:?}");
        }
    }

    #[test]
    fn lifetime_in_milliseconds_is_recognized() {
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
    fn error_of_cut_token_response_shows_no_token() {
        let cut = Response::new(200, r#"{"access_token":"1000.hush.hush","refresh_tok"#);
        let error = AccessToken::decode(&cut).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}
