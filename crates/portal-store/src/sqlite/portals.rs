//! SQL statements for portals.

use portal_model::{Portal, PortalName, Timestamp, UserRef};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::audit;
use crate::org::{FIRST_ZAID, OrgId, UserId};
use crate::registry::{CreateConflict, RenameConflict, name_key};

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
            ":first": FIRST_ZAID, ":org": org.0, ":name": name.as_str(),
            ":name_key": name_key(name.as_str()), ":now": now, ":user": user.0,
        })?;
    if created == 1 {
        return Ok(Ok(()));
    }
    why_not_created(connection, org).map(Err)
}

/// Determines the conflict with a query, because SQLite doesn't report which index failed, and the
/// order in which it checks them is undefined.
fn why_not_created(connection: &Connection, org: OrgId) -> rusqlite::Result<CreateConflict> {
    let is_full = connection
        .prepare_cached("SELECT 1 FROM portals WHERE org_id = ? AND limit_slot NOTNULL")?
        .exists([org.0])?;
    Ok(if is_full { CreateConflict::LimitReached } else { CreateConflict::NameTaken })
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
            audit::write_rename(connection, *id, old, user, now)?;
            return by_id(connection, *id).map(Ok);
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

/// The common beginning of every statement that reads portals.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT portals.id, portals.name, created_at, creator.id, creator.name,
                    modified_at, modifier.id, modifier.name
             FROM portals
             JOIN users AS creator ON creator.id = created_by
             JOIN users AS modifier ON modifier.id = modified_by ",
            $rest
        )
    };
}

fn by_id(connection: &Connection, id: i64) -> rusqlite::Result<Portal> {
    connection.prepare_cached(select!("WHERE portals.id = ?"))?.query_row([id], portal)
}

pub(super) fn get(
    connection: &Connection,
    org: OrgId,
    name: &str,
) -> rusqlite::Result<Option<Portal>> {
    connection
        .prepare_cached(select!("WHERE name_key = ? AND portals.org_id = ?"))?
        .query_row((name_key(name), org.0), portal)
        .optional()
}

pub(super) fn list(connection: &Connection, org: OrgId) -> rusqlite::Result<Vec<Portal>> {
    connection
        .prepare_cached(select!("WHERE portals.org_id = ? ORDER BY portals.id"))?
        .query_map([org.0], portal)?
        .collect()
}

fn portal(row: &Row<'_>) -> rusqlite::Result<Portal> {
    let user = |id: usize| -> rusqlite::Result<UserRef> {
        Ok(UserRef::new(row.get::<_, String>(id + 1)?, UserId(row.get(id)?).to_string()))
    };
    let mut portal = Portal::new(row.get::<_, String>(1)?);
    portal.zaid = Some(row.get::<_, i64>(0)?.to_string());
    portal.active = Some(true);
    portal.created_time = Timestamp::from_unix_seconds(row.get(2)?);
    portal.created_by = Some(user(3)?);
    portal.modified_time = Timestamp::from_unix_seconds(row.get(5)?);
    portal.modified_by = Some(user(6)?);
    Ok(portal)
}
