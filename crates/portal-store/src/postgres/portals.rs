//! SQL statements for portals.

use portal_model::{Portal, PortalName};

use super::failure::Failure;
use super::pool::Pool;
use crate::error::RegistryError;
use crate::org::{OrgId, UserId};
use crate::registry::{CreateConflict, RenameConflict, name_key};
use crate::sql;

/// The unique indexes decide; there is no check before the insert. If another transaction holds the
/// name uncommitted, the insert waits for its end.
const CREATE: &str = "
    INSERT INTO portals (org_id, limit_slot, name, name_key,
                         created_at, created_by, modified_at, modified_by)
    VALUES ($1, (SELECT portal_limit FROM orgs WHERE id = $1), $2, $3, $4, $5, $4, $5)
    ON CONFLICT DO NOTHING
    RETURNING id";

/// Locks the row of `old` first, so that the audit log gets the actual old name.
const RENAME: &str = concat!(
    "WITH old AS (
         SELECT id, name FROM portals WHERE org_id = $1 AND name_key = $2 FOR NO KEY UPDATE),
     renamed AS (
         UPDATE portals SET name = $3, name_key = $4, modified_at = $5, modified_by = $6
         FROM old WHERE portals.id = old.id
         RETURNING portals.id, portals.name, created_at, created_by, modified_at, modified_by,
                   old.name AS old_name),
     noted AS (
         INSERT INTO audit (at, after_portal, actor, action, org, subject, portal_id, detail)
         SELECT $5, (SELECT max(id) FROM portals), email, 'portal_renamed', orgs.name,
                renamed.name, renamed.id, old_name
         FROM renamed JOIN users ON users.id = modified_by JOIN orgs ON orgs.id = $1) ",
    sql::select_portals!("renamed AS portals")
);

/// How often to retry a rename that was aborted because of a deadlock.
const DEADLOCKS: usize = 5;

pub(super) async fn create(
    pool: &Pool,
    org: OrgId,
    user: UserId,
    name: &PortalName,
    now: i64,
) -> Result<Result<(), CreateConflict>, RegistryError> {
    let key = name_key(name.as_str());
    let created = pool
        .change(CREATE, &[&org.0, &name.as_str(), &key, &now, &user.0])
        .await
        .map_err(|failure| unknown_actor(failure, org, user))?;
    if !created.is_empty() {
        return Ok(Ok(()));
    }
    // By a query, because the engine doesn't report which index it was, and checks them in no defined
    // order. A separate statement, because a statement sees only what was committed before it began,
    // and the conflicting portal may have been committed while the create was running.
    let full = pool.read(sql::ORG_IS_FULL, &[&org.0], |_| Ok(())).await?;
    Ok(Err(if full.is_empty() { CreateConflict::NameTaken } else { CreateConflict::LimitReached }))
}

pub(super) async fn rename(
    pool: &Pool,
    org: OrgId,
    user: UserId,
    old: &str,
    new: &PortalName,
    now: i64,
) -> Result<Result<Portal, RenameConflict>, RegistryError> {
    if !is_storable(old) {
        return Ok(Err(RenameConflict::NotFound));
    }
    let (old, key) = (name_key(old), name_key(new.as_str()));
    let mut deadlocks = 0;
    let renamed = loop {
        let renamed =
            pool.change(RENAME, &[&org.0, &old, &new.as_str(), &key, &now, &user.0]).await;
        match renamed {
            Ok(rows) => break rows,
            Err(failure) if failure.breaks("portals_by_name") => {
                return Ok(Err(RenameConflict::NameTaken));
            }
            // Two renames swapped names and deadlocked; the server rolled one of them back.
            Err(failure) if failure.is_deadlock() && deadlocks < DEADLOCKS => deadlocks += 1,
            Err(failure) => return Err(unknown_actor(failure, org, user)),
        }
    };
    match renamed.first() {
        Some(row) => Ok(Ok(sql::portal(row)?)),
        None => Ok(Err(RenameConflict::NotFound)),
    }
}

/// Reports an unknown org or user with the same text as every engine.
fn unknown_actor(failure: Failure, org: OrgId, user: UserId) -> RegistryError {
    let what = if failure.breaks("portals_org") {
        format!("org {org}")
    } else if failure.breaks("portals_creator") || failure.breaks("portals_modifier") {
        format!("user {user}")
    } else {
        return failure.into();
    };
    RegistryError::NotApplied(format!("there is no {what}"))
}

/// Whether a name can exist: PostgreSQL text can't contain NUL, not even in a comparison.
pub(super) fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}
