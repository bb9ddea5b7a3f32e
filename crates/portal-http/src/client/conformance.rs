//! A conformance check for your own driver of flows, to be called from your tests: its duties are
//! checked from outside, by the requests that a server receives, the intents that a sink records, and
//! the outcome.

mod server;

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use portal_model::flow::{Flow, Intent, Policy};
use portal_model::outcome::{AuthFailure, Doubt, NotDone};
use portal_model::{ApiVersion, CreateOperation, ErrorCode, Outcome, PortalName};

use self::server::{Act, Entry, OnList, STEP_TIMEOUT, Seen, Server, is_attempt, is_list};
use super::drive::IntentSink;

/// The shortest backoff between two attempts.
const BACKOFF: Duration = Duration::from_millis(250);

/// A duty that a driver neglects.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A driver neglects a duty.
    #[error("a driver must {duty}; found {found}")]
    Driver {
        /// What a driver must do.
        duty: &'static str,
        /// The outcome, and the events at the server and the sink.
        found: String,
    },
    /// An operation failed that must not fail.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One run of a driver under test.
#[derive(Debug)]
#[non_exhaustive]
pub struct DriverRun {
    /// The base URL of the API and of the accounts server, which grants a token for any refresh
    /// token.
    pub base_url: String,
    /// What to perform.
    pub flow: Flow,
    /// Where to record its intents.
    pub intents: TestIntents,
}

/// A slow sink of intents, which may also be full.
#[derive(Clone, Debug)]
pub struct TestIntents {
    seen: Seen,
    is_full: bool,
}

impl TestIntents {
    /// Records `intent`; blocks like a disk.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`], in one of the runs.
    pub fn record(&self, intent: &Intent) -> io::Result<()> {
        // A driver that does not wait for this would send its request meanwhile.
        thread::sleep(Duration::from_millis(50));
        if self.is_full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let Intent::Create(create) = intent else {
            return Err(io::Error::other("not the intent of the flow"));
        };
        self.seen.note(Entry::Recorded { attempts: create.attempts });
        Ok(())
    }
}

impl IntentSink for TestIntents {
    async fn record(&mut self, intent: &Intent) -> io::Result<()> {
        let (sink, intent) = (self.clone(), intent.clone());
        tokio::task::spawn_blocking(move || Self::record(&sink, &intent)).await?
    }

    async fn end(&mut self, _: &Outcome) -> io::Result<()> {
        Ok(())
    }
}

/// A duty, and a scenario that shows whether a driver fulfills it.
struct Duty {
    /// Continues "a driver must".
    text: &'static str,
    list: OnList,
    /// What the server does with each attempt; the last is for all that follow.
    acts: &'static [Act],
    is_full: bool,
    attempts: u32,
    attempt_timeout: Duration,
    is_fulfilled: fn(&Outcome, &Seen) -> bool,
}

