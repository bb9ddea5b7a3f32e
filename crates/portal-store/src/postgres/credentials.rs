//! SQL statements for clients, codes and tokens.

use std::sync::Arc;

use portal_model::oauth::OAuthError;
use portal_model::server;
use portal_model::{Environment, Scope, Timestamp};
use tokio_postgres::{Row, Transaction};

use super::failure::Failure;
use super::pool::Pool;
use super::portals::{get, is_storable};
use crate::error::RegistryError;
use crate::org::{Org, OrgId, Permission, PortalLimit, Principal, User, UserId};
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
    let outcome = rows.first().map(|row| get::<&str>(row, 0)).transpose()?;
    match outcome {
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
    let rows = pool
        .read(|it| &it.client_secret, &[&request.client_id])
        .await
        .map_err(Failure::into_read_error)?;
    let Some(row) = rows.first() else {
        return Ok(Err(OAuthError::new(OAuthError::INVALID_CLIENT)));
    };
    let is_good = <[u8; 32]>::try_from(get::<&[u8]>(row, 0)?)
        .is_ok_and(|kept| Hashed(kept).matches(request.client_secret));
    Ok(if is_good { Ok(()) } else { Err(OAuthError::new(INVALID_CLIENT_SECRET)) })
}

pub(super) async fn revoke(
    pool: &Pool,
    refresh_token: Hashed,
    now: i64,
) -> Result<bool, RegistryError> {
    let revoked = pool.change(|it| &it.revoke, &[&refresh_token.0.as_slice(), &now]).await?;
    Ok(!revoked.is_empty())
}

/// Uses up codes.
pub(super) async fn use_up_all(
    transaction: &Transaction<'_>,
    codes: &[Hashed],
    actor: &str,
    now: i64,
) -> Result<u64, tokio_postgres::Error> {
    let codes: Vec<&[u8]> = codes.iter().map(|code| code.0.as_slice()).collect();
    transaction
        .execute(
            "WITH used AS (
                 UPDATE codes SET used_at = $2 WHERE hash = ANY($1) AND used_at IS NULL
                 RETURNING client_id, user_id, scopes)
             INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
             SELECT $2, (SELECT coalesce(max(id), 0) FROM portals), $3, 'credential_revoked',
                    orgs.name, client_id || ' code', scopes
             FROM used JOIN users ON users.id = user_id JOIN orgs ON orgs.id = org_id",
            &[&codes, &now, &actor],
        )
        .await
}

/// Revokes refresh tokens along with their access tokens.
pub(super) async fn revoke_all(
    transaction: &Transaction<'_>,
    tokens: &[Hashed],
    actor: &str,
    now: i64,
) -> Result<u64, tokio_postgres::Error> {
    let tokens: Vec<&[u8]> = tokens.iter().map(|token| token.0.as_slice()).collect();
    let revoked = transaction
        .execute(
            "WITH revoked AS (
                 UPDATE refresh_tokens SET revoked_at = $2
                 WHERE hash = ANY($1) AND revoked_at IS NULL
                 RETURNING hash, client_id, user_id, scopes)
             INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
             SELECT $2, (SELECT coalesce(max(id), 0) FROM portals), $3, 'credential_revoked',
                    orgs.name, client_id || ' ' || left(encode(hash, 'hex'), 12), scopes
             FROM revoked JOIN users ON users.id = user_id JOIN orgs ON orgs.id = org_id",
            &[&tokens, &now, &actor],
        )
        .await?;
    transaction
        .execute("DELETE FROM access_tokens WHERE refresh_hash = ANY($1)", &[&tokens])
        .await?;
    Ok(revoked)
}

pub(super) async fn expire(pool: &Pool, access_token: Hashed) -> Result<bool, RegistryError> {
    let ended = pool.change(|it| &it.end, &[&access_token.0.as_slice()]).await?;
    Ok(!ended.is_empty())
}

pub(super) async fn authenticate(
    pool: &Pool,
    access_token: Hashed,
    now: i64,
) -> Result<Option<Arc<Principal>>, RegistryError> {
    let rows = pool
        .read(|it| &it.principal, &[&access_token.0.as_slice(), &now])
        .await
        .map_err(Failure::into_read_error)?;
    Ok(rows.first().map(read_principal).transpose()?.map(Arc::new))
}

pub(super) async fn users(pool: &Pool, org: OrgId) -> Result<Vec<User>, RegistryError> {
    let rows = pool.read(|it| &it.users, &[&org.0]).await.map_err(Failure::into_read_error)?;
    rows.iter().map(|row| read_user(row, 0)).collect()
}

fn read_principal(row: &Row) -> Result<Principal, RegistryError> {
    let expires_at = Timestamp::from_unix_seconds(get(row, 10)?);
    Ok(Principal {
        org: read_org(row)?,
        user: read_user(row, 4)?,
        scopes: read_scopes(row, 9)?,
        expires_at: expires_at.ok_or_else(|| {
            RegistryError::NotApplied("the token's expiry is out of range".to_owned())
        })?,
        client_id: get(row, 11)?,
    })
}

/// Reads an org from the first four columns of a row.
pub(super) fn read_org(row: &Row) -> Result<Org, RegistryError> {
    Ok(Org {
        id: OrgId(get(row, 0)?),
        name: get(row, 1)?,
        environment: match get(row, 2)? {
            "sandbox" => Environment::Sandbox,
            "developer" => Environment::Developer,
            _ => Environment::Production,
        },
        portal_limit: match get::<Option<i64>>(row, 3)? {
            None => PortalLimit::Unlimited,
            Some(_) => PortalLimit::One,
        },
    })
}

/// Reads a user from five columns of a row, starting at `first`.
pub(super) fn read_user(row: &Row, first: usize) -> Result<User, RegistryError> {
    let allowed = [get::<bool>(row, first + 3)?, get(row, first + 4)?];
    let permissions = Permission::ALL.into_iter().zip(allowed);
    Ok(User {
        id: UserId(get(row, first)?),
        name: get(row, first + 1)?,
        email: get(row, first + 2)?,
        permissions: permissions.filter(|(_, allowed)| *allowed).map(|(it, _)| it).collect(),
    })
}

pub(super) fn read_scopes(row: &Row, column: usize) -> Result<Vec<Scope>, RegistryError> {
    let scopes = get::<&str>(row, column)?.split(',').filter(|scope| !scope.is_empty());
    Ok(scopes.map(Scope::new).collect())
}
