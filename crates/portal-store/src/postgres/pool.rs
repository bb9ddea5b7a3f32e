//! [`Pool`]: a few connections shared by many statements, opened on demand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::{Row, Statement};

use super::failure::Failure;
use super::session::{Connected, Parameters, Session};
use super::statements::Statements;
use super::url::DatabaseUrl;
use crate::error::RegistryError;

/// Maximum number of connections per registry. Connections that commit at the same time share one
/// flush of the server's log, whereas commits on one connection are sequential.
const MAX_CONNECTIONS: usize = 16;

/// Maximum number of statements in flight. Further ones queue on this side, where a timeout is
/// certainly `NotApplied`; queued in the database, they could run into their timeout in doubt.
const MAX_IN_FLIGHT: usize = 64 * MAX_CONNECTIONS;

/// How long a call waits for a slot, and for a connection while there is none.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Initial backoff between attempts to reconnect; doubles each time, with jitter.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Connections to one database. A value is a handle.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    target: DatabaseUrl,
    state: Mutex<State>,
    turns: Arc<Semaphore>,
    /// Notified whenever a connection was opened.
    opened: Notify,
}

#[derive(Default)]
struct State {
    sessions: Vec<Arc<Session>>,
    /// Number of tasks that are opening a connection.
    opening: usize,
    /// Why the last attempt to connect failed.
    last_error: String,
}

impl Pool {
    pub(super) fn new(target: DatabaseUrl, first: Session) -> Self {
        let state = State { sessions: vec![Arc::new(first)], ..State::default() };
        Self(Arc::new(Shared {
            target,
            state: Mutex::new(state),
            turns: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            opened: Notify::new(),
        }))
    }

    pub(super) fn target(&self) -> &DatabaseUrl {
        &self.0.target
    }

    /// Sends a change exactly once. If the connection is lost the change is in doubt and must not
    /// be sent again.
    pub(super) async fn change(
        &self,
        statement: impl Fn(&Statements) -> &Statement,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let deadline = Instant::now() + ACQUIRE_TIMEOUT;
        let _turn = self.turn(deadline).await?;
        let session = self.session(deadline).await?;
        session.run(statement(&session.statements), parameters).await
    }

    /// Sends a read, retrying over another connection if one is lost, and reads each row.
    pub(super) async fn read<T>(
        &self,
        statement: impl Fn(&Statements) -> &Statement,
        parameters: &Parameters<'_>,
        read: impl Fn(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>, RegistryError> {
        let deadline = Instant::now() + ACQUIRE_TIMEOUT;
        let rows = async {
            let _turn = self.turn(deadline).await?;
            loop {
                let session = self.session(deadline).await?;
                match session.run(statement(&session.statements), parameters).await {
                    Err(Failure::Lost(_)) if Instant::now() < deadline => {}
                    result => return result,
                }
            }
        };
        let read = |rows: Vec<Row>| rows.iter().map(read).collect();
        rows.await.and_then(read).map_err(Failure::into_read_error)
    }

    async fn turn(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Failure> {
        let turn = timeout_at(deadline, Arc::clone(&self.0.turns).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| {
            Failure::NotSent(format!(
                "{MAX_IN_FLIGHT} statements are already waiting for the database; try again"
            ))
        })
    }

    /// Returns the least busy connection, waiting until there is one.
    async fn session(&self, deadline: Instant) -> Result<Arc<Session>, Failure> {
        let mut opened = std::pin::pin!(self.0.opened.notified());
        loop {
            // Register before the check, so that a connection opened in between is not missed.
            opened.as_mut().enable();
            if let Some(session) = self.least_busy() {
                return Ok(session);
            }
            if timeout_at(deadline, opened.as_mut()).await.is_err() {
                return Err(Failure::NotSent(format!(
                    "no connection to the database: {}",
                    self.0.lock().last_error
                )));
            }
            opened.set(self.0.opened.notified());
        }
    }

    fn least_busy(&self) -> Option<Arc<Session>> {
        let mut state = self.0.lock();
        state.sessions.retain(|session| session.is_usable());
        // The pool holds one reference, and each statement in flight another.
        let idlest = state.sessions.iter().min_by_key(|session| Arc::strong_count(session));
        let idlest = idlest.map(Arc::clone);
        // Without any connection, a single task reconnects on behalf of all callers.
        let wants_another = match &idlest {
            None => state.opening == 0,
            // Busy already: the third reference is the one that was just taken.
            Some(session) => {
                Arc::strong_count(session) > 2
                    && state.sessions.len() + state.opening < MAX_CONNECTIONS
            }
        };
        if wants_another {
            state.opening += 1;
            tokio::spawn(open(Opening(Arc::downgrade(&self.0))));
        }
        idlest
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is being opened. Counted until dropped, including when its runtime shuts down.
struct Opening(Weak<Shared>);

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.lock().opening -= 1;
        }
    }
}

/// Opens a connection; retries for as long as there is none at all.
async fn open(opening: Opening) {
    let mut backoff = FIRST_BACKOFF;
    // Stops once the registry was dropped.
    while let Some(shared) = opening.0.upgrade() {
        match connect(&shared.target).await {
            Ok(session) => {
                shared.lock().sessions.push(Arc::new(session));
                drop(opening);
                return shared.opened.notify_waiters();
            }
            Err(why) => {
                let mut state = shared.lock();
                state.last_error = why;
                state.sessions.retain(|session| session.is_usable());
                if !state.sessions.is_empty() {
                    return;
                }
            }
        }
        drop(shared);
        // Between half of and the full backoff, so that many processes don't reconnect at once.
        let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
        sleep(backoff.mul_f64(0.5 + 0.5 * random)).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

async fn connect(target: &DatabaseUrl) -> Result<Session, String> {
    Connected::to(target).await?.prepare().await.map_err(|why| format!("{target}: {why}"))
}
