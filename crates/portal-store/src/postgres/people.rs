//! Reading and writing [`People`](crate::people::People) in a transaction.

use std::future::{Future, poll_fn};
use std::task::Poll;

use deadpool_postgres::Transaction;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::failure::Failure;
use super::pool::Pool;
use super::schema;
use crate::error::RegistryError;
use crate::people::{Change, People};
use crate::sql::{self, Columns, Table, Value};
use crate::token::Hashed;

async fn read(client: &Client) -> Result<People, Failure> {
    let mut people = People::default();
    for table in Table::ALL {
        for row in client.query_typed(table.select(), &[]).await? {
            people.load(table.read(&row)?);
        }
    }
    Ok(people)
}

/// Lets `rule` decide, and commits what it changed.
pub(super) async fn decide<T>(
    pool: &Pool,
    rule: impl FnOnce(&mut People) -> T,
) -> Result<T, RegistryError> {
    let mut client = pool.acquire().await?;
    let decided = async {
        let transaction = schema::begin_alone(&mut client).await?;
        let mut people = read(transaction.client()).await?;
        let result = rule(&mut people);
        let changes = people.take_changes();
        write(&transaction, &changes).await?;
        Ok((transaction, result, !changes.is_empty()))
    };
    let (transaction, result, is_changed) = decided.await.map_err(Failure::not_applied)?;
    // Otherwise dropping the transaction ends it, which nobody has to wait for.
    if is_changed {
        transaction.commit().await.map_err(Failure::from)?;
    }
    Ok(result)
}

/// Writes the changes in their order. Pipelined: a statement is sent when its future is first
/// polled.
async fn write(transaction: &Transaction<'_>, changes: &[Change]) -> Result<(), Failure> {
    let mut sent = Vec::new();
    for change in changes {
        if let Change::PortalLimit(..) = change {
            // Waits for creates in progress, which have read the old limit; later ones wait here
            // and read the new limit.
            transaction.batch_execute("LOCK TABLE portals IN SHARE ROW EXCLUSIVE MODE").await?;
        }
        for (text, values) in sql::statements(change) {
            let statement = transaction.prepare_cached(text).await?;
            let mut execution = Box::pin(execute(transaction, statement, values));
            let poll = poll_fn(|context| Poll::Ready(execution.as_mut().poll(context)));
            match poll.await {
                Poll::Ready(executed) => executed?,
                Poll::Pending => sent.push(execution),
            }
        }
    }
    for execution in sent {
        execution.await?;
    }
    Ok(())
}

async fn execute(
    transaction: &Transaction<'_>,
    statement: Statement,
    values: Vec<Value>,
) -> Result<(), Failure> {
    let values = values.iter().map(|value| -> &(dyn ToSql + Sync) {
        match value {
            Value::Number(number) => number,
            Value::Text(text) => text,
            Value::Flag(flag) => flag,
            Value::Hash(hash) => hash,
        }
    });
    transaction.execute(&statement, &values.collect::<Vec<_>>()).await?;
    Ok(())
}

impl Columns for Row {
    type Error = Failure;

    fn optional_number(&self, column: usize) -> Result<Option<i64>, Failure> {
        Ok(self.try_get(column)?)
    }

    fn optional_text(&self, column: usize) -> Result<Option<&str>, Failure> {
        Ok(self.try_get(column)?)
    }

    fn flag(&self, column: usize) -> Result<bool, Failure> {
        Ok(self.try_get(column)?)
    }

    /// A value that is not 32 bytes long matches nothing.
    fn hash(&self, column: usize) -> Result<Hashed, Failure> {
        Ok(Hashed(self.try_get::<_, &[u8]>(column)?.try_into().unwrap_or_default()))
    }

    /// If it happens after a change, the change was applied.
    fn damaged(what: String) -> Failure {
        Failure::Lost(what)
    }
}
