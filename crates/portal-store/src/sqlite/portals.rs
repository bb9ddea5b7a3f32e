//! SQL statements for portals.

use portal_model::{Portal, PortalName};
use rusqlite::{Connection, OptionalExtension, named_params};

use crate::audit::AuditAction;
use crate::org::{OrgId, UserId, first_zaid};
use crate::registry::{CreateConflict, RenameConflict, name_key};
use crate::sql;

pub(super) fn create(
    connection: &Connection,
    org: OrgId,
    user: UserId,
    name: &PortalName,
    now: i64,
) -> rusqlite::Result<Result<(), CreateConflict>> {
    // The unique indexes decide, not a query before the insert. An unknown org or user makes a NOT
    // NULL column NULL, which is an error.
    let created = connection
        .prepare_cached(
            "INSERT INTO portals (id, org_id, limit_slot, name, name_key,
                                  created_at, created_by, modified_at, modified_by)
             VALUES ((SELECT coalesce(max(id) + 1, :first) FROM portals),
                     (SELECT id FROM orgs WHERE id = :org),
                     (SELECT portal_limit FROM orgs WHERE id = :org), :name, :name_key,
                     :now, (SELECT id FROM users WHERE id = :user), :now, :user)
             ON CONFLICT DO NOTHING",
        )?
        .execute(named_params! {
            ":first": first_zaid(), ":org": org.0, ":name": name.as_str(),
            ":name_key": name_key(name.as_str()), ":now": now, ":user": user.0,
        })?;
    if created == 1 {
        return Ok(Ok(()));
    }
    // By a query, because SQLite doesn't report which index failed, and the order in which it checks
    // them is undefined.
    let is_full = connection.prepare_cached(sql::ORG_IS_FULL)?.exists([org.0])?;
    Ok(Err(if is_full { CreateConflict::LimitReached } else { CreateConflict::NameTaken }))
}

pub(super) fn rename(
    connection: &Connection,
    org: OrgId,
    user: UserId,
    old: &str,
    new: &PortalName,
    now: i64,
) -> rusqlite::Result<Result<Portal, RenameConflict>> {
    let found: Option<(i64, String)> = connection
        .prepare_cached("SELECT id, name FROM portals WHERE org_id = ? AND name_key = ?")?
        .query_row((org.0, name_key(old)), |row| row.try_into())
        .optional()?;
    if let Some((id, old)) = &found {
        let renamed = connection
            .prepare_cached(
                "UPDATE OR IGNORE portals
                 SET name = :new, name_key = :new_key, modified_at = :now, modified_by = :user
                 WHERE id = :id AND EXISTS (SELECT 1 FROM users WHERE id = :user)",
            )?
            .execute(named_params! {
                ":new": new.as_str(), ":new_key": name_key(new.as_str()), ":now": now,
                ":user": user.0, ":id": id,
            })?;
        if renamed == 1 {
            connection
                .prepare_cached(
                    "INSERT INTO audit
                         (at, after_portal, actor, action, org, subject, portal_id, detail)
                     SELECT :now, (SELECT max(id) FROM portals), email, :action, orgs.name,
                            portals.name, portals.id, :old
                     FROM portals
                     JOIN users ON users.id = :user
                     JOIN orgs ON orgs.id = portals.org_id
                     WHERE portals.id = :portal",
                )?
                .execute(named_params! {
                    ":now": now, ":action": AuditAction::PortalRenamed.as_str(), ":old": old,
                    ":user": user.0, ":portal": id,
                })?;
            return connection
                .prepare_cached(sql::PORTAL)?
                .query_row((org.0, name_key(new.as_str())), |row| sql::portal(row).map(Ok));
        }
    }
    // An unknown user is the caller's bug, so it fails before any conflict is considered.
    connection
        .prepare_cached("SELECT 1 FROM orgs, users WHERE orgs.id = ? AND users.id = ?")?
        .query_row((org.0, user.0), |_| Ok(()))?;
    Ok(Err(match found {
        None => RenameConflict::NotFound,
        Some(_) => RenameConflict::NameTaken,
    }))
}
