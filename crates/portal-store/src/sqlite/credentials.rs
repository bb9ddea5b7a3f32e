//! SQL statements for clients, codes and tokens.

use portal_model::oauth::OAuthError;
use portal_model::server;
use rusqlite::{Connection, OptionalExtension, named_params};

use crate::audit::AuditAction;
use crate::org::Principal;
use crate::sql;
use crate::token::{
    ACCESS_TOKEN_SECONDS, ALIVE_PER_REFRESH_TOKEN, CODE_SECONDS, GRANTS_PER_WINDOW, Hashed,
    INVALID_CLIENT_SECRET, TokenRules, WINDOW_SECONDS,
};

/// A token request with hashed secrets, and the hash of the access token to be issued.
pub(super) struct HashedRequest {
    pub(super) client_id: String,
    pub(super) client_secret: Hashed,
    pub(super) grant: HashedGrant,
    pub(super) access_token: Hashed,
}

pub(super) enum HashedGrant {
    RefreshToken(Hashed),
    Code { code: Hashed, new_refresh_token: Hashed },
}

pub(super) fn issue_token(
    connection: &Connection,
    request: &HashedRequest,
    rules: TokenRules,
    now: i64,
) -> rusqlite::Result<Result<(), OAuthError>> {
    if let Err(error) = check_client(connection, request)? {
        return Ok(Err(error));
    }
    let (refresh_token, is_valid) = match request.grant {
        HashedGrant::RefreshToken(refresh_token) => {
            (refresh_token, is_alive(connection, refresh_token, &request.client_id)?)
        }
        HashedGrant::Code { code, new_refresh_token } => (
            new_refresh_token,
            exchange(connection, code, new_refresh_token, &request.client_id, now)?,
        ),
    };
    if !is_valid {
        return Ok(Err(OAuthError::new(OAuthError::INVALID_CODE)));
    }
    if rules == TokenRules::ServiceLimits {
        if issued_in_window(connection, refresh_token, now)? >= GRANTS_PER_WINDOW {
            return Ok(Err(server::tokens_rate_limited()));
        }
        expire_oldest(connection, refresh_token, now)?;
    }
    issue(connection, request.access_token, refresh_token, now)?;
    Ok(Ok(()))
}

fn check_client(
    connection: &Connection,
    request: &HashedRequest,
) -> rusqlite::Result<Result<(), OAuthError>> {
    let kept = connection
        .prepare_cached(sql::CLIENT_SECRET)?
        .query_row([&request.client_id], |row| row.get(0).map(Hashed))
        .optional()?;
    Ok(match kept {
        None => Err(OAuthError::new(OAuthError::INVALID_CLIENT)),
        Some(kept) if kept.matches(request.client_secret) => Ok(()),
        Some(_) => Err(OAuthError::new(INVALID_CLIENT_SECRET)),
    })
}

fn is_alive(
    connection: &Connection,
    refresh_token: Hashed,
    client_id: &str,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM refresh_tokens
             WHERE hash = ? AND client_id = ? AND revoked_at IS NULL",
        )?
        .exists((refresh_token.0, client_id))
}

/// Exchanges a code for a refresh token. Returns `false` if the code is used up or expired.
fn exchange(
    connection: &Connection,
    code: Hashed,
    refresh_token: Hashed,
    client_id: &str,
    now: i64,
) -> rusqlite::Result<bool> {
    let used = connection
        .prepare_cached(
            "UPDATE codes SET used_at = :now
             WHERE hash = :code AND client_id = :client AND used_at IS NULL
                   AND created_at > :now - :lifetime",
        )?
        .execute(named_params! {
            ":now": now, ":code": code.0, ":client": client_id, ":lifetime": CODE_SECONDS,
        })?;
    if used == 1 {
        connection
            .prepare_cached(
                "INSERT INTO refresh_tokens (hash, client_id, user_id, scopes)
                 SELECT ?, client_id, user_id, scopes FROM codes WHERE hash = ?",
            )?
            .execute((refresh_token.0, code.0))?;
        record(connection, refresh_token, AuditAction::CodeExchanged, now)?;
    }
    Ok(used == 1)
}

