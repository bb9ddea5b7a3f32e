//! A conformance check for a [`Host`] of your own, to be called from your tests: its duties are checked
//! from outside, by the requests that a server receives and the outcome.

mod server;

use std::future::pending;
use std::io;
use std::time::{Duration, Instant};

use portal_ledger::{ClaimRequest, EntryId, Host, Ledger, Terms, Wanted, run};
use portal_model::flow::{Policy, TransportError};
use portal_model::outcome::{AuthFailure, Doubt, NotDone};
use portal_model::{
    ApiVersion, CreateOperation, CreatePortal, Endpoint as _, ErrorCode, OrgIdentity, Outcome,
    PortalName,
};

use self::server::{Act, Entry, OnList, STEP_TIMEOUT, Server, is_attempt, is_list};

/// The shortest backoff between two attempts.
const BACKOFF: Duration = Duration::from_millis(250);

/// A duty that a host neglects.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A host neglects a duty.
    #[error("a host must {duty}; found {found}")]
    Host {
        /// What a host must do.
        duty: &'static str,
        /// The outcome, and the requests at the server.
        found: String,
    },
    /// An operation failed that must not fail.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A duty, and a scenario that shows whether a host fulfills it.
struct Duty {
    /// Continues "a host must".
    text: &'static str,
    list: OnList,
    /// What the server does with each attempt. No more are asked for; the last is for all that follow.
    acts: &'static [Act],
    attempt_timeout: Duration,
    is_fulfilled: fn(&Outcome, &Server) -> bool,
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

const DUTIES: [Duty; 10] = [
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
        text: "make each attempt once",
        acts: &[Act::Respond("429 Too Many Requests", "", RATE_LIMITED), CREATED],
        is_fulfilled: |outcome, server| {
            matches!(outcome, Outcome::Created { .. }) && server.count(is_attempt) == 2
        },
        ..DUTY
    },
    Duty { acts: &[Act::Close], ..LOST },
    Duty { acts: &[Act::Cut], ..LOST },
    Duty {
        text: "honor the timeout of a request",
        list: |_, _| NO_SCOPE,
        acts: &[Act::Hang],
        attempt_timeout: Duration::from_secs(1),
        is_fulfilled: |outcome, server| {
            let took = server.times(is_attempt).first().map(Instant::elapsed);
            let in_time = took.is_some_and(|took| (BACKOFF..STEP_TIMEOUT).contains(&took));
            in_time && is_lost_once(outcome, server)
        },
    },
    Duty {
        text: "leave retries to its caller",
        list: |number, _| match number {
            0 => Act::Respond("503 Service Unavailable", "", ""),
            _ => NO_CONTENT,
        },
        is_fulfilled: |outcome, server| {
            matches!(outcome, Outcome::Created { .. }) && is_apart(server, is_list, BACKOFF)
        },
        ..DUTY
    },
    Duty {
        text: "pass on Retry-After, and wait as long as it is told",
        acts: &[Act::Respond("429 Too Many Requests", "retry-after: 3\r\n", RATE_LIMITED), CREATED],
        is_fulfilled: |outcome, server| {
            let is_late = is_apart(server, is_attempt, Duration::from_secs(3));
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
        is_fulfilled: |_, server| server.count(is_list) == 2,
        ..DUTY
    },
    Duty {
        text: "get another token if one is rejected, or report that there is none",
        list: |_, token| match token {
            "t1" => Act::Respond("401 Unauthorized", "", INVALID_TOKEN),
            _ => NO_CONTENT,
        },
        is_fulfilled: |outcome, server| match outcome {
            Outcome::Created { .. } => server.count(is_list) == 2,
            Outcome::NotCreated { why: NotDone::Auth(failure), .. } => {
                matches!(failure, AuthFailure::TokenRejected(_)) && server.count(is_list) == 1
            }
            _ => false,
        },
        ..DUTY
    },
    Duty {
        text: "follow no redirect",
        list: |_, _| NO_SCOPE,
        acts: &[Act::Respond("307 Temporary Redirect", "location: /elsewhere\r\n", "")],
        is_fulfilled: |outcome, server| {
            matches!(outcome, Outcome::Unknown { .. }) && server.count(is_attempt) == 1
        },
        ..DUTY
    },
];

/// Checks a host over any HTTP client, blocking or not. `make` returns a new one for the API at a base
/// URL, which is also that of the accounts server and grants a token for any refresh token. Takes a
/// few seconds.
///
/// Two duties can't be checked from outside: reporting a request as not sent only if no byte of it has
/// left, and closing the connection of an attempt so that nothing of it leaves later.
///
/// # Errors
/// The first [`Violation`].
pub async fn host<H: Host>(mut make: impl FnMut(&str) -> H) -> Result<(), Violation> {
    let name = PortalName::parse("PortalsAPItest100").map_err(io::Error::other)?;
    begins_nothing_late(&mut make, &name).await?;
    for duty in DUTIES {
        let server = Server::start(duty.list, duty.acts)?;
        let url = server.url();
        let wanted = Wanted::Do(CreateOperation::new(name.clone()).into());
        let org = OrgIdentity::new(&url, "conformance");
        let mut request = ClaimRequest::new(EntryId::new("conformance"), org, wanted);
        request.policy = policy(&duty);
        let mut host = make(&url);
        let ledger = Ledger::in_memory();
        let ended = run(&ledger, request, ApiVersion::default(), &mut host, pending()).await;
        if !(duty.is_fulfilled)(&ended.outcome, &server) {
            let found = format!("{:?} after {:?}", ended.outcome, server.entries());
            return Err(Violation::Host { duty: duty.text, found });
        }
    }
    Ok(())
}

/// Sends an attempt whose time is up.
async fn begins_nothing_late<H: Host>(
    make: &mut impl FnMut(&str) -> H,
    name: &PortalName,
) -> Result<(), Violation> {
    let server = Server::start(DUTY.list, DUTY.acts)?;
    let mut host = make(&server.url());
    // Without a token nothing is sent either.
    let _ = host.token(None, STEP_TIMEOUT).await;
    let mut terms = Terms::new(STEP_TIMEOUT);
    terms.attempt = Some(host.now());
    let create = CreatePortal::new(name.clone()).request(ApiVersion::default());
    let sent = host.send(create, terms).await;
    let is_unsent = matches!(sent, Err(TransportError::NotSent(_)));
    if is_unsent && server.count(is_attempt) == 0 {
        return Ok(());
    }
    let found = format!("{sent:?} after {:?}", server.entries());
    Err(Violation::Host { duty: "begin no attempt that is late", found })
}

fn policy(duty: &Duty) -> Policy {
    let mut policy = Policy::default();
    policy.attempt_timeout = duty.attempt_timeout;
    policy.read_timeout = STEP_TIMEOUT;
    policy.processing_time = Duration::ZERO;
    policy.list_lag = Duration::ZERO;
    policy.backoff_base = BACKOFF * 2;
    policy.max_attempts = u32::try_from(duty.acts.len()).unwrap_or(u32::MAX);
    policy.max_tries = 2;
    // Without a list nothing else is created.
    policy.allow_another = true;
    policy
}

/// Whether there are two matching entries at least `time` apart.
fn is_apart(server: &Server, is_wanted: fn(&Entry) -> bool, time: Duration) -> bool {
    matches!(server.times(is_wanted)[..], [first, second] if second - first >= time)
}

fn is_lost_once(outcome: &Outcome, server: &Server) -> bool {
    let is_lost = matches!(outcome, Outcome::Unknown { doubt: Doubt::NoResponse(_), .. });
    is_lost && server.count(is_attempt) == 1
}
