//! SQL statements for portals.

use portal_model::{Portal, PortalName, Timestamp, UserRef};
use tokio_postgres::Row;

use super::failure::Failure;
use super::pool::Pool;
use crate::error::RegistryError;
use crate::org::{OrgId, UserId};
use crate::registry::{CreateConflict, RenameConflict, name_key};

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
        .change(|it| &it.create_portal, &[&org.0, &name.as_str(), &key, &now, &user.0])
        .await
        .map_err(|failure| unknown_actor(failure, org, user))?;
    if created.is_empty() {
        return why_not_created(pool, org).await.map(Err);
    }
    Ok(Ok(()))
}

/// Determines the conflict with a query, because the engine doesn't report which index it was, and
/// checks them in no defined order.
async fn why_not_created(pool: &Pool, org: OrgId) -> Result<CreateConflict, RegistryError> {
    let rows =
        pool.read(|it| &it.org_is_full, &[&org.0]).await.map_err(Failure::into_read_error)?;
    let is_full = rows.first().map(|row| get(row, 0)).transpose()?.unwrap_or(false);
    Ok(if is_full { CreateConflict::LimitReached } else { CreateConflict::NameTaken })
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
        let renamed = pool
            .change(|it| &it.rename_portal, &[&org.0, &old, &new.as_str(), &key, &now, &user.0])
            .await;
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
        Some(row) => portal(row).map(Ok),
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

pub(super) async fn get_portal(
    pool: &Pool,
    org: OrgId,
    name: &str,
) -> Result<Option<Portal>, RegistryError> {
    if !is_storable(name) {
        return Ok(None);
    }
    let rows = pool
        .read(|it| &it.portal, &[&org.0, &name_key(name)])
        .await
        .map_err(Failure::into_read_error)?;
    rows.first().map(portal).transpose()
}

pub(super) async fn list(pool: &Pool, org: OrgId) -> Result<Vec<Portal>, RegistryError> {
    let rows = pool.read(|it| &it.portals, &[&org.0]).await.map_err(Failure::into_read_error)?;
    rows.iter().map(portal).collect()
}

/// Whether a name can exist: PostgreSQL text can't contain NUL, not even in a comparison.
pub(super) fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}

fn portal(row: &Row) -> Result<Portal, RegistryError> {
    let user = |id: usize| -> Result<UserRef, RegistryError> {
        Ok(UserRef::new(get::<String>(row, id + 1)?, UserId(get(row, id)?).to_string()))
    };
    let mut portal = Portal::new(get::<String>(row, 1)?);
    portal.zaid = Some(get::<i64>(row, 0)?.to_string());
    portal.active = Some(true);
    portal.created_time = Timestamp::from_unix_seconds(get(row, 2)?);
    portal.created_by = Some(user(3)?);
    portal.modified_time = Timestamp::from_unix_seconds(get(row, 5)?);
    portal.modified_by = Some(user(6)?);
    Ok(portal)
}

/// Reads a column of a row. If that fails after a change, the change was applied.
pub(super) fn get<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    column: usize,
) -> Result<T, RegistryError> {
    row.try_get(column).map_err(|error| RegistryError::Unknown(super::failure::describe(&error)))
}
