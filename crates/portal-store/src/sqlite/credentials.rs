//! SQL statements for clients, codes and tokens.

use portal_model::oauth::OAuthError;
use portal_model::server;
use rusqlite::{Connection, OptionalExtension, Params, named_params};

use crate::audit::AuditAction;
use crate::org::Principal;
use crate::sql;
use crate::token::{
    ACCESS_TOKEN_SECONDS, ALIVE_PER_REFRESH_TOKEN, GRANTS_PER_WINDOW, Hashed, HashedRequest,
    REFRESH_TOKENS_PER_USER, TokenRules, WINDOW_SECONDS,
};

/// The issue of an access token.
pub(super) struct Issue<'a> {
    pub(super) connection: &'a Connection,
    pub(super) request: &'a HashedRequest,
    pub(super) now: i64,
}

impl Issue<'_> {
    pub(super) fn run(&self, rules: TokenRules) -> rusqlite::Result<Result<(), OAuthError>> {
        if let Err(error) = self.request.check_client(self.client_secret()?) {
            return Ok(Err(error));
        }
        let is_valid = match self.request.code {
            None => self.is_alive()?,
            Some(code) => self.exchange(code, rules)?,
        };
        if !is_valid {
            return Ok(Err(OAuthError::new(OAuthError::INVALID_CODE)));
        }
        if rules == TokenRules::ServiceLimits {
            if self.issued_in_window()? >= GRANTS_PER_WINDOW {
                return Ok(Err(server::tokens_rate_limited()));
            }
            self.expire_oldest()?;
            self.revoke_oldest()?;
        }
        self.insert()?;
        Ok(Ok(()))
    }

    fn client_secret(&self) -> rusqlite::Result<Option<Hashed>> {
        self.connection
            .prepare_cached(sql::CLIENT_SECRET)?
            .query_row([&self.request.client_id], |row| row.get(0).map(Hashed))
            .optional()
    }

    fn is_alive(&self) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT 1 FROM refresh_tokens
                 WHERE hash = ? AND client_id = ? AND revoked_at IS NULL",
            )?
            .exists((self.request.refresh_token.0, &self.request.client_id))
    }

    /// Exchanges a code for a refresh token. Returns `false` if the code is used up or expired.
    fn exchange(&self, code: Hashed, rules: TokenRules) -> rusqlite::Result<bool> {
        let HashedRequest { client_id, refresh_token, .. } = self.request;
        let used = self.execute(
            "UPDATE codes SET used_at = :now
             WHERE hash = :code AND client_id = :client AND used_at IS NULL
                   AND created_at > :now - :lifetime",
            named_params! {
                ":now": self.now, ":code": code.0, ":client": client_id,
                ":lifetime": rules.code_seconds(),
            },
        )?;
        if used == 1 {
            self.execute(
                "INSERT INTO refresh_tokens (hash, client_id, user_id, scopes)
                 SELECT ?, client_id, user_id, scopes FROM codes WHERE hash = ?",
                (refresh_token.0, code.0),
            )?;
            record(self.connection, *refresh_token, AuditAction::CodeExchanged, self.now)?;
        }
        Ok(used == 1)
    }

    fn issued_in_window(&self) -> rusqlite::Result<u32> {
        self.connection
            .prepare_cached(
                "SELECT count(*) FROM access_tokens WHERE refresh_hash = ? AND issued_at > ? - ?",
            )?
            .query_row((self.request.refresh_token.0, self.now, WINDOW_SECONDS), |row| row.get(0))
    }

    /// Expires the oldest valid access token if the limit is reached.
    fn expire_oldest(&self) -> rusqlite::Result<usize> {
        self.execute(
            "UPDATE access_tokens SET expires_at = NULL WHERE id IN
               (SELECT id FROM access_tokens WHERE refresh_hash = ? AND expires_at > ?
                ORDER BY id DESC LIMIT -1 OFFSET ?)",
            (self.request.refresh_token.0, self.now, ALIVE_PER_REFRESH_TOKEN - 1),
        )
    }

    /// Revokes the oldest refresh tokens of the user beyond the limit. The log has their order, but not
    /// of those that a seed gave: they are the oldest.
    fn revoke_oldest(&self) -> rusqlite::Result<()> {
        let beyond: Vec<Hashed> = self
            .connection
            .prepare_cached(
                "SELECT hash FROM refresh_tokens AS token
                 WHERE revoked_at IS NULL
                       AND user_id = (SELECT user_id FROM refresh_tokens WHERE hash = ?)
                 ORDER BY (SELECT max(id) FROM audit
                           WHERE action = 'code_exchanged' AND subject = token.client_id || ' ' ||
                                 substr(lower(hex(token.hash)), 1, 12)) DESC NULLS LAST
                 LIMIT -1 OFFSET ?",
            )?
            .query_map((self.request.refresh_token.0, REFRESH_TOKENS_PER_USER), |row| {
                row.get(0).map(Hashed)
            })?
            .collect::<rusqlite::Result<_>>()?;
        beyond.into_iter().try_for_each(|hash| revoke(self.connection, hash, self.now).map(drop))
    }

    fn insert(&self) -> rusqlite::Result<usize> {
        let HashedRequest { access_token, refresh_token, .. } = self.request;
        // Delete tokens that are neither valid nor count towards a limit.
        self.execute(
            "DELETE FROM access_tokens
             WHERE refresh_hash = :refresh_token AND issued_at <= :now - :window
                   AND (expires_at IS NULL OR expires_at <= :now)",
            named_params! {
                ":refresh_token": refresh_token.0, ":now": self.now, ":window": WINDOW_SECONDS,
            },
        )?;
        self.execute(
            "INSERT INTO access_tokens (hash, refresh_hash, issued_at, expires_at)
             VALUES (?, ?, ?, ?)",
            (access_token.0, refresh_token.0, self.now, self.now + ACCESS_TOKEN_SECONDS),
        )
    }

    fn execute(&self, statement: &str, parameters: impl Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(statement)?.execute(parameters)
    }
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
