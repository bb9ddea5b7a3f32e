//! [`Credential`]: what authenticates a client.

use portal_model::Secret;

/// What authenticates a client. Its `Debug` output contains no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A refresh token of a registered client; access tokens are requested as needed.
    RefreshToken {
        /// The client id.
        client_id: String,
        /// The client secret.
        client_secret: Secret,
        /// The refresh token, which does not expire.
        refresh_token: Secret,
    },
    /// An access token, which expires after an hour and can't be renewed.
    AccessToken(Secret),
}

impl Credential {
    /// Authenticates with a refresh token of a registered client.
    pub fn refresh_token(
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
        refresh_token: impl Into<Secret>,
    ) -> Self {
        Self::RefreshToken {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            refresh_token: refresh_token.into(),
        }
    }

    /// Authenticates with an access token.
    pub fn access_token(token: impl Into<Secret>) -> Self {
        Self::AccessToken(token.into())
    }
}
