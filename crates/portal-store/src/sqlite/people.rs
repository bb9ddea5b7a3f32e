//! Reading and writing [`People`].

use rusqlite::types::Type;
use rusqlite::{Connection, Row, ToSql};

use crate::people::{Change, People};
use crate::sql::{self, Columns, Table, Value};
use crate::token::Hashed;

pub(super) fn read(connection: &Connection) -> rusqlite::Result<People> {
    let mut people = People::default();
    for table in Table::ALL {
        let mut statement = connection.prepare_cached(table.select())?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            people.load(table.read(row)?);
        }
    }
    Ok(people)
}

pub(super) fn write(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    for (statement, values) in sql::statements(change) {
        let values = values.iter().map(|value| -> &dyn ToSql {
            match value {
                Value::Number(number) => number,
                Value::Text(text) => text,
                Value::Flag(flag) => flag,
                Value::Hash(hash) => hash,
            }
        });
        connection.prepare_cached(statement)?.execute(rusqlite::params_from_iter(values))?;
    }
    Ok(())
}

impl Columns for Row<'_> {
    type Error = rusqlite::Error;

    fn optional_number(&self, column: usize) -> rusqlite::Result<Option<i64>> {
        self.get(column)
    }

    fn optional_text(&self, column: usize) -> rusqlite::Result<Option<&str>> {
        Ok(self.get_ref(column)?.as_str_or_null()?)
    }

    fn flag(&self, column: usize) -> rusqlite::Result<bool> {
        self.get(column)
    }

    fn hash(&self, column: usize) -> rusqlite::Result<Hashed> {
        self.get(column).map(Hashed)
    }

    fn damaged(what: String) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Null, what.into())
    }
}
