//! A service in memory: a transport whose answers a test writes down.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use portal_http::client::{
    Bounds, Client, ClientBuilder, Credential, Running, Transport, TransportError,
};
use portal_model::flow::{Activity, NoResponse, Policy};
use portal_model::oauth::AccessToken;
use portal_model::outcome::NotDone;
use portal_model::{ApiError, ApiVersion, CreatePortal, Outcome, PortalName, Refusal, Response};

pub(crate) const NAME: &str = "PortalsAPItest100";

pub(crate) fn name() -> PortalName {
    PortalName::parse(NAME).unwrap()
}

/// What the service does with one request.
pub(crate) enum Act {
    /// Answers.
    Say(Response),
    /// Fails.
    Fail(TransportError),
    /// Takes the request, and never answers.
    Hang,
}

type Script = dyn FnMut(&Call) -> Act + Send;

/// One request as the service sees it.
pub(crate) struct Call {
    pub(crate) what: String,
    pub(crate) token: Option<String>,
}

/// Answers as the script says, and keeps what was asked for.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Mutex<Box<Script>>>,
    seen: Arc<Mutex<Vec<String>>>,
    hosts: Arc<Mutex<Vec<String>>>,
    /// How many calls run now, and ran at most.
    running: Arc<Mutex<(usize, usize)>>,
    /// How long a request takes; as long as on any network, so that others come meanwhile.
    latency: Duration,
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
        }
    }

    /// The same service with another latency.
    pub(crate) fn slow(&self, latency: Duration) -> Self {
        Self { latency, ..self.clone() }
    }

    /// Grants tokens `t1`, `t2`, … and leaves the calls of the API to `script`.
    pub(crate) fn granting(mut script: impl FnMut(&Call) -> Act + Send + 'static) -> Self {
        let mut count = 0;
        Self::new(move |call| {
            if call.what == "POST /oauth/v2/token" {
                count += 1;
                return Act::Say(AccessToken::new(format!("t{count}")).response());
            }
            script(call)
        })
    }

    /// The calls so far: method and path.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Which hosts they went to.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.hosts.lock().unwrap().clone()
    }

    /// How many calls ran at the same time, at most.
    pub(crate) fn most_at_once(&self) -> usize {
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
        self.builder().build(credential()).unwrap()
    }
}

pub(crate) fn credential() -> Credential {
    Credential::refresh_token("1000.ID", "hush-secret".to_owned(), "hush-refresh".to_owned())
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
        self.seen.lock().unwrap().push(what.clone());
        self.hosts.lock().unwrap().push(request.uri().host().unwrap().to_owned());
        {
            let mut running = self.running.lock().unwrap();
            running.0 += 1;
            running.1 = running.1.max(running.0);
        }
        tokio::time::sleep(self.latency).await;
        self.running.lock().unwrap().0 -= 1;
        let act = (self.script.lock().unwrap())(&Call { what, token });
        match act {
            Act::Say(answer) => {
                let mut response = http::Response::new(Bytes::from(answer.body));
                *response.status_mut() = answer.status.try_into().unwrap();
                if let Some(time) = answer.retry_after {
                    response.headers_mut().insert("retry-after", time.as_secs().into());
                }
                if answer.is_from_cache {
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

pub(crate) const LIST: &str = "GET /crm/v7/settings/portals";
pub(crate) const CREATE: &str = "POST /crm/v7/settings/portals";
pub(crate) const TOKEN: &str = "POST /oauth/v2/token";

pub(crate) fn none() -> Act {
    Act::Say(Response::new(204, ""))
}

pub(crate) fn ours() -> Act {
    Act::Say(Response::new(200, format!(r#"{{"portals":[{{"name":"{NAME}"}}]}}"#)))
}

pub(crate) fn created() -> Act {
    Act::Say(CreatePortal::response(ApiVersion::V7, NAME))
}

pub(crate) fn refused(error: ApiError) -> Act {
    Act::Say(Refusal::Request(error).response())
}

/// A policy for a service that finishes at once.
pub(crate) fn quick() -> Policy {
    let mut policy = Policy::default();
    policy.processing_time = Duration::from_secs(1);
    policy.list_lag = Duration::ZERO;
    policy
}

/// A service that lists no portals, and takes every other request without a response.
pub(crate) fn never_responds(what: &str) -> Act {
    if what == LIST { none() } else { Act::Hang }
}

/// Waits until an attempt is under way.
pub(crate) async fn sending(running: &Running) {
    let mut activity = running.activity();
    activity.wait_for(|activity| matches!(activity, Activity::Sending { .. })).await.unwrap();
}

/// Why nothing was created.
pub(crate) fn reason(outcome: Outcome) -> NotDone {
    match outcome {
        Outcome::NotCreated { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}
