//! Access tokens: how one is asked for, answered, revoked, and when it needs to be replaced.
//!
//! `POST {accounts}/oauth/v2/token` and `POST {accounts}/oauth/v2/token/revoke`. Errors come under
//! HTTP 200: an answer is a success if and only if it carries an access token.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::endpoint::{Method, Request, Response, Unreadable, UnreadableReason};
use crate::percent;
use crate::secret::Secret;

/// The path of [`TokenRequest`].
pub const TOKEN_PATH: &str = "/oauth/v2/token";
/// The path of [`RevokeToken`].
pub const REVOKE_PATH: &str = "/oauth/v2/token/revoke";

/// Ask for an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The registered client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret<String>,
    /// What entitles to a token.
    pub grant: Grant,
}

/// What entitles to an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A code from the console of a self client: valid once, for three minutes. Its answer carries
    /// a refresh token.
    AuthorizationCode {
        /// The code.
        code: Secret<String>,
        /// Must be the one that the code was made for, where it was made for one.
        redirect_uri: Option<String>,
    },
    /// A refresh token, which does not expire.
    RefreshToken(Secret<String>),
}

impl TokenRequest {
    /// A request of `client_id`.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<Secret<String>>,
        grant: Grant,
    ) -> Self {
        Self { client_id: client_id.into(), client_secret: client_secret.into(), grant }
    }

    /// The request, its parameters as an urlencoded form in the body.
    pub fn request(&self) -> Request {
        let mut form = Form::default();
        match &self.grant {
            Grant::AuthorizationCode { code, redirect_uri } => {
                form.push("grant_type", "authorization_code");
                form.push("code", code.expose());
                if let Some(redirect_uri) = redirect_uri {
                    form.push("redirect_uri", redirect_uri);
                }
            }
            Grant::RefreshToken(refresh_token) => {
                form.push("grant_type", "refresh_token");
                form.push("refresh_token", refresh_token.expose());
            }
        }
        form.push("client_id", &self.client_id);
        form.push("client_secret", self.client_secret.expose());
        Request::new(Method::Post, TOKEN_PATH)
            .with_body("application/x-www-form-urlencoded", form.0.into_bytes())
    }

    /// The server's side: reads the parameters, wherever they stood. The first of a name counts.
    ///
    /// # Errors
    /// What the service answers when a parameter is missing.
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
        percent::decode_pairs(form)
    }
}

/// Pairs of an urlencoded form.
#[derive(Default)]
struct Form(String);

impl Form {
    fn push(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&percent::encode(value));
    }
}

/// An access token, as it was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessToken {
    /// What goes into the `Authorization` header.
    pub access_token: Secret<String>,
    /// With the grant of a code only.
    pub refresh_token: Option<Secret<String>>,
    /// Where the account's org lives; see [`ApiDomain`](crate::datacenter::ApiDomain) for what a
    /// client may make of it.
    pub api_domain: Option<String>,
    /// How long it is valid from now: one hour at the real service, in whole seconds.
    pub expires_in: Duration,
}

/// How long an access token lives where the answer does not say: one hour (documentation).
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

    /// Reads the answer to a [`TokenRequest`]. The HTTP status says nothing and is not looked at.
    ///
    /// # Errors
    /// [`TokenResponseError::Refused`] with the service's own word for it, or
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

    /// The server's side: the answer that hands it out.
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

/// `expires_in` is seconds; where `expires_in_sec` stands beside it, that is seconds and
/// `expires_in` is milliseconds.
fn lifetime(answer: &Map<String, Value>) -> Duration {
    let number = |key: &str| match answer.get(key)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    number("expires_in_sec")
        .or_else(|| number("expires_in"))
        .map_or(DEFAULT_LIFETIME, Duration::from_secs)
}

/// Revoke a refresh token, and with it every access token that came from it.
///
/// The service takes the token in the URL: the one place where a secret stands in one.
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

    /// Reads the answer.
    ///
    /// # Errors
    /// [`TokenResponseError::Refused`] where the token is not known, or
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

    /// The server's side: the answer to a revocation; a token that is not known gets 400.
    pub fn answer(was_known: bool) -> Response {
        if was_known {
            Response::new(200, br#"{"status":"success"}"#)
        } else {
            Response::new(400, br#"{"error":"invalid_token"}"#)
        }
    }
}

/// A refusal of the accounts server, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthError {
    /// What a program decides by.
    pub error: String,
    /// For people; comes with few errors.
    pub description: Option<String>,
}

impl OAuthError {
    /// The client id or the client secret is wrong, or the client belongs to another data center.
    pub const INVALID_CLIENT: &str = "invalid_client";
    /// The client secret is not that of the client.
    pub const INVALID_CLIENT_SECRET: &str = "invalid_client_secret";
    /// A code or refresh token that is wrong, used, expired or revoked.
    pub const INVALID_CODE: &str = "invalid_code";
    /// Neither `authorization_code` nor `refresh_token`.
    pub const UNSUPPORTED_GRANT_TYPE: &str = "unsupported_grant_type";
    /// Too many tokens in too short a time.
    pub const ACCESS_DENIED: &str = "Access Denied";
    /// All of these.
    pub const KNOWN: &[&str] = &[
        Self::INVALID_CLIENT,
        Self::INVALID_CLIENT_SECRET,
        Self::INVALID_CODE,
        Self::UNSUPPORTED_GRANT_TYPE,
        Self::ACCESS_DENIED,
    ];

