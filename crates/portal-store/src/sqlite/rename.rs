//! Renaming a portal.

use portal_model::{Portal, PortalName};
use rusqlite::{Connection, OptionalExtension, named_params};

use crate::audit::AuditAction;
use crate::org::{OrgId, UserId};
use crate::registry::{RenameConflict, name_key};
use crate::sql;

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
                .prepare_cached(sql::PORTAL.text)?
                .query_row((org.0, name_key(new.as_str())), |row| Ok(Ok(sql::portal(row)?)));
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
