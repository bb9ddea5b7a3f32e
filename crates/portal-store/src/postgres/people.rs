//! Reading and writing [`People`](crate::people::People) in a transaction.

use std::time::Duration;

use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use tokio_postgres::Row;

use super::failure::Failure;
use super::pool::{Pool, RESPONSE_TIMEOUT, parameters, respond};
use super::schema;
use crate::error::RegistryError;
use crate::people::{Change, People};
use crate::sql::{self, Columns, Damaged, Read, Rows};
use crate::token::Hashed;

async fn read(transaction: &Transaction<'_>, rows: &Rows) -> Result<People, Failure> {
    let mut people = People::default();
    for (text, values, read) in rows.queries() {
        let statement = transaction.prepare_cached(&text).await?;
        for row in transaction.query(&statement, &parameters(&values)).await? {
            people.load(read(&row)?);
        }
    }
    Ok(people)
}

/// How often to repeat a transaction that the server rolled back because of another one.
const RACES: usize = 5;

/// Lets `rule` decide over `rows`, and commits what it changed.
pub(super) async fn decide<T>(
    pool: &Pool,
    rows: &Rows,
    rule: impl Fn(&mut People) -> T,
) -> Result<T, RegistryError> {
    let time = match rows {
        // It may wait for a minute for others, and have any number of rows.
        Rows::Everybody => Duration::MAX,
        Rows::OfGrant(_) | Rows::AccessToken(_) | Rows::OfRename { .. } => RESPONSE_TIMEOUT,
    };
    let mut races = 0;
    loop {
        let mut client = pool.acquire().await?;
        let decided = respond(time, async {
            let transaction = schema::begin(&mut client, rows).await?;
            let mut people = read(&transaction, rows).await?;
            let result = rule(&mut people);
            let changes = people.take_changes();
            write(&transaction, &changes).await?;
            Ok((transaction, result, !changes.is_empty()))
        });
        let (transaction, result, is_changed) = match decided.await {
            Err(failure) if failure.is_race() && races < RACES => {
                races += 1;
                continue;
            }
            decided => decided.map_err(Failure::not_applied)?,
        };
        // Otherwise dropping the transaction ends it, which nobody has to wait for.
        if is_changed {
            respond(RESPONSE_TIMEOUT, async { Ok(transaction.commit().await?) }).await?;
        }
        return Ok(result);
    }
}

/// Writes the changes in their order. Pipelined: a statement is sent when its future is first polled. All are
/// prepared before, so that the first to fail is the one that says why.
async fn write(transaction: &Transaction<'_>, changes: &[Change]) -> Result<(), Failure> {
    let mut prepared = Vec::new();
    for change in changes {
        if let Change::PortalLimit(..) = change {
            // Waits for creates in progress, which have read the old limit; later ones wait here
            // and read the new limit.
            transaction.batch_execute("LOCK TABLE portals IN SHARE ROW EXCLUSIVE MODE").await?;
        }
        for (text, values) in sql::statements(change) {
            prepared.push((transaction.prepare_cached(text).await?, values));
        }
    }
    let executed = prepared.into_iter().map(|(statement, values)| async move {
        transaction.execute(&statement, &parameters(&values)).await
    });
    try_join_all(executed).await?;
    Ok(())
}

impl Columns for Row {
    fn optional_number(&self, column: usize) -> Read<Option<i64>> {
        Ok(self.try_get(column)?)
    }

    fn optional_text(&self, column: usize) -> Read<Option<&str>> {
        Ok(self.try_get(column)?)
    }

    fn flag(&self, column: usize) -> Read<bool> {
        Ok(self.try_get(column)?)
    }

    /// A value that is not 32 bytes long matches nothing.
    fn hash(&self, column: usize) -> Read<Hashed> {
        let hash: &[u8] = self.try_get(column)?;
        Ok(Hashed(hash.try_into().unwrap_or_default()))
    }
}

impl From<Damaged> for Failure {
    /// If it happens after a change, the change was applied.
    fn from(Damaged(what): Damaged) -> Self {
        Self::Lost(what)
    }
}
