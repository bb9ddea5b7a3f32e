//! The schema, and the locks for changing it and its people.

use deadpool_postgres::{ClientWrapper, Transaction};
use tokio_postgres::Client;

use super::failure::Failure;
use crate::error::RegistryError;
use crate::sql::Rows;

/// The version of [`SCHEMA`]; an empty database has 0.
const VERSION: i32 = 1;

const SCHEMA: &str = include_str!("../../schema/postgres.sql");

/// Class of the advisory locks, "port" in ASCII; the second number says what is locked.
const LOCK_CLASS: i32 = 0x706f_7274;
const SCHEMA_CREATION: i32 = 1;
const PEOPLE: i32 = 2;

/// Class of the advisory locks on names, "name" in ASCII.
const NAME_CLASS: i32 = 0x6e61_6d65;

/// Creates the schema if it is missing. If several processes try at once, one does it and the others
/// wait. An existing schema is only read, so the role needs no other rights.
pub(super) async fn prepare(client: &mut ClientWrapper, target: &str) -> Result<(), RegistryError> {
    match version(client).await.map_err(failed)? {
        VERSION => Ok(()),
        0 => create(client).await.map_err(failed),
        newer => Err(RegistryError::NotApplied(format!(
            "{target} was written by a newer version of this program: it has format {newer}, \
             expected at most {VERSION}; upgrade, or use another database"
        ))),
    }
}

fn failed(error: tokio_postgres::Error) -> RegistryError {
    match Failure::from(error).into() {
        RegistryError::NotApplied(why) => {
            RegistryError::NotApplied(format!("failed to create the schema `portal`: {why}"))
        }
        unknown => unknown,
    }
}

async fn version(client: &Client) -> Result<i32, tokio_postgres::Error> {
    // Not `to_regclass`, whose cache misses what was committed while a transaction waited for a lock.
    let exists = "SELECT FROM pg_tables WHERE schemaname = 'portal' AND tablename = 'format'";
    if client.query_opt(exists, &[]).await?.is_none() {
        return Ok(0);
    }
    client.query_one("SELECT version FROM portal.format", &[]).await?.try_get(0)
}

async fn create(client: &mut ClientWrapper) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    lock(&transaction, SCHEMA_CREATION).await?;
    // Read again under the lock: another process may have created it meanwhile.
    if version(transaction.client()).await? == 0 {
        // An administrator may have created the schema for a role that can't.
        let schema = "
            DO $$ BEGIN
                IF to_regnamespace('portal') IS NULL THEN CREATE SCHEMA portal; END IF;
            END $$";
        transaction.batch_execute(schema).await?;
        transaction.batch_execute(SCHEMA).await?;
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

/// Begins a change of `rows` once no other process makes one.
pub(super) async fn begin<'a>(
    client: &'a mut ClientWrapper,
    rows: &Rows,
) -> Result<Transaction<'a>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    match rows {
        Rows::Everybody => {
            lock(&transaction, PEOPLE).await?;
            transaction.batch_execute("LOCK TABLE grants IN SHARE ROW EXCLUSIVE MODE").await?;
        }
        Rows::OfGrant(hash) => {
            // Before any row, on which the other kind of change could wait.
            transaction.batch_execute("LOCK TABLE grants IN ROW EXCLUSIVE MODE").await?;
            let user = "SELECT FROM users WHERE id = (SELECT user_id FROM grants WHERE hash = $1)
                        FOR NO KEY UPDATE";
            let user = transaction.prepare_cached(user).await?;
            transaction.execute(&user, &[&hash.0.as_slice()]).await?;
        }
        // The name, not the portal that has it: that may be another one by the time it is read.
        Rows::OfRename { old, .. } => {
            let name = "SELECT pg_advisory_xact_lock($1, hashtext($2))";
            let name = transaction.prepare_cached(name).await?;
            transaction.execute(&name, &[&NAME_CLASS, old]).await?;
        }
        Rows::AccessToken(_) => {}
    }
    Ok(transaction)
}
