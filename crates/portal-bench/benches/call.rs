//! `Client::call` of a create, and the same POST by reqwest: 16 in flight, by turns.
#![allow(missing_docs, clippy::expect_used, clippy::print_stdout)]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portal_bench::{ServerProcess, median, report, serve_if_asked};
use portal_http::client::{Client, Credential, HttpTransport, Proxy};
use portal_model::{ApiVersion, CreatePortal, Endpoint as _, PortalName};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const IN_FLIGHT: usize = 16;
const ROUNDS: usize = 15;

/// What one round of one side took for a create.
struct Cost {
    wall: f64,
    cpu: f64,
}

fn main() {
    if serve_if_asked() {
        return;
    }
    // `cargo test --benches` wants to know only that it runs.
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let (rounds, creates) = if is_measured { (ROUNDS, 4000) } else { (1, IN_FLIGHT) };
    let server = ServerProcess::start();
    let runtime = Runtime::new().expect("a runtime starts");
    let ours = ours(&server);
    let theirs = Theirs::new(&server);
    let names = AtomicUsize::new(0);
    let mut costs = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let our_cost = runtime.block_on(cost(&names, creates, |name| {
            let ours = ours.clone();
            async move { ours.call(&CreatePortal::new(name)).await.is_ok() }
        }));
        let their_cost = runtime.block_on(cost(&names, creates, |name| {
            let theirs = theirs.clone();
            async move { theirs.create(name).await }
        }));
        // The first one warms up.
        if round > 0 {
            costs.0.push(our_cost);
            costs.1.push(their_cost);
        }
    }
    let (ours, theirs) = costs;
    let middle = |costs: &[Cost], of: fn(&Cost) -> f64| median(costs.iter().map(of).collect());
    for (who, costs) in [("Client::call", &ours), ("reqwest", &theirs)] {
        let wall = middle(costs, |cost| cost.wall);
        let cpu = middle(costs, |cost| cost.cpu);
        println!("{who}: {:.0} creates/s, {:.1} us CPU each", 1.0 / wall, cpu * 1e6);
    }
    let ratio = |of: fn(&Cost) -> f64| {
        median(ours.iter().zip(&theirs).map(|(ours, theirs)| of(ours) / of(theirs)).collect())
    };
    report("creates per second to those of reqwest", 1.0 / ratio(|cost| cost.wall), "at least 0.9");
    report("CPU per create to that of reqwest", ratio(|cost| cost.cpu), "at most 1.1");
}

/// Makes so many portals, `IN_FLIGHT` at a time.
async fn cost<F>(names: &AtomicUsize, creates: usize, create: impl Fn(PortalName) -> F) -> Cost
where
    F: Future<Output = bool> + Send + 'static,
{
    let next = || {
        let number = names.fetch_add(1, Ordering::Relaxed);
        PortalName::parse(&format!("Bench{number:08}")).expect("a valid name")
    };
    let (began, cpu) = (Instant::now(), cpu());
    let mut in_flight = JoinSet::new();
    for _ in 0..creates {
        if in_flight.len() == IN_FLIGHT {
            assert_eq!(in_flight.join_next().await.map(Result::ok), Some(Some(true)));
        }
        in_flight.spawn(create(next()));
    }
    assert!(in_flight.join_all().await.into_iter().all(|created| created));
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let creates = creates as f64;
    Cost {
        wall: began.elapsed().as_secs_f64() / creates,
        cpu: self::cpu().saturating_sub(cpu).as_secs_f64() / creates,
    }
}

/// What this process has used so far.
#[cfg(unix)]
fn cpu() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a time that has passed")
}

/// It is not measured here: the ratio is no number.
#[cfg(not(unix))]
const fn cpu() -> Duration {
    Duration::ZERO
}

fn ours(server: &ServerProcess) -> Client {
    let transport = HttpTransport::builder().proxy(Proxy::none()).build().expect("no files");
    Client::builder()
        .transport(transport)
        .api_url(&server.url)
        .concurrency(IN_FLIGHT)
        .build(Credential::AccessToken(server.access_token.clone()))
        .expect("a URL of this machine")
}

#[derive(Clone)]
struct Theirs {
    client: reqwest::Client,
    url: Arc<str>,
    authorization: Arc<str>,
}

impl Theirs {
    fn new(server: &ServerProcess) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        Self {
            client: client.expect("a client without TLS"),
            url: format!("{}/crm/v7/settings/portals", server.url).into(),
            authorization: format!("Zoho-oauthtoken {}", server.access_token.expose()).into(),
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
            .send();
        let Ok(response) = sent.await else { return false };
        let is_success = response.status() == 200;
        response
            .bytes()
            .await
            .is_ok_and(|body| is_success && String::from_utf8_lossy(&body).contains("\"SUCCESS\""))
    }
}
