//! A safe create with tokio: a driver of flows over reqwest.
//!
//! ```text
//! cargo run -p portal-model --features http --example reqwest -- \
//!     http://127.0.0.1:8780 ACCESS_TOKEN PortalsAPItest100 intent.json
//! ```
//!
//! For https give reqwest its default features. `portal serve` is a server to try it on.

#[path = "support/intent_file.rs"]
mod intent_file;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portal_model::flow::{
    CreateFlow, Effect, Event, Flow, Intent, Jitter, NoResponse, NotSent, Policy, Step, TokenError,
    TokenId, TransportError,
};
use portal_model::{ApiVersion, Outcome, PortalName, Request, Response, Secret};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use intent_file::IntentFile;

type BoxError = Box<dyn Error + Send + Sync>;

/// Longest response; a list of 200 portals has about 100 KB.
const BODY_LIMIT: usize = 1 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let [base_url, token, name, path] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "expected four arguments: BASE_URL ACCESS_TOKEN NAME INTENT_FILE")?;
    let driver = Driver::new(base_url, Secret::new(token))?;
    let name = PortalName::parse(&name)?;
    let print = |outcome: &Outcome| writeln!(io::stdout(), "{outcome:?}");
    create(&driver, name, Policy::default(), path.as_ref(), print).await
}

/// Creates a portal, or completes the create that an earlier process left in doubt.
pub(crate) async fn create(
    driver: &Driver,
    name: PortalName,
    policy: Policy,
    path: &Path,
    deliver: impl FnOnce(&Outcome) -> io::Result<()>,
) -> Result<(), BoxError> {
    let intents = Arc::new(IntentFile::open(path)?);
    let flow = match intents.read()? {
        None => CreateFlow::new(name, policy, ApiVersion::V7),
        // Its process has ended, since this one has the lock. When is not known: zero (rule 9).
        Some(Intent::Create(intent)) if intent.name.is_same_as(name.as_str()) => {
            CreateFlow::take_over(intent, Duration::ZERO, policy, ApiVersion::V7)
        }
        Some(other) => return Err(format!("{} is in doubt: recover it first", other.name()).into()),
    };
    let file = intents.clone();
    let outcome = driver.perform(flow, move |intent| file.record(intent)).await;
    deliver(&outcome)?;
    // Rule 11: an intent ends after its outcome was delivered. An unknown outcome keeps it.
    if outcome.is_certain() {
        intents.remove()?;
    }
    Ok(())
}

/// Performs flows with an access token that it cannot renew.
pub(crate) struct Driver {
    client: reqwest::Client,
    base_url: String,
    token: Secret,
}

impl Driver {
    pub(crate) fn new(base_url: String, token: Secret) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            // Every response is for the flow to classify, redirects included.
            .redirect(reqwest::redirect::Policy::none())
            // The flow alone repeats requests.
            .retry(reqwest::retry::never())
            // A new connection for each request: a pooled one may be gone by the time it is used,
            // which looks like a lost response, or makes the pool send the request once more.
            .pool_max_idle_per_host(0)
            // Shorter than the timeouts of the flow, so that it can be distinguished.
            .connect_timeout(Duration::from_secs(5))
            // The default is the proxy of the environment.
            .no_proxy()
            .build()?;
        Ok(Self { client, base_url, token })
    }

    /// Performs `flow` to its outcome; `record` writes its intents durably, and may block.
    ///
    /// # Cancel safety
    /// Dropped, it leaves an attempt in doubt, and its intent in the file. Spawn it if the caller
    /// may hang up.
    pub(crate) async fn perform<E: Effect>(
        &self,
        mut flow: Flow<E>,
        record: impl Fn(&Intent) -> io::Result<()> + Clone + Send + 'static,
    ) -> E::Outcome {
        let start = Instant::now();
        loop {
            let event = match flow.step(start.elapsed()) {
                Step::Authenticate { rejected, .. } => match rejected {
                    None => Event::Token(TokenId(0)),
                    Some(_) => Event::NoToken(TokenError::NotRenewable),
                },
                Step::Record(intent) => {
                    let record = record.clone();
                    let recorded = spawn_blocking(move || record(&intent)).await;
                    Event::recorded(recorded.unwrap_or_else(|panic| Err(panic.into())))
                }
                Step::List { request, timeout } | Step::Send { request, timeout } => {
                    self.exchange(request, timeout).await.into()
                }
                Step::WaitUntil(time) => {
                    sleep_until(start + time).await;
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
    async fn exchange(
        &self,
        request: Request,
        timeout: Duration,
    ) -> Result<Response, TransportError> {
        let request = request
            .authorized(&self.token)
            .into_http(&self.base_url)
            .map_err(|error| NotSent::Permanent(error.to_string()))?;
        let mut request = reqwest::Request::try_from(request).map_err(|error| classify(&error))?;
        *request.timeout_mut() = Some(timeout);
        let mut response = self.client.execute(request).await.map_err(|error| classify(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
            if body.len() + chunk.len() > BODY_LIMIT {
                return Err(NoResponse::TooLarge { limit: BODY_LIMIT }.into());
            }
            body.extend_from_slice(&chunk);
        }
        let header = |name| response.headers().get(name)?.to_str().ok();
        Ok(Response::new(response.status().as_u16(), body).with_headers(header))
    }
}

/// Only what reqwest reports before it has a connection is `NotSent`; all else may have arrived.
fn classify(error: &reqwest::Error) -> TransportError {
    if error.is_builder() {
        NotSent::Permanent(chain(error)).into()
    } else if error.is_connect() && error.is_timeout() {
        NotSent::ConnectTimedOut.into()
    } else if error.is_connect() {
        NotSent::Connect(chain(error)).into()
    } else if error.is_timeout() {
        NoResponse::TimedOut.into()
    } else {
        NoResponse::Broken(chain(error)).into()
    }
}

/// The texts of an error and its sources: reqwest's own does not have the cause.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
