//! The ledger of one machine: one file, one connection, on a thread of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, ToSql, TransactionBehavior, params};
use tokio::sync::oneshot;

use crate::entry::Entry;
use crate::error::LedgerError;
use crate::rows::{Reach, Rows, names_of};

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
        origin TEXT NOT NULL,
        org TEXT,
        credential TEXT NOT NULL,
        key TEXT,
        reach INTEGER NOT NULL,
        is_unfinished INTEGER NOT NULL,
        entry TEXT NOT NULL
    ) STRICT;
    CREATE INDEX entries_by_org ON entries (origin, org, reach);
    CREATE INDEX entries_by_credential ON entries (origin, credential, reach);
    CREATE INDEX entries_by_key ON entries (origin, key) WHERE key IS NOT NULL;
    CREATE INDEX unfinished_entries ON entries (is_unfinished) WHERE is_unfinished = 1;
    CREATE TABLE names (
        name TEXT NOT NULL,
        entry TEXT NOT NULL REFERENCES entries (id),
        PRIMARY KEY (name, entry)
    ) STRICT, WITHOUT ROWID;
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

/// Takes what was read, or why it can't be, and returns what to write.
type Decide = Box<dyn FnOnce(Result<Vec<Entry>, LedgerError>) -> (Vec<Entry>, Reply) + Send>;
/// Takes what became of that: it is durable, or why it is not.
type Reply = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

/// A part of a transaction.
struct Job {
    rows: Rows,
    decide: Decide,
}

/// The connection's thread. Dropping it completes what is queued, unless the disk hangs.
#[derive(Debug)]
pub(crate) struct Sqlite {
    path: PathBuf,
    /// `None` only during `drop`.
    jobs: Option<Sender<Job>>,
    thread: JoinHandle<()>,
}

impl Sqlite {
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = path_in(directory);
        let io = |source| OpenError::Io { path: path.clone(), source };
        make_private(directory, &path).map_err(io)?;
        let mut connection = open(&path)?;
        let (jobs, queue) = mpsc::channel::<Job>();
        let name = path.clone();
        let work = move || {
            while let Ok(first) = queue.recv() {
                let jobs = std::iter::once(first).chain(queue.try_iter());
                let (reads, writes) = jobs.partition(|job| matches!(job.rows, Rows::Filter(_)));
                perform(&mut connection, writes, TransactionBehavior::Immediate, &name);
                // For people, also from a file that can't be written.
                perform(&mut connection, reads, TransactionBehavior::Deferred, &name);
            }
        };
        let thread = thread::Builder::new().name("portal-ledger".to_owned());
        Ok(Self { path: path.clone(), jobs: Some(jobs), thread: thread.spawn(work).map_err(io)? })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn transact<T: Send + 'static>(
        &self,
        rows: Rows,
        decide: impl FnOnce(Vec<Entry>) -> (Vec<Entry>, T) + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (reply, replied) = oneshot::channel();
        self.submit(rows, decide, |result| drop(reply.send(result)))?;
        replied.await.map_err(|_| LedgerError::Unknown(STOPPED.to_owned()))?
    }

    /// The same without waiting for the result.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        rows: Rows,
        decide: impl FnOnce(Vec<Entry>) -> (Vec<Entry>, T) + Send + 'static,
        reply: impl FnOnce(Result<T, LedgerError>) + Send + 'static,
    ) -> Result<(), LedgerError> {
        let decide: Decide = Box::new(|read| match read.map(decide) {
            Ok((written, decision)) => {
                (written, Box::new(|end: Result<(), _>| reply(end.map(|()| decision))))
            }
            Err(error) => {
                reply(Err(error));
                (Vec::new(), Box::new(drop))
            }
        });
        let stopped = || LedgerError::NotApplied(STOPPED.to_owned());
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(Job { rows, decide }).map_err(|_| stopped())
    }
}

const STOPPED: &str = "the thread of the ledger has stopped";

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.jobs = None;
        let began = Instant::now();
        // A disk that hangs does not keep the process from its end: what is queued is best effort.
        while !self.thread.is_finished() && began.elapsed() < ENDING {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Performs jobs that waited together, with one commit.
fn perform(
    connection: &mut Connection,
    jobs: Vec<Job>,
    behavior: TransactionBehavior,
    path: &Path,
) {
    let mut jobs = jobs.into_iter().peekable();
    if jobs.peek().is_none() {
        return;
    }
    let mut replies = Vec::new();
    let mut is_commit = false;
    let mut work = || {
        // What is read must not change before it is written.
        let transaction = connection.transaction_with_behavior(behavior)?;
        let mut has_written = false;
        for job in jobs.by_ref() {
            let entries = read(&transaction, &job.rows);
            let (written, reply) = (job.decide)(entries.map_err(|it| failure(&it, path, false)));
            replies.push(reply);
            has_written |= !written.is_empty();
            written.iter().try_for_each(|entry| write(&transaction, entry))?;
        }
        is_commit = true;
        if has_written { transaction.commit() } else { Ok(()) }
    };
    let result = work().map_err(|error| failure(&error, path, is_commit));
    for job in jobs {
        if let Err(error) = &result {
            drop((job.decide)(Err(error.clone())));
        }
    }
    for reply in replies {
        reply(result.clone());
    }
}

/// What a failure means; in a commit, that may have happened.
fn failure(error: &rusqlite::Error, path: &Path, is_commit: bool) -> LedgerError {
    let reason = format!("{}: {error}", path.display());
    let is_damage = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    );
    match error {
        rusqlite::Error::FromSqlConversionFailure(..) => LedgerError::Damaged(reason),
        _ if is_damage => LedgerError::Damaged(reason),
        _ if is_commit => LedgerError::Unknown(reason),
        _ => LedgerError::NotApplied(reason),
    }
}

