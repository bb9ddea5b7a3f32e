//! The ledger of one machine: one file, one connection, on a thread of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, TransactionBehavior, params};
use tokio::sync::oneshot;

use crate::entry::Entry;
use crate::error::LedgerError;
use crate::rows::{Decide, Engine, Rows, Submitted, from_row, terms, to_row};

const FILE_NAME: &str = "ledger.sqlite";
/// `PLed`: tells the file from those of other programs.
const APPLICATION_ID: i32 = 0x504c_6564;
/// The version of the file's format. A later one is refused, and left as it is.
const FORMAT: i32 = 1;
/// How often a transaction asks for the lock that another process holds: for about 5 s.
const MAX_TRIES: i32 = 1250;
/// How long dropping the ledger waits for what is queued.
const ENDING: Duration = Duration::from_secs(1);

const SCHEMA: &str = "
    CREATE TABLE entries (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        entry TEXT NOT NULL
    ) STRICT;
    CREATE TABLE terms (
        term TEXT NOT NULL,
        position INTEGER NOT NULL REFERENCES entries,
        PRIMARY KEY (term, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX terms_of_entry ON terms (position);
";

/// Why a ledger can't be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory or the file can't be used.
    #[error("cannot use {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a ledger, is damaged, can't be written, or a later version of this library wrote it.
    #[error("cannot open the ledger {}: {reason}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

pub(crate) fn path_in(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

/// A part of a transaction.
struct Job {
    rows: Rows,
    decide: Decide,
    /// Told once that is durable, or why it is not.
    reply: oneshot::Sender<Result<(), LedgerError>>,
}

/// The connection's thread. Dropping it completes what is queued, unless the disk hangs.
#[derive(Debug)]
pub(crate) struct Sqlite {
    path: PathBuf,
    /// `None` only during `drop`.
    jobs: Option<Sender<Job>>,
    /// Closed by the thread, once the file is.
    ended: Mutex<Receiver<()>>,
}

impl Sqlite {
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = path_in(directory);
        let io = |source| OpenError::Io { path: path.clone(), source };
        let mut connection = {
            let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
            make_private(directory, &path).map_err(io)?;
            open(&path)?
        };
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ending, ended) = mpsc::channel::<()>();
        let name = path.clone();
        let work = move || {
            while let Ok(first) = queue.recv() {
                let jobs = std::iter::once(first).chain(queue.try_iter());
                let (reads, writes) = jobs.partition::<Vec<_>, _>(|job| job.rows.filter.is_some());
                perform(&mut connection, writes, TransactionBehavior::Immediate, &name);
                // For people, also from a file that can't be written.
                perform(&mut connection, reads, TransactionBehavior::Deferred, &name);
            }
            drop(connection);
            drop(ending);
        };
        let thread = thread::Builder::new().name("portal-ledger".to_owned());
        thread.spawn(work).map_err(io)?;
        Ok(Self { path, jobs: Some(jobs), ended: Mutex::new(ended) })
    }
}

impl Engine for Sqlite {
    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn submit(&self, rows: Rows, decide: Decide) -> Submitted {
        let (reply, replied) = oneshot::channel();
        let job = Job { rows, decide, reply };
        let sent = self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok());
        Box::pin(async move {
            sent.ok_or_else(|| LedgerError::NotApplied(STOPPED.to_owned()))?;
            replied.await.unwrap_or_else(|_| Err(LedgerError::Unknown(STOPPED.to_owned())))
        })
    }
}

const STOPPED: &str = "the thread of the ledger has stopped";

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.jobs = None;
        // A disk that hangs does not keep the process from its end: what is queued is best effort.
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(ENDING);
    }
}

/// Performs jobs that waited together, with one commit.
fn perform(
    connection: &mut Connection,
    jobs: Vec<Job>,
    behavior: TransactionBehavior,
    path: &Path,
) {
    if jobs.is_empty() {
        return;
    }
    let (mut jobs, mut replies) = (jobs.into_iter(), Vec::new());
    let mut is_commit = false;
    let mut work = || {
        // What is read must not change before it is written.
        let transaction = connection.transaction_with_behavior(behavior)?;
        let mut has_written = false;
        for Job { rows, decide, reply } in jobs.by_ref() {
            let entries = read(&transaction, &rows);
            let read = entries.as_ref().map(|_| ()).map_err(|error| failure(error, path, false));
            replies.push((reply, read));
            let written = entries.map_or_else(|_| Vec::new(), |entries| decide(entries, None));
            has_written |= !written.is_empty();
            written.iter().try_for_each(|entry| write(&transaction, entry))?;
        }
        is_commit = true;
        if has_written { transaction.commit() } else { Ok(()) }
    };
    let result = work().map_err(|error| failure(&error, path, is_commit));
    // If it failed, no decision of these is made.
    replies.extend(jobs.map(|job| (job.reply, Ok(()))));
    for (reply, read) in replies {
        drop(reply.send(read.and(result.clone())));
    }
}

/// What a failure means; in a commit, that may have happened.
fn failure(error: &rusqlite::Error, path: &Path, is_commit: bool) -> LedgerError {
    let reason = format!("{}: {error}", path.display());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => LedgerError::Damaged(reason),
        // Of a commit, too: it needs the lock before it writes.
        Some(ErrorCode::DatabaseBusy) => LedgerError::Busy(reason),
        _ if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => {
            LedgerError::Damaged(reason)
        }
        _ if is_commit => LedgerError::Unknown(reason),
        _ => LedgerError::NotApplied(reason),
    }
}

// Statements that need no table of their own: its cache takes SQLite longer than what is looked up.
const FIND: &str = "
    SELECT position, entry FROM json_each(?1) JOIN entries ON entries.id = value
    UNION ALL SELECT position, entry
        FROM json_each(?2) JOIN terms ON term = value JOIN entries USING (position)
    UNION ALL SELECT position, entry FROM json_each(?3) JOIN entries
        ON position = (SELECT max(position) FROM terms WHERE term = value)";
