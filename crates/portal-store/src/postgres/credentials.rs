//! SQL statements for clients, codes and tokens.

use portal_model::oauth::OAuthError;
use portal_model::server;

use super::pool::Pool;
use super::portals::is_storable;
use crate::error::RegistryError;
use crate::sql::Columns as _;
use crate::token::{
    ACCESS_TOKEN_SECONDS, ALIVE_PER_REFRESH_TOKEN, CODE_SECONDS, GRANTS_PER_WINDOW, Hashed,
    INVALID_CLIENT_SECRET, TokenRules, WINDOW_SECONDS,
};

/// A token request with hashed secrets, and the hash of the access token to be issued.
pub(super) struct HashedRequest {
    pub(super) client_id: String,
    pub(super) client_secret: Hashed,
    /// The given refresh token, or the one to be issued for a code.
    pub(super) refresh_token: Hashed,
    pub(super) code: Option<Hashed>,
    pub(super) access_token: Hashed,
}

pub(super) async fn issue_token(
    pool: &Pool,
    request: &HashedRequest,
    rules: TokenRules,
    now: i64,
) -> Result<Result<(), OAuthError>, RegistryError> {
    if let Err(error) = check_client(pool, request).await? {
        return Ok(Err(error));
    }
    let code = request.code.map(|code| code.0);
    let rows = pool
        .change(
            |it| &it.grant,
            &[
                &request.client_id,
                &request.refresh_token.0.as_slice(),
                &code.as_ref().map(<[u8; 32]>::as_slice),
                &request.access_token.0.as_slice(),
                &now,
                &CODE_SECONDS,
                &ACCESS_TOKEN_SECONDS,
                &WINDOW_SECONDS,
                &(rules == TokenRules::ServiceLimits),
                &i64::from(GRANTS_PER_WINDOW),
                &i64::from(ALIVE_PER_REFRESH_TOKEN),
            ],
        )
        .await?;
    match rows.first().map(|row| row.text(0)).transpose()? {
        Some("granted") => Ok(Ok(())),
        Some("invalid") => Ok(Err(OAuthError::new(OAuthError::INVALID_CODE))),
        Some("throttled") => Ok(Err(server::tokens_rate_limited())),
        other => {
            Err(RegistryError::Unknown(format!("expected the outcome of a grant, found {other:?}")))
        }
    }
}

/// Compares the secret on this side, because the duration of a comparison in the database could
/// leak the stored hash.
async fn check_client(
    pool: &Pool,
    request: &HashedRequest,
) -> Result<Result<(), OAuthError>, RegistryError> {
    if !is_storable(&request.client_id) {
        return Ok(Err(OAuthError::new(OAuthError::INVALID_CLIENT)));
    }
    let secrets =
        pool.read(|it| &it.client_secret, &[&request.client_id], |row| row.hash(0)).await?;
    Ok(match secrets.first() {
        None => Err(OAuthError::new(OAuthError::INVALID_CLIENT)),
        Some(kept) if kept.matches(request.client_secret) => Ok(()),
        Some(_) => Err(OAuthError::new(INVALID_CLIENT_SECRET)),
    })
}

pub(super) async fn revoke(
    pool: &Pool,
    refresh_token: Hashed,
    now: i64,
) -> Result<bool, RegistryError> {
    let revoked = pool.change(|it| &it.revoke, &[&refresh_token.0.as_slice(), &now]).await?;
    Ok(!revoked.is_empty())
}

pub(super) async fn expire(pool: &Pool, access_token: Hashed) -> Result<bool, RegistryError> {
    let ended = pool.change(|it| &it.end, &[&access_token.0.as_slice()]).await?;
    Ok(!ended.is_empty())
}
