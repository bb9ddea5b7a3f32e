//! Statements about the audit.

use tokio_postgres::{Row, Transaction};

use super::portals::get;
use crate::audit::{AuditRow, NewEntry};
use crate::error::RegistryError;

/// The last entries, the newest first. A create is where its portal is, under the name that the
/// portal had before it was renamed.
pub(super) const LAST: &str = "
    SELECT at, actor, action, org, subject, detail FROM (
        (SELECT portals.id AS place, 0 AS id, created_at AS at, email AS actor,
                'portal_created' AS action, orgs.name AS org,
                coalesce((SELECT detail FROM audit WHERE portal_id = portals.id
                          ORDER BY id LIMIT 1), portals.name) AS subject,
                NULL::text AS detail
         FROM portals
         JOIN users ON users.id = created_by
         JOIN orgs ON orgs.id = portals.org_id
         ORDER BY portals.id DESC LIMIT $1)
        UNION ALL
        (SELECT after_portal, id, at, actor, action, org, subject, detail FROM audit
         ORDER BY id DESC LIMIT $1)) AS entries
    ORDER BY place DESC, id DESC LIMIT $1";

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
