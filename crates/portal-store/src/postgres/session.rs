//! [`Session`]: one connection, its settings verified, its statements prepared.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::failure::{Failure, describe};
use super::statements::Statements;
use super::url::Target;

/// How long everything that makes a connection may take, over all hosts of a URL. No call waits as
/// long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Response timeout of a statement. One that waits for a lock is canceled before.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a statement takes.
pub(super) type Parameters<'a> = [&'a (dyn ToSql + Sync)];

/// The client of a new connection, and what ends the connection at once.
pub(super) struct Connected {
    pub(super) client: Client,
    driver: AbortHandle,
}

/// A connection that statements share: each is sent at once, and responses come in turn.
pub(super) struct Session {
    connected: Connected,
    pub(super) statements: Statements,
    in_flight: AtomicUsize,
    /// No further statement goes here.
    is_retired: AtomicBool,
}

impl Connected {
    /// # Errors
    /// One clause.
    pub(super) async fn to(target: &Target) -> Result<Self, String> {
        let connected = async {
            let failed = |error| format!("{target}: {}", describe(&error));
            let (client, connection) =
                target.config.connect(target.tls.clone()).await.map_err(failed)?;
            let driver = tokio::spawn(connection).abort_handle();
            let connected = Self { client, driver };
            connected
                .configure()
                .await
                .map_err(failed)?
                .map_err(|why| format!("{target}: {why}"))?;
            Ok(connected)
        };
        timeout(CONNECT_TIMEOUT, connected).await.unwrap_or_else(|_| {
            Err(format!("{target}: no connection within {} seconds", CONNECT_TIMEOUT.as_secs()))
        })
    }

    /// Sets what the guarantees rest on, whatever the defaults of the database and the role are,
    /// and verifies it.
    async fn configure(&self) -> Result<Result<(), String>, tokio_postgres::Error> {
        // - Stronger than `on` is left as it is.
        // - `read committed`: a statement that waited for another one's change sees it.
        // - A statement that is broken off by the server while it waits for a standby would be
        //   acknowledged; so that limit is on this side. Breaking off the wait for a lock is safe.
        let row = self
            .client
            .query_one(
                "SELECT set_config('synchronous_commit',
                                   CASE current_setting('synchronous_commit')
                                       WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END,
                                   false),
                        current_setting('fsync'),
                        current_setting('server_encoding'),
                        set_config('search_path', 'portal', false),
                        set_config('default_transaction_isolation', 'read committed', false),
                        set_config('statement_timeout', '0', false),
                        set_config('lock_timeout', '3s', false),
                        set_config('idle_in_transaction_session_timeout', '10s', false)",
                &[],
            )
            .await?;
        let setting = |index: usize| row.try_get::<_, String>(index);
        let wrong = match (setting(0)?.as_str(), setting(1)?.as_str(), setting(2)?.as_str()) {
            ("on" | "remote_apply", "on", "UTF8") => return Ok(Ok(())),
            (commit @ ("off" | "local" | "remote_write"), ..) => {
                format!("expected synchronous_commit on, found {commit}")
            }
            (_, "off", _) => "expected fsync on, found off, with which a power cut loses changes \
                              that were acknowledged"
                .to_owned(),
            (_, _, encoding) => format!("expected a database in UTF8, found {encoding}"),
        };
        Ok(Err(wrong))
    }

    /// # Errors
    /// One clause.
    pub(super) async fn prepare(self) -> Result<Session, String> {
        // On the heap: it holds the state of every statement at once.
        let prepare = Box::pin(Statements::prepare(&self.client));
        let prepared = timeout(CONNECT_TIMEOUT, prepare).await;
        let statements = prepared
            .map_err(|_| format!("no response within {} seconds", CONNECT_TIMEOUT.as_secs()))?
            .map_err(|error| describe(&error))?;
        Ok(Session {
            connected: self,
            statements,
            in_flight: AtomicUsize::new(0),
            is_retired: AtomicBool::new(false),
        })
    }
}

impl Session {
    /// Whether statements may be sent over it.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_retired.load(Ordering::Relaxed) && !self.connected.client.is_closed()
    }

    /// How many statements wait for their response here.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Sends a statement and waits for its end: the response is complete only after the commit.
    pub(super) async fn run(
        &self,
        statement: &Statement,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let response = self.connected.client.query(statement, parameters);
        match timeout(RESPONSE_TIMEOUT, response).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                let failure = Failure::of(&error);
                if failure.ends_the_session() {
                    self.is_retired.store(true, Ordering::Relaxed);
                }
                Err(failure)
            }
            Err(_) => {
                // Other statements that wait here get no response either.
                self.is_retired.store(true, Ordering::Relaxed);
                self.connected.driver.abort();
                Err(Failure::Lost(format!(
                    "no response of the database within {} seconds",
                    RESPONSE_TIMEOUT.as_secs()
                )))
            }
        }
    }
}

/// A session, counted as in use until this is dropped.
pub(super) struct Lease(Arc<Session>);

impl Lease {
    pub(super) fn of(session: &Arc<Session>) -> Self {
        session.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(session))
    }
}

impl Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