const ALL: &str = "SELECT position, entry FROM entries";
const POSITION: &str = "SELECT position FROM entries WHERE id = ?1";
const ADD: &str = "INSERT INTO entries (entry, id) VALUES (?1, ?2)";
const REPLACE: &str = "UPDATE entries SET entry = ?1 WHERE id = ?2";
const TERMS: &str = "SELECT term FROM terms WHERE position = ?1";
const DROP_TERM: &str = "DELETE FROM terms WHERE term = ?1 AND position = ?2";
const ADD_TERMS: &str = "INSERT OR IGNORE INTO terms SELECT value, ?1 FROM json_each(?2)";

fn read(connection: &Connection, rows: &Rows) -> rusqlite::Result<Vec<Entry>> {
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found: BTreeMap<i64, String> = if rows.is_all() {
        connection.prepare_cached(ALL)?.query_map([], row)?.collect::<Result<_, _>>()?
    } else {
        let Rows { ids, terms, newest, .. } = rows;
        connection
            .prepare_cached(FIND)?
            .query_map([ids, terms, newest].map(|texts| json_array(texts)), row)?
            .collect::<Result<_, _>>()?
    };
    let entries = found.iter().rev().map(|(position, text)| {
        from_row(*position, text)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(1, Type::Text, error.into()))
    });
    let selected = entries.filter(|entry| entry.as_ref().map_or(true, |it| rows.selects(it)));
    selected.take(rows.limit()).collect()
}

fn json_array(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

fn write(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let text =
        to_row(entry).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let row = params![text, entry.id.as_str()];
    if connection.prepare_cached(REPLACE)?.execute(row)? == 0 {
        connection.prepare_cached(ADD)?.execute(row)?;
    }
    let position: i64 =
        connection.prepare_cached(POSITION)?.query_one([entry.id.as_str()], |row| row.get(0))?;
    let terms = terms(entry);
    let mut old_terms = connection.prepare_cached(TERMS)?;
    let old_terms = old_terms.query_map([position], |row| row.get::<_, String>(0))?;
    for old in old_terms.collect::<Result<Vec<_>, _>>()? {
        if !terms.contains(&old) {
            connection.prepare_cached(DROP_TERM)?.execute(params![old, position])?;
        }
    }
    connection.prepare_cached(ADD_TERMS)?.execute(params![position, json_array(&terms)])?;
    Ok(())
}

fn open(path: &Path) -> Result<Connection, OpenError> {
    let unusable = |reason| OpenError::Unusable { path: path.to_owned(), reason };
    let prepare = || -> rusqlite::Result<_> {
        let mut connection = Connection::open(path)?;
        connection.busy_handler(Some(wait_longer))?;
        // One file that can be copied: between commits the journal is void, and what is left in it is
        // overwritten by the next. Each commit is on the disk before its result is sent. On Windows the
        // journal would stay open in this mode, and a process that opens the file after a crash of
        // another could not remove it.
        let journal_mode = if cfg!(windows) { "DELETE" } else { "PERSIST" };
        connection.pragma_update(None, "journal_mode", journal_mode)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let number = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let (application, format) = (number("application_id")?, number("user_version")?);
        let tables = "SELECT 1 FROM sqlite_schema LIMIT 1";
        let is_empty = transaction.query_row(tables, [], |_| Ok(())).optional()?.is_none();
        if is_empty {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
        transaction.commit()?;
        connection.busy_handler(Some(wait))?;
        Ok((connection, is_empty || application == APPLICATION_ID, format))
    };
    let (connection, is_ledger, format) = prepare().map_err(|error| unusable(error.to_string()))?;
    if !is_ledger {
        return Err(unusable("not a ledger".to_owned()));
    }
    if format > FORMAT {
        let reason =
            format!("it has format {format}, this version reads up to {FORMAT}: update it");
        return Err(unusable(reason));
    }
    Ok(connection)
}

/// Waits for another process's transaction. SQLite's own handler soon sleeps for 100 ms at a time, and
/// loses the lock again and again to a process that writes without a pause.
fn wait(tries: i32) -> bool {
    thread::sleep(Duration::from_millis(1 + u64::from(tries.unsigned_abs() % 7)));
    tries < MAX_TRIES
}

/// Nobody asks again to open it.
fn wait_longer(tries: i32) -> bool {
    wait(tries % MAX_TRIES) && tries < 3 * MAX_TRIES
}

/// A process that closes a file gives up its locks of that file, also those of another connection in
/// mid-transaction. So only a file that is new is opened here, and meanwhile nobody opens it otherwise.
static OPENING: Mutex<()> = Mutex::new(());

/// Makes the directory and the file readable only by their owner, where the system has owners.
fn make_private(directory: &Path, file: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.create(directory)?;
    match options.open(file) {
        // SQLite would wait for the other end of a FIFO.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::metadata(file) {
            Ok(found) if !found.is_file() => Err(io::Error::other("not a regular file")),
            _ => Ok(()),
        },
        opened => opened.map(drop),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn file_that_is_there_keeps_locks_of_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(directory.path());
        let _ledger = Sqlite::open(directory.path()).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("BEGIN; SELECT * FROM sqlite_schema").unwrap();
        let inode = fs::metadata(&path).unwrap().ino().to_string();
        let is_locked = || {
            let locks = fs::read_to_string("/proc/locks").unwrap();
            locks.lines().any(|lock| lock.split([' ', ':']).any(|word| word == inode))
        };
        assert!(is_locked());
        make_private(directory.path(), &path).unwrap();
        assert!(is_locked());
    }
}