/// What [`Rows::Claim`] selects. The plus keeps SQLite from reading all of an origin.
const CLAIM: &str = "
    SELECT position, entry FROM entries WHERE +origin = ?1 AND position IN (
        SELECT position FROM entries WHERE origin = ?1 AND org = ?2 AND reach >= 2
        UNION SELECT position FROM entries WHERE origin = ?1 AND credential = ?3 AND reach >= 2
        UNION SELECT position FROM entries WHERE origin = ?1 AND org IS NULL AND reach = 3
        UNION SELECT position FROM entries WHERE ?2 IS NULL AND origin = ?1 AND reach = 3
        UNION SELECT max(position) FROM entries WHERE origin = ?1 AND org = ?2 AND reach = 1
        UNION SELECT max(position) FROM entries WHERE origin = ?1 AND credential = ?3
            AND reach = 1 AND (org IS NULL OR ?2 IS NULL)
        UNION SELECT position FROM entries WHERE origin = ?1 AND key = ?4
        UNION SELECT position FROM entries WHERE id IN (SELECT value FROM json_each(?5))
        UNION SELECT position FROM names JOIN entries ON entries.id = names.entry
            WHERE names.name IN (SELECT value FROM json_each(?6)))
    ORDER BY position DESC";
const ORG_OF: &str = "SELECT position, entry FROM entries
    WHERE origin = ?1 AND credential = ?2 AND org IS NOT NULL ORDER BY position DESC LIMIT 1";
const ONE: &str = "SELECT position, entry FROM entries WHERE id = ?1";
const ALL: &str = "SELECT position, entry FROM entries ORDER BY position DESC";
const UNFINISHED: &str =
    "SELECT position, entry FROM entries WHERE is_unfinished = 1 ORDER BY position DESC";

fn read(connection: &Connection, rows: &Rows) -> rusqlite::Result<Vec<Entry>> {
    let query = |sql, parameters: &[&dyn ToSql]| {
        let mut statement = connection.prepare_cached(sql)?;
        let mut found = statement.query(parameters)?;
        let (mut entries, mut selects) = (Vec::new(), rows.selects());
        while let Some(row) = found.next()? {
            let text = row.get_ref(1)?.as_str()?;
            let read: Result<Entry, _> = serde_json::from_str(text);
            let mut entry = read.map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(1, Type::Text, error.into())
            })?;
            entry.order = row.get::<_, i64>(0)?.unsigned_abs();
            if selects(&entry) {
                entries.push(entry);
            }
        }
        Ok(entries)
    };
    match rows {
        Rows::Claim { org, key, names, ids } => {
            let (names, ids) = (json_array(names), json_array(ids));
            let (origin, fingerprint) = (org.origin(), org.fingerprint());
            let org = org.org().map(|org| &org.id);
            query(CLAIM, &[&origin, &org, &fingerprint, key, &ids, &names])
        }
        Rows::OrgOf(identity) => query(ORG_OF, &[&identity.origin(), &identity.fingerprint()]),
        Rows::Entry(id) => query(ONE, &[&id.as_str()]),
        Rows::Filter(filter) => query(if filter.is_unfinished { UNFINISHED } else { ALL }, &[]),
    }
}

fn json_array(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

fn write(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let json = serde_json::to_string(entry)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection
        .prepare_cached(
            "INSERT INTO entries
                (id, origin, org, credential, key, reach, is_unfinished, entry)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (id) DO UPDATE SET
                org = ?3, credential = ?4, key = ?5, reach = ?6, is_unfinished = ?7, entry = ?8",
        )?
        .execute(params![
            entry.id.as_str(),
            entry.org.origin(),
            entry.org.org().map(|org| &org.id),
            entry.org.fingerprint(),
            entry.key,
            Reach::of(entry) as i64,
            entry.is_unfinished(),
            json
        ])?;
    let mut name = connection.prepare_cached("INSERT OR IGNORE INTO names VALUES (?1, ?2)")?;
    for key in names_of(entry) {
        name.execute([&key, entry.id.as_str()])?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<Connection, OpenError> {
    let unusable = |reason| OpenError::Unusable { path: path.to_owned(), reason };
    let prepare = || -> rusqlite::Result<_> {
        let mut connection = Connection::open(path)?;
        connection.busy_handler(Some(wait))?;
        // One file that can be copied; each commit is on the disk before its result is sent. On Windows
        // the journal would stay open in this mode, and a process that opens the file after a crash of
        // another could not remove it.
        let journal_mode = if cfg!(windows) { "DELETE" } else { "TRUNCATE" };
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

/// Makes the directory and the file readable only by their owner, where the system has owners.
fn make_private(directory: &Path, file: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.create(directory)?;
    options.open(file).map(drop)
}
