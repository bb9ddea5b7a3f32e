//! [`Pool`]: a few connections that many statements share, opened as they are needed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::{Row, Statement};

use super::failure::Failure;
use super::session::{Connected, Lease, Parameters, Session};
use super::statements::Statements;
use super::url::Target;

/// Most connections of one registry. The server forces the log to the disk once for all
/// connections that commit at that moment; on one connection commits follow each other.
const MOST: usize = 16;

/// Most statements at once. More wait on this side, where they are certainly not applied if they
/// give up: behind too many others one would run out of time with the database.
const MOST_IN_FLIGHT: usize = 64 * MOST;

/// How long a call waits for its turn, and for a connection while there is none.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Between two attempts to reconnect: twice as long each time, less a random part.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Connections to one database. A value is a handle.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    target: Target,
    state: Mutex<State>,
    turns: Arc<Semaphore>,
    /// One more connection was opened.
    opened: Notify,
}

#[derive(Default)]
struct State {
    sessions: Vec<Arc<Session>>,
    /// How many tasks are opening one.
    opening: usize,
    /// Why the last attempt failed.
    last_error: String,
}

impl Pool {
    pub(super) fn new(target: Target, first: Session) -> Self {
        let state = State { sessions: vec![Arc::new(first)], ..State::default() };
        Self(Arc::new(Shared {
            target,
            state: Mutex::new(state),
            turns: Arc::new(Semaphore::new(MOST_IN_FLIGHT)),
            opened: Notify::new(),
        }))
    }

    pub(super) fn target(&self) -> &Target {
        &self.0.target
    }

    /// Sends a change, once. A lost connection leaves it in doubt, so that it isn't sent again.
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

    /// Reads, over another connection where one is lost.
    pub(super) async fn read(
        &self,
        statement: impl Fn(&Statements) -> &Statement,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let deadline = Instant::now() + ACQUIRE_TIMEOUT;
        let _turn = self.turn(deadline).await?;
        loop {
            let session = self.session(deadline).await?;
            match session.run(statement(&session.statements), parameters).await {
                Err(Failure::Lost(_)) if Instant::now() < deadline => {}
                result => return result,
            }
        }
    }

    async fn turn(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Failure> {
        let turn = timeout_at(deadline, Arc::clone(&self.0.turns).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| {
            Failure::NotSent(format!(
                "{MOST_IN_FLIGHT} statements wait for the database already; try again"
            ))
        })
    }

    /// The connection with the least to do, once there is one.
    async fn session(&self, deadline: Instant) -> Result<Lease, Failure> {
        let mut opened = std::pin::pin!(self.0.opened.notified());
        loop {
            // Before the check, so that what is opened after it isn't missed.
            opened.as_mut().enable();
            if let Some(session) = self.least_busy() {
                return Ok(session);
            }
            if timeout_at(deadline, opened.as_mut()).await.is_err() {
                return Err(Failure::NotSent(format!(
                    "the database is away: {}",
                    self.0.lock().last_error
                )));
            }
            opened.set(self.0.opened.notified());
        }
    }

    fn least_busy(&self) -> Option<Lease> {
        let mut state = self.0.lock();
        state.sessions.retain(|session| session.is_usable());
        let idlest = state.sessions.iter().min_by_key(|session| session.in_flight());
        let lease = idlest.map(Lease::of);
        // Without any, one task tries for all until it succeeds.
        let wants_another = match idlest {
            None => state.opening == 0,
            // The lease counts.
            Some(session) => session.in_flight() > 1 && state.sessions.len() + state.opening < MOST,
        };
        if wants_another {
            state.opening += 1;
            tokio::spawn(open(Opening(Arc::downgrade(&self.0))));
        }
        lease
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is being opened; counted until this is dropped, by the end of its runtime too.
struct Opening(Weak<Shared>);

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.lock().opening -= 1;
        }
    }
}

/// Opens a connection; while there is none at all, as often as it takes.
async fn open(opening: Opening) {
    let mut backoff = FIRST_BACKOFF;
    // Ends with the registry.
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
        sleep(jittered(backoff)).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

async fn connect(target: &Target) -> Result<Session, String> {
    Connected::to(target).await?.prepare().await.map_err(|why| format!("{target}: {why}"))
}

/// Between half of it and all of it, so that many processes don't come back at one moment.
fn jittered(backoff: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or_default();
    backoff.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}
