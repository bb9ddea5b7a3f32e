//! What authenticates a client: [`Credential`].

use portal_model::Secret;

/// What authenticates a client. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A refresh token of a registered client, with which access tokens are requested as needed.
    RefreshToken {
        /// The registered client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// The token, which does not expire.
        refresh_token: Secret,
    },
    /// An access token, which expires after an hour and cannot be renewed.
    AccessToken(Secret),
}

impl Credential {
    /// A refresh token of a registered client.
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

    /// An access token.
    pub fn access_token(token: impl Into<Secret>) -> Self {
        Self::AccessToken(token.into())
    }
}
