//! Creating and migrating the schema.

use tokio_postgres::{Client, Transaction};

use super::failure::Failure;
use super::url::Target;
use crate::error::RegistryError;

/// The version after all migrations; an empty database has 0.
const VERSION: i32 = 2;

/// Each migrates to the next version.
const MIGRATIONS: [&str; VERSION as usize] = [
    include_str!("../../migrations/postgres/0001_registry.sql"),
    include_str!("../../migrations/postgres/0002_audit_and_removal.sql"),
];

/// Class of the advisory locks, "port" in ASCII; the second number says what is locked.
const LOCK_CLASS: i32 = 0x706f_7274;
const MIGRATION: i32 = 1;
const PEOPLE: i32 = 2;

/// Applies the missing migrations. If several processes try at once, one does it and the others
/// wait. An up-to-date database is only read, so the role needs no other rights.
pub(super) async fn apply(client: &mut Client, target: &Target) -> Result<(), RegistryError> {
    let found = version(client).await.map_err(failed)?;
    if found == VERSION {
        return Ok(());
    }
    if found > VERSION {
        return Err(RegistryError::NotApplied(format!(
            "{target} was written by a newer version of this program: it has format {found}, \
             expected at most {VERSION}; upgrade, or use another database"
        )));
    }
    migrate(client).await.map_err(failed)
}

fn failed(error: tokio_postgres::Error) -> RegistryError {
    match Failure::from(error).into() {
        RegistryError::NotApplied(why) => RegistryError::NotApplied(format!(
            "failed to create or migrate the schema `portal`: {why}"
        )),
        unknown => unknown,
    }
}

async fn version(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let row = client.query_one("SELECT to_regclass('portal.format') IS NOT NULL", &[]).await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    client.query_one("SELECT version FROM portal.format", &[]).await?.try_get(0)
}

async fn migrate(client: &mut Client) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    lock(&transaction, MIGRATION).await?;
    // Read again under the lock: another process may have migrated meanwhile. The schema may also
    // exist without tables, if an administrator created it for a role that can't.
    transaction
        .batch_execute(
            "DO $$ BEGIN
                 IF to_regnamespace('portal') IS NULL THEN CREATE SCHEMA portal; END IF;
             END $$;
             CREATE TABLE IF NOT EXISTS portal.format (version integer NOT NULL);
             INSERT INTO portal.format SELECT 0 WHERE NOT EXISTS (SELECT FROM portal.format)",
        )
        .await?;
    let row = transaction.query_one("SELECT version FROM portal.format", &[]).await?;
    let found: i32 = row.try_get(0)?;
    for (migration, leads_to) in MIGRATIONS.iter().zip(1..).filter(|(_, to)| *to > found) {
        transaction.batch_execute(migration).await?;
        transaction.execute("UPDATE portal.format SET version = $1", &[&leads_to]).await?;
    }
    transaction.commit().await
}

/// Takes an advisory lock that is released at the end of the transaction.
async fn lock(transaction: &Transaction<'_>, what: i32) -> Result<(), tokio_postgres::Error> {
    transaction.batch_execute("SET LOCAL lock_timeout = '60s'").await?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1, $2)", &[&LOCK_CLASS, &what])
        .await
        .map(drop)
}

/// Begins a change of orgs, users or credentials once no other process makes one, exchanges a code
/// or revokes a token. Creates and other token requests don't wait.
pub(super) async fn begin_alone(
    client: &mut Client,
) -> Result<Transaction<'_>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    lock(&transaction, PEOPLE).await?;
    // In the order in which the exchange of a code locks them.
    let tables = "LOCK TABLE codes, refresh_tokens IN SHARE ROW EXCLUSIVE MODE";
    transaction.batch_execute(tables).await?;
    Ok(transaction)
}
