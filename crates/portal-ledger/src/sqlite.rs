//! The ledger of one machine: one file, one connection, on a thread of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, ToSql, Transaction, TransactionBehavior, params,
};
use tokio::sync::oneshot;

use crate::entry::Entry;
use crate::error::LedgerError;
use crate::rows::{Rows, names_of};

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
        label TEXT,
        is_settled INTEGER NOT NULL,
        is_unfinished INTEGER NOT NULL,
        entry TEXT NOT NULL
    ) STRICT;
    CREATE INDEX entries_by_org ON entries (origin, org, is_settled);
    CREATE INDEX entries_by_credential ON entries (origin, credential);
    CREATE INDEX entries_by_key ON entries (origin, key) WHERE key IS NOT NULL;
    CREATE INDEX entries_by_label ON entries (label) WHERE label IS NOT NULL;
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
    /// The file is not a ledger, is damaged, or can't be written.
    #[error("cannot open the ledger {}: {reason}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A later version of this library wrote the file.
    #[error("the ledger {} has format {found}, this version reads up to {FORMAT}: update it", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// The format of the file.
        found: i32,
    },
}

pub(crate) fn path_in(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

/// Reads, decides and writes, and returns whether it wrote.
type Work = Box<dyn FnOnce(&Connection) -> Result<bool, Failure> + Send>;

/// A part of a transaction.
struct Job {
    work: Work,
    /// Whether it writes nothing, so that it needs no lock of a file.
    reads_only: bool,
    /// Is told once what was written is durable, or why it is not.
    answer: Box<dyn FnOnce(Result<(), LedgerError>) + Send>,
}

/// The connection's thread. Dropping it completes what is queued, unless the disk hangs.
#[derive(Debug)]
pub(crate) struct Sqlite {
    path: PathBuf,
    /// `None` only during `drop`.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Sqlite {
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = path_in(directory);
        let io = |source| OpenError::Io { path: path.clone(), source };
        make_private(directory, &path).map_err(io)?;
        let mut connection = open(&path)?;
        let (jobs, queue) = mpsc::channel();
        let name = path.clone();
        let thread = thread::Builder::new()
            .name("portal-ledger".to_owned())
            .spawn(move || perform(&mut connection, &queue, &name))
            .map_err(io)?;
        Ok(Self { path, jobs: Some(jobs), thread: Some(thread) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn transact<T: Send + 'static>(
        &self,
        rows: Rows,
        decide: impl FnOnce(Vec<Entry>) -> (Vec<Entry>, T) + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let (decision, decided) = oneshot::channel();
        self.send(Job {
            reads_only: matches!(rows, Rows::Filter(_)),
            work: Box::new(move |connection| {
                let (has_written, result) = transact(connection, &rows, decide)?;
                // The caller may have dropped its future.
                let _ = decision.send(result);
                Ok(has_written)
            }),
            answer: Box::new(move |result| drop(answer.send(result))),
        })?;
        let stopped = |_| LedgerError::Unknown(STOPPED.to_owned());
        answered.await.map_err(stopped)??;
        decided.await.map_err(stopped)
    }

    /// The same without waiting for the result.
    pub(crate) fn submit(
        &self,
        rows: Rows,
        decide: impl FnOnce(Vec<Entry>) -> (Vec<Entry>, ()) + Send + 'static,
    ) {
        let work = move |connection: &Connection| Ok(transact(connection, &rows, decide)?.0);
        // Fails only if the thread panicked.
        drop(self.send(Job { reads_only: false, work: Box::new(work), answer: Box::new(drop) }));
    }

    fn send(&self, job: Job) -> Result<(), LedgerError> {
        let stopped = || LedgerError::NotApplied(STOPPED.to_owned());
        self.jobs.as_ref().ok_or_else(stopped)?.send(job).map_err(|_| stopped())
    }
}

const STOPPED: &str = "the thread of the ledger has stopped";

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.jobs = None;
        let began = Instant::now();
        // A disk that hangs does not keep the process from its end: what is queued is best effort.
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
            && began.elapsed() < ENDING
        {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Why a transaction failed.
enum Failure {
    /// Before its commit.
    Before(rusqlite::Error),
    /// In its commit, which may have happened.
    Commit(rusqlite::Error),
    /// A row can't be read.
    Row(serde_json::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Before(error)
    }
}

impl Failure {
    fn of(self, path: &Path) -> LedgerError {
        let (error, is_commit) = match self {
            Self::Row(error) => {
                return LedgerError::Damaged(format!("{}: {error}", path.display()));
            }
            Self::Before(error) => (error, false),
            Self::Commit(error) => (error, true),
        };
        let reason = format!("{}: {error}", path.display());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                LedgerError::Damaged(reason)
            }
            _ if is_commit => LedgerError::Unknown(reason),
            _ => LedgerError::NotApplied(reason),
        }
    }
}

/// Performs jobs as they come; those that wait together share a commit.
fn perform(connection: &mut Connection, queue: &Receiver<Job>, path: &Path) {
    let mut next = None;
    while let Some(first) = next.take().or_else(|| queue.recv().ok()) {
        let reads_only = first.reads_only;
        let mut group = vec![first];
        for job in queue.try_iter() {
            if reads_only || job.reads_only {
                next = Some(job);
                break;
            }
            group.push(job);
        }
        perform_group(connection, group, reads_only, path);
    }
}

fn perform_group(connection: &mut Connection, group: Vec<Job>, reads_only: bool, path: &Path) {
    // What is read must not change before it is written; what is for people only is read from a file
    // that can't be written, too.
    let behavior =
        if reads_only { TransactionBehavior::Deferred } else { TransactionBehavior::Immediate };
    let failed = |failure: Failure| failure.of(path);
    let mut transaction = match connection.transaction_with_behavior(behavior) {
        Ok(transaction) => transaction,
        Err(error) => {
            let error = failed(error.into());
            return group.into_iter().for_each(|job| (job.answer)(Err(error.clone())));
        }
    };
    let mut answers = Vec::new();
    let mut has_written = false;
    for job in group {
        match apart(&mut transaction, job.work) {
            Ok(wrote) => {
                has_written |= wrote;
                answers.push(job.answer);
            }
            Err(failure) => (job.answer)(Err(failed(failure))),
        }
    }
    let ended = if has_written {
        transaction.commit().map_err(Failure::Commit)
    } else {
        transaction.rollback().map_err(Failure::Before)
    };
    let ended = ended.map_err(failed);
    for answer in answers {
        answer(ended.clone());
    }
}

/// Nothing of a job that fails remains.
fn apart(transaction: &mut Transaction<'_>, work: Work) -> Result<bool, Failure> {
    let savepoint = transaction.savepoint()?;
    let has_written = work(&savepoint)?;
    savepoint.commit()?;
    Ok(has_written)
}

fn transact<T>(
    connection: &Connection,
    rows: &Rows,
    decide: impl FnOnce(Vec<Entry>) -> (Vec<Entry>, T),
) -> Result<(bool, T), Failure> {
    let (written, decision) = decide(read(connection, rows)?);
    for entry in &written {
        write(connection, entry)?;
    }
    Ok((!written.is_empty(), decision))
}

/// Those that may concern a claim: of the org, of the credential, of no known org, of the key, the
/// one that is named, and those of one of the names. The plus keeps SQLite from reading all of an origin.
const CLAIM: &str = "
    SELECT position, is_settled, entry FROM entries WHERE +origin = ?1 AND position IN (
        SELECT position FROM entries WHERE origin = ?1 AND org = ?2
        UNION SELECT position FROM entries WHERE origin = ?1 AND credential = ?3
        UNION SELECT position FROM entries WHERE origin = ?1 AND org IS NULL AND is_settled = 0
        UNION SELECT position FROM entries WHERE ?2 IS NULL AND origin = ?1 AND is_settled = 0
        UNION SELECT position FROM entries WHERE origin = ?1 AND key = ?4
        UNION SELECT position FROM entries WHERE id = ?5
        UNION SELECT position FROM names JOIN entries ON entries.id = names.entry
            WHERE names.name IN (SELECT value FROM json_each(?6)))
    ORDER BY position DESC";
const ONE: &str = "SELECT position, is_settled, entry FROM entries WHERE id = ?1";
const ALL: &str = "SELECT position, is_settled, entry FROM entries ORDER BY position DESC";
const UNFINISHED: &str = "
    SELECT position, is_settled, entry FROM entries WHERE is_unfinished = 1 ORDER BY position DESC";
const OF_LABELS: &str = "
    SELECT position, is_settled, entry FROM entries
    WHERE label IN (SELECT value FROM json_each(?1)) ORDER BY position DESC";

/// Reads what [`Rows::selects`].
fn read(connection: &Connection, rows: &Rows) -> Result<Vec<Entry>, Failure> {
    let query = |sql, parameters: &[&dyn ToSql]| {
        let mut statement = connection.prepare_cached(sql)?;
        let mut found = statement.query(parameters)?;
        let mut entries = Vec::new();
        while let Some(row) = found.next()?
            && entries.len() < rows.limit()
        {
            let text: String = row.get(2)?;
            let mut entry: Entry = serde_json::from_str(&text).map_err(Failure::Row)?;
            entry.order = row.get::<_, i64>(0)?.unsigned_abs();
            entry.is_settled = row.get(1)?;
            if rows.selects(&entry) {
                entries.push(entry);
            }
        }
        Ok(entries)
    };
    match rows {
        Rows::Claim { org, key, names, id } => {
            let names = serde_json::to_string(names).map_err(Failure::Row)?;
            let (origin, fingerprint) = (org.origin(), org.fingerprint());
            let org = org.org().map(|org| &org.id);
            query(CLAIM, &[&origin, &org, &fingerprint, key, &id.as_str(), &names])
        }
        Rows::Entry(id) => query(ONE, &[&id.as_str()]),
        Rows::Filter(filter) => match &filter.labels {
            _ if filter.is_unfinished => query(UNFINISHED, &[]),
            None => query(ALL, &[]),
            Some(labels) => {
                let labels = serde_json::to_string(labels).map_err(Failure::Row)?;
                query(OF_LABELS, &[&labels])
            }
        },
    }
}

fn write(connection: &Connection, entry: &Entry) -> Result<(), Failure> {
    let json = serde_json::to_string(entry).map_err(Failure::Row)?;
    connection
        .prepare_cached(
            "INSERT INTO entries
                (id, origin, org, credential, key, label, is_settled, is_unfinished, entry)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET org = ?3, credential = ?4, key = ?5, label = ?6,
                is_settled = ?7, is_unfinished = ?8, entry = ?9",
        )?
        .execute(params![
            entry.id.as_str(),
            entry.org.origin(),
            entry.org.org().map(|org| &org.id),
            entry.org.fingerprint(),
            entry.key,
            entry.label,
            entry.is_settled,
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
    let unusable = |error: rusqlite::Error| OpenError::Unusable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let prepare = || {
        let mut connection = Connection::open(path)?;
        connection.busy_handler(Some(wait))?;
        // One file that can be copied; each commit is on the disk before its result is sent.
        connection.pragma_update(None, "journal_mode", "TRUNCATE")?;
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
    match prepare().map_err(unusable)? {
        (_, false, _) => {
            Err(OpenError::Unusable { path: path.to_owned(), reason: "not a ledger".to_owned() })
        }
        (_, true, found) if found > FORMAT => {
            Err(OpenError::Newer { path: path.to_owned(), found })
        }
        (connection, true, _) => Ok(connection),
    }
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
