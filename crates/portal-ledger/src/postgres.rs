//! The ledger of several machines: PostgreSQL 13 or later, over the caller's pool.
//!
//! A decision is one transaction that locks the row of its origin. Nothing outlives it in a session:
//! statements have no name and settings are local, so a pooler in transaction mode is fine. The moments
//! in it are of the database's clock, which all its callers share.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio::try_join;
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::entry::Entry;
use crate::error::LedgerError;
use crate::rows::{Decide, Engine, Rows, Submitted, from_row, terms, to_row};
use crate::time::Moment;

/// The version of the schema. A later one is refused, and left as it is.
const FORMAT: i32 = 1;
/// How long a transaction takes at most: as long as SQLite's waits for the lock.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is tried for, so that the reason is told before the timeout.
const CONNECTING: Duration = Duration::from_secs(3);
/// Entries read at a time where all of them are looked through.
const PAGE: i64 = 500;

/// Whatever the defaults of the database and the role: what is read must be what was committed before
/// the lock was granted, a commit must be on the disk, nothing gives up the wait for the lock before the
/// statement does, and a client that is frozen must let go of the lock. PostgreSQL 17 limits transactions, too.
const BEGIN: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL statement_timeout = '5s';
    SET LOCAL lock_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = '2s';
    SELECT set_config('transaction_timeout', '0', true)
        WHERE current_setting('transaction_timeout', true) IS NOT NULL;
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)";

const SCHEMA: &str = include_str!("postgres/schema.sql");
const CHECK: &str =
    "SELECT format, current_setting('fsync') = 'on' FROM portal_ledger.format ORDER BY format DESC";
/// The origin of a claim; nothing without one.
const ADD_ORIGIN: &str = "INSERT INTO portal_ledger.origins
    SELECT $1 WHERE $1 IS NOT NULL ON CONFLICT DO NOTHING";
/// That origin, or the one of an entry.
const LOCK: &str = "SELECT FROM portal_ledger.origins WHERE origin = $1
    OR origin = (SELECT origin FROM portal_ledger.entries WHERE id = $2) FOR UPDATE";
/// Microseconds, with the start of the server: after a restart or a failover it is another clock.
const CLOCK: &str = "SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

const FIND: &str = "
    SELECT position, entry FROM portal_ledger.entries WHERE position IN (
        SELECT position FROM portal_ledger.entries WHERE id = ANY ($1)
        UNION SELECT position FROM portal_ledger.terms WHERE term = ANY ($2)
        UNION SELECT (SELECT max(position) FROM portal_ledger.terms WHERE terms.term = newest.term)
            FROM unnest($3) AS newest (term))
    ORDER BY position DESC";
const OLDER: &str = "SELECT position, entry FROM portal_ledger.entries
    WHERE position < $1 ORDER BY position DESC LIMIT $2";
const WRITE: &str = "
    WITH written AS (
        INSERT INTO portal_ledger.entries (id, origin, entry) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET entry = $3 RETURNING position
    ), dropped AS (
        DELETE FROM portal_ledger.terms USING written
        WHERE terms.position = written.position AND term <> ALL ($4)
    )
    INSERT INTO portal_ledger.terms SELECT term, position FROM unnest($4) AS added (term), written
    ON CONFLICT DO NOTHING";

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

#[derive(Clone)]
pub(crate) struct Postgres(pub(crate) Pool);

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres")
    }
}

impl Engine for Postgres {
    /// Runs to completion, even if the caller drops the future: a transaction that is left in the
    /// middle would keep its lock.
    fn submit(&self, rows: Rows, decide: Decide) -> Submitted {
        let runtime = Handle::try_current();
        let task = runtime.map(|runtime| runtime.spawn(transact(self.0.clone(), rows, decide)));
        Box::pin(async move {
            match task {
                Ok(task) => {
                    task.await.unwrap_or_else(|error| Err(LedgerError::Unknown(error.to_string())))
                }
                Err(error) => {
                    let reason = format!("PostgreSQL needs a tokio runtime: {error}");
                    Err(LedgerError::NotApplied(reason))
                }
            }
        })
    }
}

