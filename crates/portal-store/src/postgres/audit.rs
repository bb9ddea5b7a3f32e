//! SQL statements for the audit log.

use tokio_postgres::{Row, Transaction};

use super::portals::get;
use crate::audit::{AuditRow, NewEntry};
use crate::error::RegistryError;

pub(super) async fn write(
    transaction: &Transaction<'_>,
    entry: &NewEntry<'_>,
) -> Result<(), tokio_postgres::Error> {
    transaction
        .execute(
            "INSERT INTO audit (at, after_portal, actor, action, org, subject, detail)
             VALUES ($1, (SELECT coalesce(max(id), 0) FROM portals), $2, $3, $4, $5, $6)",
            &[
                &entry.at,
                &entry.actor,
                &entry.action.as_str(),
                &entry.org,
                &entry.subject,
                &entry.detail,
            ],
        )
        .await
        .map(drop)
}

pub(super) fn read(row: &Row) -> Result<AuditRow, RegistryError> {
    Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?, get(row, 3)?, get(row, 4)?, get(row, 5)?))
}
