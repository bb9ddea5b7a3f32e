//! The file format: recognizing a registry before anything is changed, migrating it, and verifying
//! its content.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::failure::{is_busy, not_applied, retry_while_busy, wait_for_others};
use super::state::History;
use crate::error::RegistryError;

/// The version after all migrations; a new file has 0.
pub(super) const VERSION: u32 = 4;

/// Each migrates to the next version.
const MIGRATIONS: [&str; VERSION as usize] = [
    include_str!("../../migrations/sqlite/0001_registry.sql"),
    include_str!("../../migrations/sqlite/0002_portals_without_look_ups.sql"),
    include_str!("../../migrations/sqlite/0003_history_and_seeded_tokens.sql"),
    include_str!("../../migrations/sqlite/0004_audit_and_removal.sql"),
];

/// ASCII "Port", set in every file from version 3 on.
const APPLICATION_ID: u32 = 0x506f_7274;

/// The version that introduced [`APPLICATION_ID`] and [`History`].
const FIRST_WITH_HISTORY: u32 = 3;

/// The tables that identify files older than version 3.
const TABLES: &str =
    "('orgs', 'users', 'clients', 'codes', 'refresh_tokens', 'access_tokens', 'portals')";

/// The result of [`inspect`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No file, or an empty database.
    Nothing,
    /// A registry, with its history from version 3 on.
    Registry(Option<History>),
}

impl Found {
    pub(super) fn history(&self) -> Option<&History> {
        match self {
            Self::Registry(history) => history.as_ref(),
            Self::Nothing => None,
        }
    }
}

/// Inspects the file at `path` over a read-only connection, so that neither the file nor its log
/// changes.
///
/// # Errors
/// [`RegistryError::NotApplied`] if the file is not a registry or was written by a newer version.
pub(super) fn inspect(path: &Path) -> Result<Found, RegistryError> {
    // Don't open an empty file: SQLite would delete its log, which may be all that is left of a
    // registry.
    if fs::metadata(path).is_ok_and(|file| file.len() == 0) || !path.exists() {
        return Ok(Found::Nothing);
    }
    let (application_id, version, is_empty, is_ours, history) =
        retry_while_busy(|| read(path)).map_err(|error| not_applied(&error, path))?;
    match (application_id, version) {
        (0, 0) if is_empty => Ok(Found::Nothing),
        (0, 1..FIRST_WITH_HISTORY) if is_ours => Ok(Found::Registry(None)),
        (APPLICATION_ID, ..=VERSION) => Ok(Found::Registry(history)),
        (APPLICATION_ID, newer) => Err(RegistryError::NotApplied(format!(
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

/// Application id, version, whether there are no tables, whether they are ours, and the history.
type Header = (u32, u32, bool, bool, Option<History>);

fn read(path: &Path) -> rusqlite::Result<Header> {
    let connection = open_read_only(path)?;
    // One snapshot for all queries, because another process may be migrating.
    let view = Transaction::new_unchecked(&connection, TransactionBehavior::Deferred)?;
    let application_id = view.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = view.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let count = |condition: &str| -> rusqlite::Result<u32> {
        let statement = format!("SELECT count(*) FROM sqlite_schema WHERE {condition}");
        view.query_row(&statement, [], |row| row.get(0))
    };
    let is_empty = count("true")? == 0;
    let is_ours = count(&format!("type = 'table' AND name IN {TABLES}"))? == 7;
    let has_history =
        application_id == APPLICATION_ID && (FIRST_WITH_HISTORY..=VERSION).contains(&version);
    let history = if has_history { Some(history(&view)?) } else { None };
    Ok((application_id, version, is_empty, is_ours, history))
}

/// Returns the history of an up-to-date file.
pub(super) fn history(connection: &Connection) -> rusqlite::Result<History> {
    connection.query_row("SELECT registry, commits FROM history", [], |row| {
        Ok(History { registry: row.get(0)?, commits: row.get(1)? })
    })
}

/// Increments the commit count as part of the current transaction, and returns it.
pub(super) fn count_commit(connection: &Connection) -> rusqlite::Result<i64> {
    // Not RETURNING: for it SQLite keeps a statement journal, which costs more than the update.
    let commits: i64 = connection
        .prepare_cached("SELECT commits + 1 FROM history")?
        .query_row([], |row| row.get(0))?;
    connection.prepare_cached("UPDATE history SET commits = ?")?.execute([commits])?;
    Ok(commits)
}

/// Applies the missing migrations.
pub(super) fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    let version =
        || connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0));
    if version()? == VERSION {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    // Read again under the lock: another process may have migrated meanwhile.
    let found = version()?;
    for (migration, leads_to) in MIGRATIONS.iter().zip(1..).filter(|(_, to)| *to > found) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", leads_to)?;
    }
    transaction.commit()
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
    fn migrations_reach_current_version() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection).unwrap();
        let version: u32 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, VERSION);
        assert_eq!(history(&connection).unwrap().commits, 0);
    }
}
