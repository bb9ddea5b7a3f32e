//! The client of portal-http beside reqwest, 16 requests in flight: lists over pooled connections, and
//! creates over a connection each; and what it costs that a create survives a crash.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portal_http::client::{Client, Credential, HttpTransport, Proxy, SafeClient};
use portal_http::ledger::Ledger;
use portal_model::{
    ApiVersion, CreatePortal, Endpoint as _, ListPortals, Outcome, PortalName, Request,
};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::benches::Effort;
use crate::benches::batch::client;
use crate::figure::{Bound, Figure, Side, Speed, Unit, median};
use crate::process::own_cpu;
use crate::service::{Server, Storage, directory};
use crate::store::new_name;

const IN_FLIGHT: usize = 16;

/// Our speed and theirs, by round.
type Rounds = [(Speed, Speed)];

pub(super) fn calls(effort: Effort) -> Vec<Figure> {
    let files = directory();
    let server = Server::start(files.path(), Storage::Memory, 1, &[]);
    let token = server.token(1);
    let runtime = Runtime::new().expect("a runtime");
    let ours = ours(server.url(), &token);
    let pooled = Theirs::new(&server.url(), &token, IN_FLIGHT);
    let unpooled = Theirs::new(&server.url(), &token, 0);
    // The org has no portals yet.
    let lists = effort.rounds(|span| {
        let ours = runtime.block_on(speed(span, || {
            let ours = ours.clone();
            async move { ours.call(&ListPortals).await.is_ok() }
        }));
        let theirs = runtime.block_on(speed(span, || {
            let theirs = pooled.clone();
            async move { theirs.send(ListPortals.request(ApiVersion::V7)).await }
        }));
        (ours, theirs)
    });
    let creates = effort.rounds(|span| {
        let ours = runtime.block_on(speed(span, || {
            let (ours, create) = (ours.clone(), CreatePortal::new(name()));
            async move { ours.send_once(&create).await.is_ok() }
        }));
        let theirs = runtime.block_on(speed(span, || {
            let (theirs, create) = (unpooled.clone(), CreatePortal::new(name()));
            async move { theirs.send(create.request(ApiVersion::V7)).await }
        }));
        (ours, theirs)
    });
    let rate = |what, rounds: &Rounds, beside| Figure {
        what,
        ..figure(rounds, beside, Unit::PerSecond, |speed| speed.rate)
    };
    let cpu = |what, rounds: &Rounds, beside| Figure {
        what,
        bar: Bound::AtMost(0.85),
        aim: Bound::AtMost(0.8),
        ..figure(rounds, beside, Unit::Seconds, |speed| speed.cpu)
    };
    vec![
        rate("lists/s of `Client::call`, 16 in flight", &lists, "reqwest"),
        cpu("CPU time of `Client::call`", &lists, "reqwest"),
        rate("creates/s of `Client::send_once`, 16 in flight", &creates, UNPOOLED),
        cpu("CPU time of `Client::send_once`", &creates, UNPOOLED),
        safe(effort, &runtime),
    ]
}

/// One create after the other, each in another org.
fn safe(effort: Effort, runtime: &Runtime) -> Figure {
    const ORGS: u32 = 50;
    let files = directory();
    let server = Server::start(files.path(), Storage::Memory, ORGS, &[]);
    let clients: Vec<_> = (1..=ORGS).map(|org| client(&server.url(), org)).collect();
    let rounds = effort.rounds(|_| {
        let home = directory();
        let ledger = Ledger::open(home.path()).expect("a ledger");
        runtime.block_on(async {
            let (mut safe, mut once) = (Vec::new(), Vec::new());
            for client in &clients {
                let began = Instant::now();
                let portals = SafeClient::new(client.clone(), ledger.clone());
                let outcome = portals.create(name()).await;
                safe.push(began.elapsed().as_secs_f64());
                assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
                let began = Instant::now();
                client.send_once(&CreatePortal::new(name())).await.expect("a success");
                once.push(began.elapsed().as_secs_f64());
            }
            (median(&safe), median(&once))
        })
    });
    Figure {
        what: "a create of `SafeClient`, its ledger in SQLite",
        ours: Side::new(Unit::Seconds, &rounds, |(safe, _)| *safe),
        limit: Some(("`Client::send_once`", Side::new(Unit::Seconds, &rounds, |(_, once)| *once))),
        bar: Bound::AtMost(12.0),
        aim: Bound::AtMost(8.0),
    }
}

const UNPOOLED: &str = "reqwest, a connection each";

fn figure(rounds: &Rounds, beside: &'static str, unit: Unit, of: fn(&Speed) -> f64) -> Figure {
    Figure {
        what: "",
        ours: Side::new(unit, rounds, |(ours, _)| of(ours)),
        limit: Some((beside, Side::new(unit, rounds, |(_, theirs)| of(theirs)))),
        bar: Bound::AtLeast(1.15),
        aim: Bound::AtLeast(1.2),
    }
}

fn name() -> PortalName {
    new_name().parse().expect("a valid name")
}

/// Sends about as many requests as a span has, `IN_FLIGHT` at a time: as many on both sides.
async fn speed<F>(span: Duration, send: impl Fn() -> F) -> Speed
where
    F: Future<Output = bool> + Send + 'static,
{
    let requests = u32::try_from(span.as_millis() * 5).expect("a short span");
    let (began, cpu) = (Instant::now(), own_cpu());
    let mut in_flight = JoinSet::new();
    for _ in 0..requests {
        if in_flight.len() == IN_FLIGHT {
            assert_eq!(in_flight.join_next().await.map(Result::ok), Some(Some(true)));
        }
        in_flight.spawn(send());
    }
    assert!(in_flight.join_all().await.into_iter().all(|is_success| is_success));
    Speed::of(f64::from(requests), began, own_cpu() - cpu)
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
    fn new(url: &str, token: &str, idle_connections: usize) -> Self {
        let client = reqwest::Client::builder().no_proxy();
        let client = client.pool_max_idle_per_host(idle_connections).build();
        Self {
            client: client.expect("a client without TLS"),
            url: url.into(),
            authorization: format!("Zoho-oauthtoken {token}").into(),
        }
    }

    async fn send(&self, request: Request) -> bool {
        let method = request.method.as_str().parse().expect("a method");
        let sent = self
            .client
            .request(method, format!("{}{}", self.url, request.path))
            .header("authorization", &*self.authorization)
            .header("content-type", "application/json")
            .body(request.body)
            .timeout(Duration::from_secs(30))
            .send();
        let Ok(response) = sent.await else { return false };
        let is_success = response.status().is_success();
        response.bytes().await.is_ok_and(|body| {
            is_success && (body.is_empty() || String::from_utf8_lossy(&body).contains("SUCCESS"))
        })
    }
}
