//! `Client::send_once` of a create, beside the same POST by reqwest: 16 in flight.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portal_http::client::{Client, Credential, HttpTransport, Proxy};
use portal_model::{ApiVersion, CreatePortal, Endpoint as _, PortalName};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::benches::Effort;
use crate::figure::{Bound, Figure, Side, Unit};
use crate::process::own_cpu;
use crate::service::{PORTALS, Server, Serves as _, Storage, directory};
use crate::store::new_name;

const IN_FLIGHT: usize = 16;

/// What one side of a round took for a create, in seconds.
struct Cost {
    wall: f64,
    cpu: f64,
}

pub(super) fn calls(effort: Effort) -> Vec<Figure> {
    let files = directory();
    let server = Server::start(files.path(), Storage::Memory, 1);
    let token = server.token(1);
    let runtime = Runtime::new().expect("a runtime");
    let (ours, theirs) = (ours(server.url(), &token), Theirs::new(&server.url(), &token));
    let rounds = effort.rounds(|span| {
        // About as many as a span has, so that both sides do the same.
        let creates = u32::try_from(span.as_millis() * 5).expect("a short span");
        let our_cost = runtime.block_on(cost(creates, |name| {
            let ours = ours.clone();
            async move { ours.send_once(&CreatePortal::new(name)).await.is_ok() }
        }));
        let their_cost = runtime.block_on(cost(creates, |name| {
            let theirs = theirs.clone();
            async move { theirs.create(name).await }
        }));
        (our_cost, their_cost)
    });
    let figure = |what, unit, of: fn(&Cost) -> f64, bar, aim| Figure {
        what,
        ours: Side::new(unit, rounds.iter().map(|(ours, _)| of(ours))),
        limit: Some(("reqwest", Side::new(unit, rounds.iter().map(|(_, theirs)| of(theirs))))),
        bar,
        aim,
    };
    vec![
        figure(
            "creates/s of `Client::send_once`, 16 in flight",
            Unit::PerSecond,
            |cost| 1.0 / cost.wall,
            Bound::AtLeast(1.05),
            Bound::AtLeast(1.2),
        ),
        figure(
            "CPU time of `Client::send_once`",
            Unit::Seconds,
            |cost| cost.cpu,
            Bound::AtMost(0.95),
            Bound::AtMost(0.8),
        ),
    ]
}

/// Makes so many portals, `IN_FLIGHT` at a time.
async fn cost<F>(creates: u32, create: impl Fn(PortalName) -> F) -> Cost
where
    F: Future<Output = bool> + Send + 'static,
{
    let (began, cpu) = (Instant::now(), own_cpu());
    let mut in_flight = JoinSet::new();
    for _ in 0..creates {
        if in_flight.len() == IN_FLIGHT {
            assert_eq!(in_flight.join_next().await.map(Result::ok), Some(Some(true)));
        }
        in_flight.spawn(create(new_name().parse().expect("a valid name")));
    }
    assert!(in_flight.join_all().await.into_iter().all(|created| created));
    Cost {
        wall: began.elapsed().as_secs_f64() / f64::from(creates),
        cpu: (own_cpu() - cpu) / f64::from(creates),
    }
}

fn ours(url: String, token: &str) -> Client {
    let transport = HttpTransport::builder().proxy(Proxy::none()).build().expect("no files");
    Client::builder()
        .transport(transport)
        .api_url(url)
        .concurrency(IN_FLIGHT)
        .build(Credential::AccessToken(token.to_owned().into()))
        .expect("a URL of this machine")
}

#[derive(Clone)]
struct Theirs {
    client: reqwest::Client,
    url: Arc<str>,
    authorization: Arc<str>,
}

impl Theirs {
    fn new(url: &str, token: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build();
        Self {
            client: client.expect("a client without TLS"),
            url: format!("{url}{PORTALS}").into(),
            authorization: format!("Zoho-oauthtoken {token}").into(),
        }
    }

    async fn create(&self, name: PortalName) -> bool {
        let request = CreatePortal::new(name).request(ApiVersion::V7);
        let sent = self
            .client
            .post(&*self.url)
            .header("authorization", &*self.authorization)
            .header("content-type", "application/json")
            .body(request.body)
            .timeout(Duration::from_secs(30))
            .send();
        let Ok(response) = sent.await else { return false };
        let is_success = response.status() == 200;
        let body = response.bytes().await;
        body.is_ok_and(|it| is_success && String::from_utf8_lossy(&it).contains("\"SUCCESS\""))
    }
}
