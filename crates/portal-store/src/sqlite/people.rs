//! Running the statements that the engines share.

use rusqlite::types::{ToSqlOutput, Type};
use rusqlite::{Connection, ToSql, params_from_iter};

use crate::people::People;
use crate::sql::{self, Columns, Damaged, Read, Reader, Rows, Value};
use crate::token::Hashed;

/// Reads all rows of a statement.
pub(super) fn query<T>(
    connection: &Connection,
    statement: &str,
    values: &[Value],
    read: Reader<T>,
) -> rusqlite::Result<Vec<T>> {
    connection
        .prepare_cached(statement)?
        .query_and_then(params_from_iter(values), |row| Ok(read(row)?))?
        .collect()
}

/// Lets `rule` decide over `rows`, and writes what it changed.
pub(super) fn decide<T>(
    connection: &Connection,
    rows: &Rows,
    rule: impl Fn(&mut People) -> T,
) -> rusqlite::Result<T> {
    let mut people = People::default();
    for (statement, values, read) in rows.queries() {
        query(connection, &statement, &values, read)?.into_iter().for_each(|row| people.load(row));
    }
    let result = rule(&mut people);
    for (statement, values) in people.take_changes().iter().flat_map(sql::statements) {
        connection.prepare_cached(statement)?.execute(params_from_iter(&values))?;
    }
    Ok(result)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
            Self::Flag(flag) => flag.to_sql(),
            Self::Hash(hash) => hash.to_sql(),
        }
    }
}

impl Columns for rusqlite::Row<'_> {
    fn optional_number(&self, column: usize) -> Read<Option<i64>> {
        Ok(self.get(column)?)
    }

    fn optional_text(&self, column: usize) -> Read<Option<&str>> {
        Ok(self.get_ref(column)?.as_str_or_null()?)
    }

    fn flag(&self, column: usize) -> Read<bool> {
        Ok(self.get(column)?)
    }

    fn hash(&self, column: usize) -> Read<Hashed> {
        Ok(Hashed(self.get(column)?))
    }
}

impl From<Damaged> for rusqlite::Error {
    fn from(damaged: Damaged) -> Self {
        Self::FromSqlConversionFailure(0, Type::Null, damaged.0.into())
    }
}
