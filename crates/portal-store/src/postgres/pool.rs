//! [`Pool`]: the connections, each with verified settings.

use std::future::Future;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, Object, PoolError, Runtime};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::failure::{Failure, describe};
use super::url::DatabaseUrl;
use crate::error::RegistryError;
use crate::sql::Value;

/// Maximum number of connections per registry. Those that commit at the same time share one flush of
/// the server's log.
const MAX_CONNECTIONS: usize = 16;

/// How long a call waits for a connection, or tries again to open one. A call that has none is certainly
/// `NotApplied`; queued in the database, it could run into its timeout in doubt.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Interval between attempts to connect within [`ACQUIRE_TIMEOUT`].
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Timeout for opening a connection, over all hosts of the URL, and for its settings.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Response timeout of a statement. The server's `lock_timeout` is shorter.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A parameter of a statement.
pub(super) type Parameter<'a> = &'a (dyn ToSql + Sync);

/// The parameters of a statement that the engines share.
pub(super) fn parameters(values: &[Value]) -> Vec<Parameter<'_>> {
    let parameters = values.iter().map(|value| -> Parameter<'_> {
        match value {
            Value::Number(number) => number,
            Value::Text(text) => text,
            Value::Flag(flag) => flag,
            Value::Hash(hash) => hash,
        }
    });
    parameters.collect()
}

/// Connections to one database. A value is a handle.
pub(super) struct Pool {
    /// The database as messages name it.
    pub(super) target: String,
    connections: deadpool_postgres::Pool,
}

impl Pool {
    pub(super) fn new(url: DatabaseUrl) -> Result<Self, RegistryError> {
        let target = url.to_string();
        let (config, tls) = url.into_parts();
        let configured = Hook::async_fn(|client, _| {
            Box::pin(async {
                // The pool's timeouts leave out hooks.
                let configured = timeout(CONNECT_TIMEOUT, configure(client)).await;
                configured
                    .unwrap_or_else(|_| Err(format!("no settings {}", within(CONNECT_TIMEOUT))))
                    .map_err(HookError::message)
            })
        });
        let connections = deadpool_postgres::Pool::builder(Manager::new(config, tls))
            .max_size(MAX_CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(CONNECT_TIMEOUT))
            .post_create(configured)
            .build()
            .map_err(|error| RegistryError::NotApplied(error.to_string()))?;
        Ok(Self { target, connections })
    }

    /// Takes a connection, or opens one.
    ///
    /// # Errors
    /// A single clause.
    pub(super) async fn connect(&self) -> Result<Object, String> {
        let connected = self.connections.get().await;
        connected.map_err(|error| {
            let why = match error {
                PoolError::Backend(error) => describe(&error),
                PoolError::PostCreateHook(HookError::Message(why)) => why.into_owned(),
                PoolError::Timeout(_) => format!("none {}", within(CONNECT_TIMEOUT)),
                other => other.to_string(),
            };
            format!("{}: {why}", self.target)
        })
    }

    /// Takes a connection; tries again while there is none.
    pub(super) async fn acquire(&self) -> Result<Object, Failure> {
        // Of the last attempt that ended; none does while all connections are busy or the database is silent.
        let mut why = format!("none {}", within(ACQUIRE_TIMEOUT));
        let connected = async {
            loop {
                match self.connect().await {
                    Ok(client) => return client,
                    Err(error) => why = error,
                }
                sleep(RETRY_INTERVAL).await;
            }
        };
        let connected = timeout(ACQUIRE_TIMEOUT, connected).await;
        connected.map_err(|_| Failure::NotSent(format!("no connection to the database: {why}")))
    }

    /// Sends a change exactly once, and waits until the response is complete, which is after the commit.
    /// If the connection is lost the change is in doubt and must not be sent again.
    pub(super) async fn change(
        &self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let client = self.acquire().await?;
        let response = async {
            let prepare = async { Ok(client.prepare_cached(statement).await?) };
            let prepared =
                respond(RESPONSE_TIMEOUT, prepare).await.map_err(Failure::before_sending)?;
            respond(RESPONSE_TIMEOUT, async { Ok(client.query(&prepared, parameters).await?) })
                .await
        };
        let response = response.await;
        if response.as_ref().is_err_and(Failure::ends_connection) {
            drop(Object::take(client));
        }
        response
    }

    /// Sends a read, retrying over another connection if one is lost.
    pub(super) async fn read(
        &self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, RegistryError> {
        let deadline = Instant::now() + ACQUIRE_TIMEOUT;
        loop {
            match self.change(statement, parameters).await {
                Err(Failure::NotSent(_) | Failure::Lost(_)) if Instant::now() < deadline => {}
                result => return result.map_err(Failure::not_applied),
            }
        }
    }
}

/// Awaits a response within this time.
pub(super) async fn respond<T>(
    time: Duration,
    response: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout(time, response).await.unwrap_or_else(|_| {
        Err(Failure::Lost(format!("no response from the database {}", within(time))))
    })
}

fn within(time: Duration) -> String {
    format!("within {} seconds", time.as_secs())
}

/// Applies the settings that the guarantees depend on, regardless of the defaults of the database and
/// the role, and verifies them.
///
/// # Errors
/// A single clause.
async fn configure(client: &Client) -> Result<(), String> {
    // - Keep anything stronger than `on`.
    // - `read committed`: a statement that waited for another change must see it.
    // - No `statement_timeout`: the server would acknowledge a statement that it cancels while waiting
    //   for a standby, so the timeout is on this side. Cancelling the wait for a lock is safe.
    let row = client
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
    let setting = |index: usize| row.try_get::<_, &str>(index).map_err(|error| describe(&error));
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