const NO_CONTENT: Act = Act::Respond("204 No Content", "", "");
/// Without permission to list, a flow ends right after its attempts.
const NO_SCOPE: Act =
    Act::Respond("401 Unauthorized", "", r#"{"code":"OAUTH_SCOPE_MISMATCH","status":"error"}"#);
const CREATED: Act = Act::Respond(
    "200 OK",
    "",
    r#"{"portals":[{"code":"SUCCESS","details":{"name":"PortalsAPItest100"},"status":"success"}]}"#,
);
const RATE_LIMITED: &str = r#"{"code":"TOO_MANY_REQUESTS","status":"error"}"#;
const NO_PERMISSION: &str = r#"{"code":"NO_PERMISSION","status":"error"}"#;
const INVALID_TOKEN: &str = r#"{"code":"INVALID_TOKEN","status":"error"}"#;

const DUTY: Duty = Duty {
    text: "",
    list: |_, _| NO_CONTENT,
    acts: &[CREATED],
    is_full: false,
    attempts: 1,
    attempt_timeout: STEP_TIMEOUT,
    is_fulfilled: |_, _| true,
};

/// A response that is lost in some way.
const LOST: Duty = Duty {
    text: "report a response that is lost or incomplete as NoResponse, and not send again",
    list: |_, _| NO_SCOPE,
    is_fulfilled: is_lost_once,
    ..DUTY
};

const DUTIES: [Duty; 11] = [
    Duty {
        text: "report every complete response, whatever its status",
        acts: &[Act::Respond("403 Forbidden", "", NO_PERMISSION)],
        is_fulfilled: |outcome, _| match outcome {
            Outcome::Rejected { error, .. } => error.code == ErrorCode::NoPermission,
            _ => false,
        },
        ..DUTY
    },
    Duty {
        text: "record the intent before each attempt, and make each attempt once",
        acts: &[Act::Respond("429 Too Many Requests", "", RATE_LIMITED), CREATED],
        attempts: 2,
        is_fulfilled: |outcome, seen| {
            use Entry::{Attempt, Recorded};
            // A list comes before each of the two.
            let mut entries = seen.entries();
            entries.retain(|entry| !is_list(entry));
            let is_in_order = matches!(
                entries[..],
                [Recorded { attempts: 1 }, Attempt, Recorded { attempts: 2 }, Attempt]
            );
            matches!(outcome, Outcome::Created { .. }) && is_in_order
        },
        ..DUTY
    },
    Duty {
        text: "report an intent that cannot be recorded, and send nothing",
        is_full: true,
        is_fulfilled: |outcome, seen| {
            let reason = NotDone::NotRecorded(io::ErrorKind::StorageFull.to_string());
            let is_reported =
                matches!(outcome, Outcome::NotCreated { why: found, .. } if *found == reason);
            is_reported && seen.count(is_attempt) == 0
        },
        ..DUTY
    },
    Duty { acts: &[Act::Close], ..LOST },
    Duty { acts: &[Act::Cut], ..LOST },
    Duty {
        text: "honor the timeout of a step",
        list: |_, _| NO_SCOPE,
        acts: &[Act::Hang],
        attempt_timeout: Duration::from_secs(1),
        is_fulfilled: |outcome, seen| {
            let took = seen.times(is_attempt).first().map(Instant::elapsed);
            let in_time = took.is_some_and(|took| (BACKOFF..STEP_TIMEOUT).contains(&took));
            in_time && is_lost_once(outcome, seen)
        },
        ..DUTY
    },
    Duty {
        text: "leave retries to the flow",
        list: |number, _| match number {
            0 => Act::Respond("503 Service Unavailable", "", ""),
            _ => NO_CONTENT,
        },
        is_fulfilled: |outcome, seen| {
            matches!(outcome, Outcome::Created { .. }) && is_apart(seen, is_list, BACKOFF)
        },
        ..DUTY
    },
    Duty {
        text: "pass on Retry-After, and wait as long as the flow asks",
        acts: &[Act::Respond("429 Too Many Requests", "retry-after: 1\r\n", RATE_LIMITED), CREATED],
        attempts: 2,
        is_fulfilled: |outcome, seen| {
            let is_late = is_apart(seen, is_attempt, Duration::from_secs(1));
            matches!(outcome, Outcome::Created { .. }) && is_late
        },
        ..DUTY
    },
    Duty {
        text: "pass on Age",
        list: |number, _| match number {
            0 => Act::Respond("200 OK", "age: 60\r\n", r#"{"portals":[]}"#),
            _ => NO_CONTENT,
        },
        is_fulfilled: |_, seen| seen.count(is_list) == 2,
        ..DUTY
    },
    Duty {
        text: "get another token if one is rejected, or report that there is none",
        list: |_, token| match token {
            "t1" => Act::Respond("401 Unauthorized", "", INVALID_TOKEN),
            _ => NO_CONTENT,
        },
        is_fulfilled: |outcome, seen| match outcome {
            Outcome::Created { .. } => seen.count(is_list) == 2,
            Outcome::NotCreated { why: NotDone::Auth(failure), .. } => {
                matches!(failure, AuthFailure::TokenRejected(_)) && seen.count(is_list) == 1
            }
            _ => false,
        },
        ..DUTY
    },
    Duty {
        text: "follow no redirect",
        list: |_, _| NO_SCOPE,
        acts: &[Act::Respond("307 Temporary Redirect", "location: /elsewhere\r\n", "")],
        is_fulfilled: |outcome, seen| {
            matches!(outcome, Outcome::Unknown { .. }) && seen.count(is_attempt) == 1
        },
        ..DUTY
    },
];

/// Checks a driver of flows over any HTTP client, blocking or not. `drive` performs one flow and
/// returns its outcome. Takes a few seconds.
///
/// One duty can't be checked from outside: reporting a request as not sent only if no byte of it
/// has left.
///
/// ```no_run
/// use portal_http::client::{Client, Credential, conformance};
///
/// let runtime = tokio::runtime::Runtime::new()?;
/// conformance::driver(|run| {
///     let client = Client::builder()
///         .api_url(&run.base_url)
///         .accounts_url(&run.base_url)
///         .build(Credential::refresh_token("id", "secret".to_owned(), "refresh".to_owned()))
///         .expect("valid URLs");
///     runtime.block_on(async { client.perform(run.flow, run.intents).await })
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The first [`Violation`].
pub fn driver(mut drive: impl FnMut(DriverRun) -> Outcome) -> Result<(), Violation> {
    let name = PortalName::parse("PortalsAPItest100").map_err(io::Error::other)?;
    let create = CreateOperation::new(name);
    for duty in DUTIES {
        let server = Server::start(duty.list, duty.acts)?;
        let seen = server.seen();
        let outcome = drive(DriverRun {
            base_url: server.url(),
            flow: Flow::new(create.clone().into(), policy(&duty), ApiVersion::default()),
            intents: TestIntents { seen: seen.clone(), is_full: duty.is_full },
        });
        if !(duty.is_fulfilled)(&outcome, seen) {
            let found = format!("{outcome:?} after {:?}", seen.entries());
            return Err(Violation::Driver { duty: duty.text, found });
        }
    }
    Ok(())
}

fn policy(duty: &Duty) -> Policy {
    let mut policy = Policy::default();
    policy.attempt_timeout = duty.attempt_timeout;
    policy.read_timeout = STEP_TIMEOUT;
    policy.processing_time = Duration::ZERO;
    policy.list_lag = Duration::ZERO;
    policy.backoff_base = BACKOFF * 2;
    policy.max_attempts = duty.attempts;
    policy
}

/// Whether there are two matching entries at least `time` apart.
fn is_apart(seen: &Seen, is_wanted: fn(&Entry) -> bool, time: Duration) -> bool {
    matches!(seen.times(is_wanted)[..], [first, second] if second - first >= time)
}

fn is_lost_once(outcome: &Outcome, seen: &Seen) -> bool {
    let is_lost = matches!(outcome, Outcome::Unknown { doubt: Doubt::NoResponse(_), .. });
    is_lost && seen.count(is_attempt) == 1
}