    /// An error without a description.
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), description: None }
    }

    /// Ten tokens in ten minutes lock an account out for a while.
    pub fn throttled() -> Self {
        Self {
            error: Self::ACCESS_DENIED.to_owned(),
            description: Some(
                "You have made too many requests continuously. Please try again after some time."
                    .to_owned(),
            ),
        }
    }

    /// Too many tokens were asked for: asking again later helps.
    pub fn is_throttled(&self) -> bool {
        self.error.eq_ignore_ascii_case(Self::ACCESS_DENIED)
    }

    /// The credential itself is refused, now and later: asking again would not help.
    pub fn is_wrong_credential(&self) -> bool {
        matches!(
            self.error.as_str(),
            Self::INVALID_CLIENT
                | Self::INVALID_CODE
                | "invalid_client_id"
                | Self::INVALID_CLIENT_SECRET
                | "invalid_grant"
        )
    }

    /// Which part of a credential the service refuses, in words.
    pub fn refused_part(&self) -> &'static str {
        match self.error.as_str() {
            Self::INVALID_CLIENT | "invalid_client_id" => "the client id",
            Self::INVALID_CLIENT_SECRET => "the client secret",
            Self::INVALID_CODE | "invalid_grant" => "the refresh token or code",
            _ => "the request for a token",
        }
    }

    /// The server's side: the answer that says it, under HTTP 200 as the real one.
    pub fn answer(&self) -> Response {
        let mut body = Map::new();
        body.insert("error".to_owned(), self.error.clone().into());
        if let Some(description) = &self.description {
            body.insert("error_description".to_owned(), description.clone().into());
        }
        let status = if self.is_throttled() { 400 } else { 200 };
        Response::new(status, crate::envelope::to_json(&body))
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the accounts server refused {}: {}", self.refused_part(), self.error)?;
        match &self.description {
            Some(description) => write!(f, " ({description})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for OAuthError {}

/// Why there is no access token in an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenResponseError {
    /// The accounts server refused, in its own words.
    #[error(transparent)]
    Refused(OAuthError),
    /// What came is not an answer of the accounts server. None of its body is kept: it may hold a
    /// token.
    #[error(transparent)]
    Unreadable(Unreadable),
}

/// What to do with an access token of a certain age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// Use it.
    Fresh,
    /// Use it, and get a new one meanwhile: it ends soon.
    Due,
    /// Don't use it: it has ended, or ends before a request with it would arrive.
    Dead,
}

impl TokenState {
    /// A token is due in the last tenth of its life, at most this long before its end: 5 minutes.
    pub const DUE_BEFORE_END: Duration = Duration::from_secs(300);
    /// A token is dead in the last fiftieth of its life, at most this long before its end: 30
    /// seconds, for the way of a request and for clocks that disagree.
    pub const SKEW: Duration = Duration::from_secs(30);

    /// The state of a token that was granted for `expires_in`, `age` after its answer came.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portal_model::oauth::TokenState;
    ///
    /// let at = |minutes| TokenState::at(Duration::from_mins(minutes), Duration::from_hours(1));
    /// assert_eq!([at(0), at(54), at(56), at(60)],
    ///     [TokenState::Fresh, TokenState::Fresh, TokenState::Due, TokenState::Dead]);
    /// ```
    pub fn at(age: Duration, expires_in: Duration) -> Self {
        let left = expires_in.saturating_sub(age);
        if left <= Self::SKEW.min(expires_in / 50) {
            Self::Dead
        } else if left <= Self::DUE_BEFORE_END.min(expires_in / 10) {
            Self::Due
        } else {
            Self::Fresh
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
        fn a_token_request_arrives_as_it_was_sent(
            id in "[^\0]{1,40}", secret in "[^\0]{1,40}", grant in any_grant(),
        ) {
            let sent = TokenRequest::new(id, secret, grant);
            let body = String::from_utf8(sent.request().body).unwrap();
            prop_assert_eq!(TokenRequest::parse(TokenRequest::parameters(&body)), Ok(sent));
        }

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

        #[test]
        fn a_token_never_gets_younger(lifetime in 0..10_000_u64, a in 0..10_000_u64, b in 0..10_000_u64) {
            let rank = |age| match TokenState::at(
                Duration::from_secs(age), Duration::from_secs(lifetime),
            ) {
                TokenState::Fresh => 0,
                TokenState::Due => 1,
                TokenState::Dead => 2,
            };
            prop_assert!(rank(a.min(b)) <= rank(a.max(b)));
            prop_assert_eq!(rank(lifetime), 2);
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

    #[test]
    fn a_revocation_says_whether_the_token_was_known() {
        assert_eq!(RevokeToken::decode(&RevokeToken::answer(true)), Ok(()));
        let unknown = RevokeToken::decode(&RevokeToken::answer(false));
        assert!(matches!(unknown, Err(TokenResponseError::Refused(_))));
        let path = RevokeToken::new("1000.a b".to_owned()).request().path;
        assert_eq!(path, "/oauth/v2/token/revoke?token=1000.a%20b");
    }
}
