//! SQL statements for the audit log.

use rusqlite::{Connection, named_params};

use crate::audit::{AuditAction, AuditRow, NewEntry};
use crate::org::UserId;
use crate::token::Hashed;

pub(super) fn write(connection: &Connection, entry: &NewEntry<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
             VALUES (:at, (SELECT coalesce(max(id), 0) FROM portals), :actor, :action, :org,
                     :subject, :detail)",
        )?
        .execute(named_params! {
            ":at": entry.at, ":actor": entry.actor, ":action": entry.action.as_str(),
            ":org": entry.org, ":subject": entry.subject, ":detail": entry.detail,
        })
        .map(drop)
}

/// Call after the rename of `portal`, formerly `old`.
pub(super) fn write_rename(
    connection: &Connection,
    portal: i64,
    old: &str,
    user: UserId,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at, after_portal, actor, action, org, subject, portal_id, detail)
             SELECT :now, (SELECT max(id) FROM portals), email, :action, orgs.name, portals.name,
                    portals.id, :old
             FROM portals JOIN users ON users.id = :user JOIN orgs ON orgs.id = portals.org_id
             WHERE portals.id = :portal",
        )?
        .execute(named_params! {
            ":now": now, ":action": AuditAction::PortalRenamed.as_str(), ":old": old,
            ":user": user.0, ":portal": portal,
        })
        .map(drop)
}

/// Call after a change of a refresh token. The actor is the token's user unless given.
pub(super) fn write_token(
    connection: &Connection,
    token: Hashed,
    action: AuditAction,
    actor: Option<&str>,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
             SELECT :now, (SELECT coalesce(max(id), 0) FROM portals), coalesce(:actor, email),
                    :action, orgs.name, client_id || ' ' || :fingerprint, scopes
             FROM refresh_tokens
             JOIN users ON users.id = user_id
             JOIN orgs ON orgs.id = org_id
             WHERE hash = :token",
        )?
        .execute(named_params! {
            ":now": now, ":actor": actor, ":action": action.as_str(),
            ":fingerprint": token.fingerprint(), ":token": token.0,
        })
        .map(drop)
}

/// Call after a code was used up.
pub(super) fn write_code(
    connection: &Connection,
    code: Hashed,
    actor: &str,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
             SELECT :now, (SELECT coalesce(max(id), 0) FROM portals), :actor, :action, orgs.name,
                    client_id || ' code', scopes
             FROM codes JOIN users ON users.id = user_id JOIN orgs ON orgs.id = org_id
             WHERE hash = :code",
        )?
        .execute(named_params! {
            ":now": now, ":actor": actor, ":action": AuditAction::CredentialRevoked.as_str(),
            ":code": code.0,
        })
        .map(drop)
}

/// Returns the last entries, newest first. A create is ordered by its portal and shows the name
/// from before any rename.
pub(super) fn last(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<AuditRow>> {
    connection
        .prepare_cached(
            "SELECT at, actor, action, org, subject, detail FROM (
               SELECT * FROM (
                 SELECT portals.id AS place, 0 AS id, created_at AS at, email AS actor,
                        :created AS action, orgs.name AS org,
                        coalesce((SELECT detail FROM audit WHERE portal_id = portals.id
                                  ORDER BY id LIMIT 1), portals.name) AS subject,
                        NULL AS detail
                 FROM portals
                 JOIN users ON users.id = created_by
                 JOIN orgs ON orgs.id = portals.org_id
                 ORDER BY portals.id DESC LIMIT :limit)
               UNION ALL
               SELECT * FROM (
                 SELECT after_portal, id, at, actor, action, org, subject, detail FROM audit
                 ORDER BY id DESC LIMIT :limit))
             ORDER BY place DESC, id DESC LIMIT :limit",
        )?
        .query_map(
            named_params! { ":created": AuditAction::PortalCreated.as_str(), ":limit": limit },
            |row| row.try_into(),
        )?
        .collect()
}
