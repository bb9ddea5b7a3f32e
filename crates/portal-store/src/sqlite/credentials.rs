//! SQL statements for clients, codes and tokens.

use portal_model::oauth::OAuthError;
use portal_model::server;
use portal_model::{Environment, Scope, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::audit;
use crate::audit::AuditAction;
use crate::org::{Org, OrgId, Permission, PortalLimit, Principal, User, UserId};
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
        .prepare_cached("SELECT secret_hash FROM clients WHERE id = ?")?
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
        audit::write_token(connection, refresh_token, AuditAction::CodeExchanged, None, now)?;
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

/// Revokes a refresh token. The actor is the token's user unless given.
pub(super) fn revoke(
    connection: &Connection,
    refresh_token: Hashed,
    actor: Option<&str>,
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
        let action = AuditAction::CredentialRevoked;
        audit::write_token(connection, refresh_token, action, actor, now)?;
    }
    Ok(revoked == 1)
}

/// Uses up an unused code.
pub(super) fn use_up(
    connection: &Connection,
    code: Hashed,
    actor: &str,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE codes SET used_at = ? WHERE hash = ?")?
        .execute((now, code.0))?;
    audit::write_code(connection, code, actor, now)
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
        .prepare_cached(
            "SELECT orgs.id, orgs.name, environment, portal_limit,
                    users.id, users.name, email, manage_portal, manage_portal_users,
                    scopes, expires_at, client_id
             FROM access_tokens
             JOIN refresh_tokens ON refresh_tokens.hash = refresh_hash
             JOIN users ON users.id = user_id
             JOIN orgs ON orgs.id = org_id
             WHERE access_tokens.hash = ? AND expires_at > ? AND users.removed_at IS NULL",
        )?
        .query_row((access_token.0, now), read_principal)
        .optional()
}

pub(super) fn users(connection: &Connection, org: OrgId) -> rusqlite::Result<Vec<User>> {
    connection
        .prepare_cached(
            "SELECT id, name, email, manage_portal, manage_portal_users
             FROM users WHERE org_id = ? AND removed_at IS NULL ORDER BY id",
        )?
        .query_map([org.0], |row| read_user(row, 0))?
        .collect()
}

fn read_principal(row: &Row<'_>) -> rusqlite::Result<Principal> {
    let ends = row.get(10)?;
    Ok(Principal {
        org: read_org(row)?,
        user: read_user(row, 4)?,
        scopes: read_scopes(row, 9)?,
        expires_at: Timestamp::from_unix_seconds(ends)
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(10, ends))?,
        client_id: row.get(11)?,
    })
}

/// Returns the orgs that are not removed.
pub(super) fn orgs(connection: &Connection) -> rusqlite::Result<Vec<Org>> {
    let sql = "SELECT id, name, environment, portal_limit FROM orgs
               WHERE removed_at IS NULL ORDER BY id";
    connection.prepare_cached(sql)?.query_map([], read_org)?.collect()
}

/// Reads an org from the first four columns of a row.
fn read_org(row: &Row<'_>) -> rusqlite::Result<Org> {
    Ok(Org {
        id: OrgId(row.get(0)?),
        name: row.get(1)?,
        environment: match row.get_ref(2)?.as_str()? {
            "sandbox" => Environment::Sandbox,
            "developer" => Environment::Developer,
            _ => Environment::Production,
        },
        portal_limit: match row.get::<_, Option<i64>>(3)? {
            None => PortalLimit::Unlimited,
            Some(_) => PortalLimit::One,
        },
    })
}

/// Reads a user from five columns of a row, starting at `first`.
pub(super) fn read_user(row: &Row<'_>, first: usize) -> rusqlite::Result<User> {
    let allowed = [row.get::<_, bool>(first + 3)?, row.get(first + 4)?];
    let permissions = Permission::ALL.into_iter().zip(allowed);
    Ok(User {
        id: UserId(row.get(first)?),
        name: row.get(first + 1)?,
        email: row.get(first + 2)?,
        permissions: permissions.filter(|(_, allowed)| *allowed).map(|(it, _)| it).collect(),
    })
}

pub(super) fn read_scopes(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<Scope>> {
    let scopes = row.get_ref(column)?.as_str()?.split(',');
    Ok(scopes.filter(|scope| !scope.is_empty()).map(Scope::new).collect())
}
