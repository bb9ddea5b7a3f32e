//! Reading and writing [`People`](crate::people::People) in a transaction.

use std::future::{Future, poll_fn};
use std::task::Poll;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Transaction};

use super::failure::Failure;
use super::migrations;
use crate::people::{Change, People};
use crate::sql::{self, Columns, Table, Value};
use crate::token::Hashed;

pub(super) async fn read(client: &Client) -> Result<People, Failure> {
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
    client: &mut Client,
    rule: impl FnOnce(&mut People) -> T,
) -> Result<T, Failure> {
    let transaction = migrations::begin_alone(client).await?;
    let mut people = read(transaction.client()).await?;
    let result = rule(&mut people);
    let changes = people.take_changes();
    // Otherwise dropping the transaction ends it, which nobody has to wait for.
    if !changes.is_empty() {
        write(&transaction, &changes).await?;
        transaction.commit().await?;
    }
    Ok(result)
}

/// Writes the changes in their order, in one round trip: a statement is sent when its future is
/// first polled.
async fn write(transaction: &Transaction<'_>, changes: &[Change]) -> Result<(), Failure> {
    let mut sent = Vec::new();
    for change in changes {
        if let Change::PortalLimit(..) = change {
            // Waits for creates in progress, which have read the old limit; later ones wait here
            // and read the new limit.
            transaction.batch_execute("LOCK TABLE portals IN SHARE ROW EXCLUSIVE MODE").await?;
        }
        for (statement, values) in sql::statements(change) {
            let mut statement = Box::pin(execute(transaction, statement, values));
            if let Poll::Ready(done) =
                poll_fn(|context| Poll::Ready(statement.as_mut().poll(context))).await
            {
                done?;
            } else {
                sent.push(statement);
            }
        }
    }
    for statement in sent {
        statement.await?;
    }
    Ok(())
}

async fn execute(
    transaction: &Transaction<'_>,
    statement: &str,
    values: Vec<Value>,
) -> Result<(), Failure> {
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> = values
        .iter()
        .map(|value| -> (&(dyn ToSql + Sync), Type) {
            match value {
                Value::Number(number) => (number, Type::INT8),
                Value::Text(text) => (text, Type::TEXT),
                Value::Flag(flag) => (flag, Type::BOOL),
                Value::Hash(hash) => (hash, Type::BYTEA),
            }
        })
        .collect();
    transaction.execute_typed(statement, &parameters).await?;
    Ok(())
}

impl Columns for Row {
    type Error = Failure;

    fn number(&self, column: usize) -> Result<i64, Failure> {
        Ok(self.try_get(column)?)
    }

    fn optional_number(&self, column: usize) -> Result<Option<i64>, Failure> {
        Ok(self.try_get(column)?)
    }

    fn text(&self, column: usize) -> Result<&str, Failure> {
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
