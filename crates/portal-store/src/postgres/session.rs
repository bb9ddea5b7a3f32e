//! [`Session`]: a connection with verified settings and prepared statements.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::failure::{Failure, describe};
use super::statements::Statements;
use super::url::DatabaseUrl;

/// Timeout for opening a connection, over all hosts of the URL. No call waits this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Response timeout of a statement. The server's `lock_timeout` is shorter.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The parameters of a statement.
pub(super) type Parameters<'a> = [&'a (dyn ToSql + Sync)];

/// A new connection, and a guard that closes it when dropped.
pub(super) struct Connected {
    pub(super) client: Client,
    driver: AbortHandle,
}

/// A connection that statements share: requests are pipelined, responses arrive in order.
pub(super) struct Session {
    connected: Connected,
    pub(super) statements: Statements,
    /// Set once no further statement may be sent.
    is_retired: AtomicBool,
}

impl Connected {
    /// Connects to the database.
    ///
    /// # Errors
    /// A single clause.
    pub(super) async fn to(target: &DatabaseUrl) -> Result<Self, String> {
        let connected = async {
            let connect = target.config.connect(target.tls.clone());
            let (client, connection) = connect.await.map_err(|error| describe(&error))?;
            let driver = tokio::spawn(connection).abort_handle();
            let connected = Self { client, driver };
            connected.configure().await?;
            Ok(connected)
        };
        let connected = timeout(CONNECT_TIMEOUT, connected).await.unwrap_or_else(|_| {
            Err(format!("no connection within {} seconds", CONNECT_TIMEOUT.as_secs()))
        });
        connected.map_err(|why| format!("{target}: {why}"))
    }

    /// Applies the settings that the guarantees depend on, regardless of the defaults of the
    /// database and the role, and verifies them.
    async fn configure(&self) -> Result<(), String> {
        // - Keep anything stronger than `on`.
        // - `read committed`: a statement that waited for another change must see it.
        // - No `statement_timeout`: the server would acknowledge a statement that it cancels while
        //   waiting for a standby, so the timeout is on this side. Cancelling the wait for a lock
        //   is safe.
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
            .await
            .map_err(|error| describe(&error))?;
        let setting =
            |index: usize| row.try_get::<_, &str>(index).map_err(|error| describe(&error));
        match (setting(0)?, setting(1)?, setting(2)?) {
            ("on" | "remote_apply", "on", "UTF8") => Ok(()),
            (commit @ ("off" | "local" | "remote_write"), ..) => {
                Err(format!("expected synchronous_commit on, found {commit}"))
            }
            (_, "off", _) => Err("expected fsync on, found off, with which a power cut loses \
                                  changes that were acknowledged"
                .to_owned()),
            (_, _, encoding) => Err(format!("expected encoding UTF8, found {encoding}")),
        }
    }

    /// Prepares the statements.
    ///
    /// # Errors
    /// A single clause.
    pub(super) async fn prepare(self) -> Result<Session, String> {
        // Boxed: this future holds the state of preparing every statement at once.
        let prepare = Box::pin(Statements::prepare(&self.client));
        let prepared = timeout(CONNECT_TIMEOUT, prepare).await;
        let statements = prepared
            .map_err(|_| format!("no response within {} seconds", CONNECT_TIMEOUT.as_secs()))?
            .map_err(|error| describe(&error))?;
        Ok(Session { connected: self, statements, is_retired: AtomicBool::new(false) })
    }
}

impl Session {
    /// Whether statements may be sent over this session.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_retired.load(Ordering::Relaxed) && !self.connected.client.is_closed()
    }

    /// Sends a statement and waits until the response is complete, which is after the commit.
    pub(super) async fn run(
        &self,
        statement: &Statement,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let response = self.connected.client.query(statement, parameters);
        match timeout(RESPONSE_TIMEOUT, response).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                let failure = Failure::from(error);
                if failure.ends_session() {
                    self.is_retired.store(true, Ordering::Relaxed);
                }
                Err(failure)
            }
            Err(_) => {
                // Responses arrive in order, so the other statements in flight will not get one
                // either.
                self.is_retired.store(true, Ordering::Relaxed);
                self.connected.driver.abort();
                Err(Failure::Lost(format!(
                    "no response from the database within {} seconds",
                    RESPONSE_TIMEOUT.as_secs()
                )))
            }
        }
    }
}
