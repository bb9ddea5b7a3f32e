//! SQL statements for clients, codes and tokens.

use portal_model::oauth::OAuthError;

use super::pool::Pool;
use super::portals::is_storable;
use crate::error::RegistryError;
use crate::sql::Columns as _;
use crate::token::{
    ACCESS_TOKEN_SECONDS, ALIVE_PER_REFRESH_TOKEN, CODE_SECONDS, GRANTS_PER_WINDOW, Hashed,
    HashedRequest, TokenRules, WINDOW_SECONDS,
};

pub(super) async fn issue_token(
    pool: &Pool,
    request: &HashedRequest,
    rules: TokenRules,
    now: i64,
) -> Result<Result<(), OAuthError>, RegistryError> {
    // The secret is compared on this side, because the duration of a comparison in the database could
    // leak the stored hash.
    let secret = if is_storable(&request.client_id) {
        pool.read(|it| &it.client_secret, &[&request.client_id], |row| row.hash(0)).await?
    } else {
        Vec::new()
    };
    if let Err(error) = request.check_client(secret.first().copied()) {
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
        Some("throttled") => Ok(Err(OAuthError::rate_limited())),
        other => {
            Err(RegistryError::Unknown(format!("expected the outcome of a grant, found {other:?}")))
        }
    }
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