fn issued_in_window(
    connection: &Connection,
    refresh_token: Hashed,
    now: i64,
) -> rusqlite::Result<u32> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM access_tokens WHERE refresh_hash = ? AND issued_at > ? - ?",
        )?
        .query_row((refresh_token.0, now, WINDOW_SECONDS), |row| row.get(0))
}

/// Expires the oldest valid access token if the limit is reached.
fn expire_oldest(connection: &Connection, refresh_token: Hashed, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE access_tokens SET expires_at = NULL WHERE id IN
               (SELECT id FROM access_tokens WHERE refresh_hash = ? AND expires_at > ?
                ORDER BY id DESC LIMIT -1 OFFSET ?)",
        )?
        .execute((refresh_token.0, now, ALIVE_PER_REFRESH_TOKEN - 1))
        .map(drop)
}

fn issue(
    connection: &Connection,
    access_token: Hashed,
    refresh_token: Hashed,
    now: i64,
) -> rusqlite::Result<()> {
    // Delete tokens that are neither valid nor count towards a limit.
    connection
        .prepare_cached(
            "DELETE FROM access_tokens
             WHERE refresh_hash = :refresh_token AND issued_at <= :now - :window
                   AND (expires_at IS NULL OR expires_at <= :now)",
        )?
        .execute(named_params! {
            ":refresh_token": refresh_token.0, ":now": now, ":window": WINDOW_SECONDS,
        })?;
    connection
        .prepare_cached(
            "INSERT INTO access_tokens (hash, refresh_hash, issued_at, expires_at)
             VALUES (:access_token, :refresh_token, :now, :now + :lifetime)",
        )?
        .execute(named_params! {
            ":access_token": access_token.0, ":refresh_token": refresh_token.0, ":now": now,
            ":lifetime": ACCESS_TOKEN_SECONDS,
        })
        .map(drop)
}

pub(super) fn revoke(
    connection: &Connection,
    refresh_token: Hashed,
    now: i64,
) -> rusqlite::Result<bool> {
    let revoked = connection
        .prepare_cached(
            "UPDATE refresh_tokens SET revoked_at = ? WHERE hash = ? AND revoked_at IS NULL",
        )?
        .execute((now, refresh_token.0))?;
    connection
        .prepare_cached("DELETE FROM access_tokens WHERE refresh_hash = ?")?
        .execute([refresh_token.0])?;
    if revoked == 1 {
        record(connection, refresh_token, AuditAction::CredentialRevoked, now)?;
    }
    Ok(revoked == 1)
}

/// Adds a change of a refresh token by its user to the audit log.
fn record(
    connection: &Connection,
    refresh_token: Hashed,
    action: AuditAction,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
             SELECT :now, (SELECT coalesce(max(id), 0) FROM portals), email, :action, orgs.name,
                    client_id || ' ' || :fingerprint, scopes
             FROM refresh_tokens
             JOIN users ON users.id = user_id
             JOIN orgs ON orgs.id = org_id
             WHERE hash = :token",
        )?
        .execute(named_params! {
            ":now": now, ":action": action.as_str(), ":fingerprint": refresh_token.fingerprint(),
            ":token": refresh_token.0,
        })
        .map(drop)
}

pub(super) fn expire(connection: &Connection, access_token: Hashed) -> rusqlite::Result<bool> {
    let ended = connection
        .prepare_cached(
            "UPDATE access_tokens SET expires_at = NULL WHERE hash = ? AND expires_at NOTNULL",
        )?
        .execute([access_token.0])?;
    Ok(ended == 1)
}

pub(super) fn authenticate(
    connection: &Connection,
    access_token: Hashed,
    now: i64,
) -> rusqlite::Result<Option<Principal>> {
    connection
        .prepare_cached(sql::PRINCIPAL)?
        .query_row((access_token.0, now), |row| sql::principal(row))
        .optional()
}
