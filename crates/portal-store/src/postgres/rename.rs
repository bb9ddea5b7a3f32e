//! Renaming a portal.

use portal_model::{Portal, PortalName};

use super::failure::Failure;
use super::pool::Pool;
use crate::error::RegistryError;
use crate::org::{OrgId, UserId};
use crate::registry::{RenameConflict, name_key};
use crate::sql;

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

pub(super) async fn rename(
    pool: &Pool,
    org: OrgId,
    user: UserId,
    old: &str,
    new: &PortalName,
    now: i64,
) -> Result<Result<Portal, RenameConflict>, RegistryError> {
    // PostgreSQL text can't contain NUL, not even in a comparison.
    if old.contains('\0') {
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
            Err(failure) => return Err(failure.into()),
        }
    };
    match renamed.first() {
        Some(row) => Ok(Ok(sql::portal(row).map_err(Failure::from)?)),
        None => Ok(Err(RenameConflict::NotFound)),
    }
}
