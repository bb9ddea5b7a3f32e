//! SQL statements for clients, codes and tokens.

use portal_model::oauth::OAuthError;
use portal_model::server;

use super::pool::Pool;
use super::portals::is_storable;
use crate::error::RegistryError;
use crate::sql::Columns as _;
use crate::token::{
    ACCESS_TOKEN_SECONDS, ALIVE_PER_REFRESH_TOKEN, GRANTS_PER_WINDOW, HashedRequest,
    REFRESH_TOKENS_PER_USER, TokenRules, WINDOW_SECONDS,
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
                &rules.code_seconds(),
                &ACCESS_TOKEN_SECONDS,
                &WINDOW_SECONDS,
                &(rules == TokenRules::ServiceLimits),
                &i64::from(GRANTS_PER_WINDOW),
                &i64::from(ALIVE_PER_REFRESH_TOKEN),
                &i64::from(REFRESH_TOKENS_PER_USER),
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
