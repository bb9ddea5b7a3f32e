//! The file format: recognizing a registry before anything is changed, and verifying its content.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::failure::{is_busy, not_applied, retry_while_busy, wait_for_others};
use super::state::History;
use crate::error::RegistryError;

/// The version of [`SCHEMA`]; a new file has 0.
pub(super) const VERSION: u32 = 1;

/// ASCII "Port".
const APPLICATION_ID: u32 = 0x506f_7274;

/// Creates the tables of an empty file.
pub(super) const SCHEMA: &str = include_str!("../../schema/sqlite.sql");

/// Inspects the file at `path` over a read-only connection, so that neither the file nor its log
/// changes. Returns `None` if there is no file or the database is empty.
///
/// # Errors
/// [`RegistryError::NotApplied`] if the file is not a registry or was written by a newer version.
pub(super) fn inspect(path: &Path) -> Result<Option<History>, RegistryError> {
    // Don't open an empty file: SQLite would delete its log, which may be all that is left of a
    // registry.
    if fs::metadata(path).is_ok_and(|file| file.len() == 0) || !path.exists() {
        return Ok(None);
    }
    match retry_while_busy(|| read(path)).map_err(|error| not_applied(&error, path))? {
        (.., Some(history)) => Ok(Some(history)),
        (0, 0, true, None) => Ok(None),
        (APPLICATION_ID, newer, ..) if newer > VERSION => Err(RegistryError::NotApplied(format!(
            "{} was written by a newer version of this program: it has format {newer}, expected \
             at most {VERSION}; upgrade, or use another data directory",
            path.display()
        ))),
        _ => Err(RegistryError::NotApplied(format!(
            "{} is not a registry but another program's database: move it away, or use another \
             data directory",
            path.display()
        ))),
    }
}

pub(super) fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_for_others(&mut connection)?;
    Ok(connection)
}

/// Application id, version, whether there are no tables, and the history if it is a registry.
type Header = (u32, u32, bool, Option<History>);

fn read(path: &Path) -> rusqlite::Result<Header> {
    let connection = open_read_only(path)?;
    // One snapshot for all queries.
    let view = Transaction::new_unchecked(&connection, TransactionBehavior::Deferred)?;
    let application_id = view.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = view.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let is_empty =
        view.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    let is_ours = (application_id, version) == (APPLICATION_ID, VERSION);
    let history = if is_ours { Some(history(&view)?) } else { None };
    Ok((application_id, version, is_empty, history))
}

/// Returns the history of a registry.
pub(super) fn history(connection: &Connection) -> rusqlite::Result<History> {
    // Each portal counts itself: a row that counts would be one more page in every commit of creates.
    connection
        .prepare_cached(
            "SELECT registry, commits + coalesce(
                 (SELECT max(id) FROM portals) - (SELECT min(id) FROM portals) + 1, 0)
             FROM history",
        )?
        .query_row([], |row| Ok(History { registry: row.get(0)?, changes: row.get(1)? }))
}

/// Counts the current transaction after those of `before`.
pub(super) fn count_commit(connection: &Connection, before: History) -> rusqlite::Result<History> {
    let counted = history(connection)?;
    if counted.changes > before.changes {
        return Ok(counted);
    }
    connection.prepare_cached("UPDATE history SET commits = commits + 1")?.execute([])?;
    Ok(History { changes: counted.changes + 1, ..counted })
}

/// How much [`verify`] checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thoroughness {
    /// Each page on its own.
    Pages,
    /// Also each row against each index. A row missing from a unique index could be created twice.
    Indexes,
}

/// Reads and checks the whole file.
///
/// # Errors
/// [`RegistryError::NotApplied`] with the first problem found.
pub(super) fn verify(
    connection: &Connection,
    path: &Path,
    thoroughness: Thoroughness,
) -> Result<(), RegistryError> {
    let pragma = match thoroughness {
        Thoroughness::Pages => "quick_check",
        Thoroughness::Indexes => "integrity_check",
    };
    let first = connection.query_row(&format!("PRAGMA {pragma}(1)"), [], |row| row.get(0));
    let problem: String = match first {
        Ok(first) => first,
        Err(error) if is_busy(&error) => return Err(not_applied(&error, path)),
        Err(error) => error.to_string(),
    };
    if problem == "ok" {
        return Ok(());
    }
    // SQLite's message may span lines.
    let problem = problem.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(RegistryError::NotApplied(format!(
        "{} is damaged: {problem}; restore a backup",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_has_current_version() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let version: u32 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, VERSION);
        assert_eq!(history(&connection).unwrap().changes, 0);
    }
}
