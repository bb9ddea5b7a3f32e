//! A safe create without async: a driver of flows over ureq.
//!
//! ```text
//! cargo run -p portal-model --features http --example ureq -- \
//!     http://127.0.0.1:8780 ACCESS_TOKEN PortalsAPItest100 intent.json
//! ```
//!
//! For https give ureq its default feature `rustls`. `portal serve` is a server to try it on.

#[path = "support/intent_file.rs"]
mod intent_file;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use portal_model::flow::{
    Event, Flow, Intent, Jitter, NoResponse, NotSent, Policy, Step, TokenError, TokenId,
    TransportError,
};
use portal_model::{
    ApiVersion, CreateOperation, Operation, Outcome, PortalName, Request, Response, Secret,
};

use intent_file::IntentFile;

type BoxError = Box<dyn Error + Send + Sync>;

/// Longest response; a list of 200 portals has about 100 KB.
const BODY_LIMIT: usize = 1 << 20;

fn main() -> Result<(), BoxError> {
    let [base_url, token, name, path] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "expected four arguments: BASE_URL ACCESS_TOKEN NAME INTENT_FILE")?;
    let driver = Driver::new(base_url, Secret::new(token));
    let name = PortalName::parse(&name)?;
    let print = |outcome: &Outcome| writeln!(io::stdout(), "{outcome:?}");
    create(&driver, name, Policy::default(), path.as_ref(), print)
}

/// Creates a portal, or completes the create that an earlier process left in doubt.
pub(crate) fn create(
    driver: &Driver,
    name: PortalName,
    policy: Policy,
    path: &Path,
    deliver: impl FnOnce(&Outcome) -> io::Result<()>,
) -> Result<(), BoxError> {
    let intents = IntentFile::open(path)?;
    let operation = Operation::from(CreateOperation::new(name));
    let flow = match intents.read()? {
        None => Flow::new(operation, policy, ApiVersion::V7),
        // Its process has ended, since this one has the lock. When is not known.
        Some(Intent::Create(intent)) if operation.concerns(intent.name.as_str()) => {
            let horizon = policy.processing_time;
            Flow::resume(operation, intent.into(), horizon, policy, ApiVersion::V7)
        }
        Some(other) => return Err(format!("{} is in doubt: recover it first", other.name()).into()),
    };
    let outcome = driver.perform(flow, |intent| intents.record(intent));
    deliver(&outcome)?;
    // Rule 11: an intent ends after its outcome was delivered. An unknown outcome keeps it.
    if outcome.is_certain() {
        intents.remove()?;
    }
    Ok(())
}

/// Performs flows, one at a time, with an access token that it cannot renew.
pub(crate) struct Driver {
    agent: ureq::Agent,
    base_url: String,
    token: Secret,
}

impl Driver {
    pub(crate) fn new(base_url: String, token: Secret) -> Self {
        let config = ureq::Agent::config_builder()
            // Every response is for the flow to classify, redirects and errors included.
            .http_status_as_error(false)
            .max_redirects(0)
            // A new connection for each request: a pooled one may be gone by the time it is used,
            // which looks like a lost response. ureq itself never sends a request twice.
            .max_idle_connections(0)
            // The default is the proxy of the environment.
            .proxy(None);
        Self { agent: config.build().into(), base_url, token }
    }

    /// Performs `flow` to its outcome; `record` writes its intents durably.
    pub(crate) fn perform(
        &self,
        mut flow: Flow,
        mut record: impl FnMut(&Intent) -> io::Result<()>,
    ) -> Outcome {
        let start = Instant::now();
        loop {
            let event = match flow.step(start.elapsed()) {
                Step::Authenticate { rejected, .. } => match rejected {
                    None => Event::Token(TokenId(0)),
                    Some(_) => Event::NoToken(TokenError::NotRenewable),
                },
                Step::Record(intent) => Event::recorded(record(&intent)),
                Step::List { request, timeout } | Step::Send { request, timeout } => {
                    self.send(request, timeout).into()
                }
                Step::WaitUntil(time) => {
                    thread::sleep(time.saturating_sub(start.elapsed()));
                    continue;
                }
                Step::Done(outcome) => return *outcome,
            };
            let now = start.elapsed();
            // The fastest digits of the clock differ from process to process.
            let jitter = Jitter::from_bits(now.subsec_nanos().rotate_left(16));
            if flow.handle(now, jitter, event).is_err() {
                // A bug in this loop. The same step again could be a second attempt.
                return flow.abandon();
            }
        }
    }

    /// Sends a request once and reads the whole response.
    fn send(&self, request: Request, timeout: Duration) -> Result<Response, TransportError> {
        let request = request.authorized(&self.token).into_http(&self.base_url);
        let request = request.map_err(|error| NotSent::Permanent(error.to_string()))?;
        let request = self
            .agent
            .configure_request(request)
            .timeout_global(Some(timeout))
            // Shorter than the timeout of the whole, so that it can be distinguished.
            .timeout_resolve(Some(timeout / 4))
            .timeout_connect(Some(timeout / 4))
            .build();
        let (head, mut body) = self.agent.run(request).map_err(classify)?.into_parts();
        let body = body.with_config().limit(BODY_LIMIT as u64).read_to_vec().map_err(classify)?;
        Ok(http::Response::from_parts(head, body).into())
    }
}

/// Only what ureq reports before it has a connection is `NotSent`; all else may have arrived.
fn classify(error: ureq::Error) -> TransportError {
    use ureq::Timeout::{Connect, Resolve};
    let text = error.to_string();
    match error {
        ureq::Error::BadUri(_) | ureq::Error::HostNotFound => NotSent::Permanent(text).into(),
        ureq::Error::Timeout(Resolve | Connect) => NotSent::ConnectTimedOut.into(),
        ureq::Error::ConnectProxyFailed(_) => NotSent::Connect(text).into(),
        // Only connecting is refused; an established connection is reset.
        ureq::Error::Io(io) if io.kind() == io::ErrorKind::ConnectionRefused => {
            NotSent::Connect(text).into()
        }
        ureq::Error::Timeout(_) => NoResponse::TimedOut.into(),
        ureq::Error::BodyExceedsLimit(_) => NoResponse::TooLarge { limit: BODY_LIMIT }.into(),
        _ => NoResponse::Broken(text).into(),
    }
}
