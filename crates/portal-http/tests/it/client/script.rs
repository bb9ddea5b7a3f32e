//! [`Scripted`]: an in-memory service whose responses each test scripts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use portal_http::client::{
    Bounds, Client, ClientBuilder, Credential, SafeClient, Transport, TransportError,
};
use portal_http::ledger::Ledger;
use portal_model::flow::{NoResponse, Policy};
use portal_model::oauth::AccessToken;
use portal_model::outcome::NotDone;
use portal_model::server::{self, Refusal};
use portal_model::{ApiError, ApiVersion, Outcome, PortalName, Response};

pub(crate) const NAME: &str = "PortalsAPItest100";

pub(crate) fn name() -> PortalName {
    PortalName::parse(NAME).unwrap()
}

/// What the service does with a request.
pub(crate) enum Act {
    /// Responds.
    Respond(Response),
    /// Fails the request.
    Fail(TransportError),
    /// Accepts the request and never responds.
    Hang,
}

type Script = dyn FnMut(&Call) -> Act + Send;

/// A request as the service receives it.
pub(crate) struct Call {
    pub(crate) what: String,
    pub(crate) token: Option<String>,
    pub(crate) body: Bytes,
}

/// A transport that responds as its script says, and records the requests.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Mutex<Box<Script>>>,
    seen: Arc<Mutex<Vec<String>>>,
    hosts: Arc<Mutex<Vec<String>>>,
    /// The number of requests in flight: now, and at most so far.
    running: Arc<Mutex<(usize, usize)>>,
    /// How long a request takes. Never zero, so that requests overlap as on a real network.
    latency: Duration,
    /// Whether the script is asked which org it is, rather than only what tests are about.
    has_org: bool,
}

impl Scripted {
    pub(crate) fn new(script: impl FnMut(&Call) -> Act + Send + 'static) -> Self {
        let script = Arc::new(Mutex::new(Box::new(script) as Box<Script>));
        let latency = Duration::from_millis(1);
        Self {
            script,
            seen: Arc::default(),
            hosts: Arc::default(),
            running: Arc::default(),
            latency,
            has_org: false,
        }
    }

    /// Returns the same service, whose script is also asked which org it is.
    pub(crate) fn with_org(&self) -> Self {
        Self { has_org: true, ..self.clone() }
    }

    /// Returns the same service with another latency.
    pub(crate) fn slow(&self, latency: Duration) -> Self {
        Self { latency, ..self.clone() }
    }

    /// Issues the tokens `t1`, `t2`, …; `script` handles the requests to the API.
    pub(crate) fn granting(mut script: impl FnMut(&Call) -> Act + Send + 'static) -> Self {
        let mut count = 0;
        Self::new(move |call| {
            if call.what == "POST /oauth/v2/token" {
                count += 1;
                return Act::Respond(server::granted(&AccessToken::new(format!("t{count}"))));
            }
            script(call)
        })
    }

    /// Returns the requests so far: method and path.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the host of each request.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.hosts.lock().unwrap().clone()
    }

    /// Returns the highest number of requests in flight.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.running.lock().unwrap().1
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.seen().iter().filter(|seen| seen.starts_with(what)).count()
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder()
            .transport(self.clone())
            .api_url("https://www.zohoapis.com")
            .accounts_url("https://accounts.zoho.com")
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with(Policy::default())
    }

    pub(crate) fn client_with(&self, policy: Policy) -> Client {
        self.builder().policy(policy).build(credential()).unwrap()
    }

    pub(crate) fn safe(&self) -> SafeClient {
        safely(self.client())
    }

    pub(crate) fn safe_with(&self, policy: Policy) -> SafeClient {
        safely(self.client_with(policy))
    }
}

pub(crate) fn access_token() -> Credential {
    Credential::access_token("t1".to_owned())
}

pub(crate) fn credential() -> Credential {
    Credential::refresh_token("1000.ID", "hush-secret".to_owned(), "hush-refresh".to_owned())
}

/// The default policy with some changes.
pub(crate) fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

impl Transport for Scripted {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        bounds: Bounds,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let token = request.headers().get("authorization").map(|value| {
            value.to_str().unwrap().strip_prefix("Zoho-oauthtoken ").unwrap().to_owned()
        });
        if what == ORG && !self.has_org {
            return Ok(http::Response::new(Bytes::from_static(br#"{"org":[{"id":"7000"}]}"#)));
        }
        self.seen.lock().unwrap().push(what.clone());
        self.hosts.lock().unwrap().push(request.uri().host().unwrap().to_owned());
        {
            let mut running = self.running.lock().unwrap();
            running.0 += 1;
            running.1 = running.1.max(running.0);
        }
        tokio::time::sleep(self.latency).await;
        self.running.lock().unwrap().0 -= 1;
        let act =
            (self.script.lock().unwrap())(&Call { what, token, body: request.body().clone() });
        match act {
            Act::Respond(scripted) => {
                let mut response = http::Response::new(Bytes::from(scripted.body));
                *response.status_mut() = scripted.status.try_into().unwrap();
                if let Some(time) = scripted.retry_after {
                    response.headers_mut().insert("retry-after", time.as_secs().into());
                }
                if scripted.is_from_cache {
                    response.headers_mut().insert("age", 60.into());
                }
                Ok(response)
            }
            Act::Fail(error) => Err(error),
            Act::Hang => {
                tokio::time::sleep(bounds.time).await;
                Err(NoResponse::TimedOut.into())
            }
        }
    }
}

pub(crate) const ORG: &str = "GET /crm/v7/org";
pub(crate) const LIST: &str = "GET /crm/v7/settings/portals";
pub(crate) const CREATE: &str = "POST /crm/v7/settings/portals";
pub(crate) const TOKEN: &str = "POST /oauth/v2/token";

pub(crate) fn none() -> Act {
    Act::Respond(Response::new(204, ""))
}

pub(crate) fn ours() -> Act {
    Act::Respond(Response::new(200, format!(r#"{{"portals":[{{"name":"{NAME}"}}]}}"#)))
}

pub(crate) fn created() -> Act {
    Act::Respond(server::created(ApiVersion::V7, NAME))
}

/// Creates what is requested.
pub(crate) fn creates(call: &Call) -> Act {
    let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    let name = body["portals"][0]["name"].as_str().unwrap();
    Act::Respond(server::created(ApiVersion::V7, name))
}

pub(crate) fn refused(error: ApiError) -> Act {
    Act::Respond(Refusal::Request(error).response())
}

/// A policy for a service whose attempts take effect at once.
pub(crate) fn quick() -> Policy {
    policy(|policy| {
        policy.processing_time = Duration::from_secs(1);
        policy.list_lag = Duration::ZERO;
    })
}

/// The response is lost.
pub(crate) fn lost() -> Act {
    Act::Fail(NoResponse::Broken("reset".to_owned()).into())
}

/// Script of a service that lists no portals and creates whatever is requested.
pub(crate) fn lists_nothing(call: &Call) -> Act {
    if call.what == LIST { none() } else { creates(call) }
}

/// A client over a ledger of its own.
pub(crate) fn safely(client: Client) -> SafeClient {
    SafeClient::new(client, Ledger::in_memory())
}

/// Returns why nothing was created.
pub(crate) fn reason(outcome: Outcome) -> NotDone {
    match outcome {
        Outcome::NotCreated { why, .. } => why,
        other => panic!("{other:?}"),
    }
}
