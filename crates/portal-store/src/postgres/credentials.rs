//! SQL statements for clients, codes and tokens.

use portal_model::oauth::OAuthError;
use portal_model::server;

use super::pool::Pool;
use super::portals::is_storable;
use crate::error::RegistryError;
use crate::sql::{self, Columns as _};
use crate::token::{
    ACCESS_TOKEN_SECONDS, ALIVE_PER_REFRESH_TOKEN, GRANTS_PER_WINDOW, HashedRequest,
    REFRESH_TOKENS_PER_USER, TokenRules, WINDOW_SECONDS,
};

const GRANT: &str = "SELECT grant_access_token($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

/// Does not see access tokens that are issued concurrently; [`PRINCIPAL`](sql::PRINCIPAL) checks the refresh token,
/// so those are invalid too.
pub(super) const REVOKE: &str = "
    WITH revoked AS (
        UPDATE refresh_tokens SET revoked_at = $2 WHERE hash = $1 AND revoked_at IS NULL
        RETURNING hash, client_id, user_id, scopes),
    ended AS (
        DELETE FROM access_tokens WHERE refresh_hash IN (SELECT hash FROM revoked)),
    noted AS (
        INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
        SELECT $2, (SELECT coalesce(max(id), 0) FROM portals), email, 'credential_revoked',
               orgs.name, client_id || ' ' || left(encode(hash, 'hex'), 12), scopes
        FROM revoked JOIN users ON users.id = user_id JOIN orgs ON orgs.id = org_id)
    SELECT FROM revoked";

pub(super) const EXPIRE: &str = "
    UPDATE access_tokens SET expires_at = NULL WHERE hash = $1 AND expires_at IS NOT NULL
    RETURNING id";

pub(super) async fn issue_token(
    pool: &Pool,
    request: &HashedRequest,
    rules: TokenRules,
    now: i64,
) -> Result<Result<(), OAuthError>, RegistryError> {
    // The secret is compared on this side, because the duration of a comparison in the database could
    // leak the stored hash.
    let secret = if is_storable(&request.client_id) {
        pool.read(sql::CLIENT_SECRET, &[&request.client_id], |row| row.hash(0)).await?
    } else {
        Vec::new()
    };
    if let Err(error) = request.check_client(secret.first().copied()) {
        return Ok(Err(error));
    }
    let code = request.code.map(|code| code.0);
    let rows = pool
        .change(
            GRANT,
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