/// Why a statement, or the wait for a connection, failed.
enum Failure {
    Pool(PoolError),
    Server(tokio_postgres::Error),
    Late,
    /// There is no schema yet.
    Missing,
    Final(LedgerError),
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl Failure {
    /// Whether another connection may do: the server ended this one, is starting, or has too many.
    fn is_of_connection(&self) -> bool {
        let (Self::Pool(PoolError::Backend(error)) | Self::Server(error)) = self else {
            return false;
        };
        let is_passing = |code: &SqlState| {
            ["08", "53", "57P"].iter().any(|class| code.code().starts_with(class))
        };
        error.code().is_none_or(is_passing)
    }

    /// Whether the server certainly rolled back: ERROR does so, FATAL may follow the commit.
    fn is_refusal(&self) -> bool {
        let Self::Server(error) = self else { return false };
        error.as_db_error().and_then(DbError::parsed_severity) == Some(Severity::Error)
    }

    fn describe(&self) -> String {
        let mut error: &dyn Error = match self {
            Self::Pool(PoolError::Backend(error)) | Self::Server(error) => error,
            Self::Pool(error) => error,
            Self::Late => return format!("no response within {} s", TIMEOUT.as_secs()),
            Self::Missing => return "the schema portal_ledger is missing".to_owned(),
            Self::Final(error) => error,
        };
        let mut text = error.to_string();
        while let Some(source) = error.source() {
            text = format!("{text}: {source}");
            error = source;
        }
        format!("PostgreSQL: {text}")
    }

    fn not_applied(self) -> LedgerError {
        match self {
            Self::Final(error) => error,
            other => LedgerError::NotApplied(other.describe()),
        }
    }
}

/// Fails at the deadline at the latest, whatever hangs.
async fn within<T, E: Into<Failure>>(
    deadline: Instant,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    timeout_at(deadline, work).await.map_or(Err(Failure::Late), |result| result.map_err(Into::into))
}

/// Closes a connection that may be in the middle of a transaction, which the server rolls back.
fn close(client: Object) {
    drop(Object::take(client));
}

async fn transact(pool: Pool, rows: Rows, decide: Decide) -> Result<(), LedgerError> {
    let deadline = Instant::now() + TIMEOUT;
    let (client, entries, now) =
        begin(&pool, &rows, deadline).await.map_err(Failure::not_applied)?;
    let written = decide(entries, Some(&now));
    if let Err(failure) = within(deadline, write(&client, &written)).await {
        close(client);
        return Err(failure.not_applied());
    }
    let end = if written.is_empty() { "ROLLBACK" } else { "COMMIT" };
    if let Err(failure) = within(deadline, client.batch_execute(end)).await {
        close(client);
        if failure.is_refusal() {
            return Err(failure.not_applied());
        } else if !written.is_empty() {
            return Err(LedgerError::Unknown(failure.describe()));
        }
    }
    Ok(())
}

/// Begins a transaction and reads, over as many connections as it takes: nothing is written yet.
async fn begin(
    pool: &Pool,
    rows: &Rows,
    deadline: Instant,
) -> Result<(Object, Vec<Entry>, Moment), Failure> {
    let connecting = Instant::now() + CONNECTING;
    let mut creates_schema = true;
    loop {
        let failure = match within(deadline, pool.get()).await {
            Ok(client) => match within(deadline, read(&client, rows)).await {
                Ok((entries, now)) => return Ok((client, entries, now)),
                Err(Failure::Missing) if creates_schema => {
                    creates_schema = false;
                    let created = within(deadline, client.batch_execute(SCHEMA)).await;
                    close(client);
                    match created {
                        Ok(()) => continue,
                        Err(failure) => failure,
                    }
                }
                Err(failure) => {
                    close(client);
                    failure
                }
            },
            Err(failure) => failure,
        };
        if !failure.is_of_connection() || Instant::now() >= connecting {
            return Err(failure);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Begins, locks the origin, and reads the clock and what [`Rows::selects`]. Statements that are sent
/// at once run in this order.
async fn read(client: &Client, rows: &Rows) -> Result<(Vec<Entry>, Moment), Failure> {
    let begun = try_join!(biased; client.batch_execute(BEGIN), client.query_typed(CHECK, &[]));
    match begun {
        Ok(((), found)) => check(found.first())?,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            return Err(Failure::Missing);
        }
        Err(error) => return Err(error.into()),
    }
    let Rows { origin, ids, terms, newest, .. } = rows;
    // The one entry of somebody who writes to it. One that is only read is locked for as short a time.
    let id = ids.first().filter(|_| origin.is_none());
    let lock: [Parameter<'_>; 2] = [(origin, Type::TEXT), (&id, Type::TEXT)];
    let which: [Parameter<'_>; 3] =
        [(ids, Type::TEXT_ARRAY), (terms, Type::TEXT_ARRAY), (newest, Type::TEXT_ARRAY)];
    let (_, _, clock, found) = try_join!(
        biased;
        client.query_typed(ADD_ORIGIN, &lock[..1]),
        client.query_typed(LOCK, &lock),
        client.query_typed(CLOCK, &[]),
        client.query_typed(FIND, &which),
    )?;
    let clock = clock.first().ok_or_else(|| damaged("no clock"))?;
    let (started, micros): (i64, i64) = (clock.try_get(0)?, clock.try_get(1)?);
    let since_1970 = Duration::from_micros(micros.unsigned_abs());
    let now = Moment::new(format!("PostgreSQL started at {started}"), since_1970);
    let mut entries = Vec::new();
    select(rows, &found, &mut entries)?;
    if rows.is_all() {
        read_all(client, rows, &mut entries).await?;
    }
    Ok((entries, now))
}

/// Whether this version may use the schema, and the server keeps what it commits.
fn check(found: Option<&Row>) -> Result<(), Failure> {
    let found = found.ok_or_else(|| damaged("no format"))?;
    let (format, is_synced): (i32, bool) = (found.try_get(0)?, found.try_get(1)?);
    let refused = |reason| Err(Failure::Final(LedgerError::NotApplied(reason)));
    if format > FORMAT {
        return refused(format!(
            "the schema portal_ledger has format {format}, this version reads up to {FORMAT}: update it"
        ));
    }
    if !is_synced {
        return refused("PostgreSQL runs with fsync = off, and may lose entries".to_owned());
    }
    Ok(())
}

/// Newest first, a page at a time, until there are enough.
async fn read_all(client: &Client, rows: &Rows, entries: &mut Vec<Entry>) -> Result<(), Failure> {
    let mut before = i64::MAX;
    while entries.len() < rows.limit() {
        let which: [Parameter<'_>; 2] = [(&before, Type::INT8), (&PAGE, Type::INT8)];
        let page = client.query_typed(OLDER, &which).await?;
        let Some(last) = page.last() else { break };
        before = last.try_get(0)?;
        select(rows, &page, entries)?;
    }
    Ok(())
}

fn select(rows: &Rows, found: &[Row], entries: &mut Vec<Entry>) -> Result<(), Failure> {
    for row in found {
        let position: i64 = row.try_get(0)?;
        let entry = from_row(position, row.try_get(1)?)
            .map_err(|error| damaged(&format!("row {position}: {error}")))?;
        if entries.len() < rows.limit() && rows.selects(&entry) {
            entries.push(entry);
        }
    }
    Ok(())
}

fn damaged(what: &str) -> Failure {
    Failure::Final(LedgerError::Damaged(format!("schema portal_ledger of PostgreSQL, {what}")))
}

async fn write(client: &Client, written: &[Entry]) -> Result<(), Failure> {
    for entry in written {
        let row = to_row(entry).map_err(|error| damaged(&error.to_string()))?;
        let row: [Parameter<'_>; 4] = [
            (&entry.id.as_str(), Type::TEXT),
            (&entry.org.origin(), Type::TEXT),
            (&row, Type::TEXT),
            (&terms(entry), Type::TEXT_ARRAY),
        ];
        client.execute_typed(WRITE, &row).await?;
    }
    Ok(())
}
