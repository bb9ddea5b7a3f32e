//! Creates against a server that loses, delays, truncates, rate limits and fails requests at every
//! point, behind gateways whose lists lag and that repeat and delay attempts. Some creates are
//! killed and recovered, some are made by two machines at once. Every outcome is compared with the
//! server's data.
//!
//! Every test run does a tenth of it; `PORTAL_CHAOS_CREATES=10000 cargo test -p portal-http
//! --all-features chaos` does all of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portal_http::client::{Call, Credential, SafeClient};
use portal_http::ledger::Ledger;
use portal_http::server::LocalServer;
use portal_model::PortalName;
use portal_model::flow::Policy;
use portal_model::oauth::{Grant, TokenRequest};
use portal_model::outcome::{Origin, Outcome, OutcomeKind, Owner};
use portal_store::{Registry as _, Seed, SeedCredential, TokenRules};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::gateway::Gateway;
use super::peer::{client, plain};
use crate::seeds;

const ORGS: usize = 100;
const TASKS: usize = 32;
const CLIENT: &str = "1000.CHAOS";

/// How long after its end an attempt may still take effect: a gateway's delay and two copies of the
/// request, with a margin for a busy machine.
const PROCESSING_TIME: Duration = Duration::from_secs(4);
const GATEWAY_DELAY: Duration = Duration::from_secs(1);
const LIST_LAG: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(300);

/// Together they hit 30 % of the requests that reach a point, for each kind of request.
const FAULTS: [&str; 6] =
    ["drop:1/17", "delay=20ms:1/19", "cut:1/18", "429:1/23", "500:1/21", "html:1/29"];

/// One create: its org, its names, and whether its process is killed.
struct Job {
    number: usize,
    /// The same for jobs that are one.
    base: usize,
    org: usize,
    /// The name, and possibly a fallback.
    names: Vec<PortalName>,
    /// Whether another machine runs the same job concurrently.
    is_double: bool,
    /// When the process is killed.
    killed_after: Option<Duration>,
}

/// Of every twenty jobs, two want one name for two orgs, and two are the same job run twice.
fn job(number: usize) -> Job {
    let base = if number % 20 == 11 { number - 1 } else { number };
    let name = if number % 20 == 1 { number - 1 } else { base };
    let mut names = vec![format!("Chaos{name:06}")];
    if base % 4 < 2 {
        names.push(format!("Spare{base:06}"));
    }
    let kills = number % 5 == 3 || number % 40 == 11;
    Job {
        number,
        base,
        org: base % ORGS,
        names: names.iter().map(|name| PortalName::parse(name).unwrap()).collect(),
        is_double: matches!(number % 20, 10 | 11),
        killed_after: kills.then(|| Duration::from_millis((number * 37 % 150) as u64)),
    }
}

impl Job {
    async fn run(&self, machines: &[SafeClient; 2]) -> Outcome {
        let [first, second] = machines;
        let safe = if self.number % 20 == 11 { second } else { first };
        let (name, fallbacks) = self.names.split_first().unwrap();
        let create = || {
            let create = safe.create(name.clone()).key(format!("{}", self.base));
            fallbacks.iter().cloned().fold(create, Call::fallback)
        };
        let mut call = create().start();
        let Some(killed_after) = self.killed_after else { return call.await.outcome };
        tokio::select! {
            ended = &mut call => return ended.outcome,
            () = sleep(killed_after) => call.stop(),
        }
        // The outcome dies with the process; only its entry survives.
        match call.await.entry.filter(|_| !self.number.is_multiple_of(2)) {
            Some(entry) => safe.recover_entry(&entry).await.outcome,
            None => create().await,
        }
    }

    /// Whether `outcome` is true, given the orgs that have each name in the end.
    fn is_true(&self, outcome: &Outcome, kept: &HashMap<String, Vec<usize>>) -> bool {
        let owners = |name: &str| kept.get(name).map_or(&[][..], Vec::as_slice);
        let is_ours = |name: &str| owners(name).contains(&self.org);
        let is_others = |name: &str| !owners(name).is_empty() && !is_ours(name);
        let is_wanted = |name: &str| self.names.iter().any(|wanted| wanted.as_str() == name);
        if outcome.taken().iter().any(|name| !is_others(name.as_str())) {
            return false;
        }
        match outcome {
            Outcome::Created { name, .. } => is_wanted(name.as_str()) && is_ours(name.as_str()),
            Outcome::Present { portal, origin, .. } => {
                // Only the other machine can have created it before.
                let is_possible = match origin {
                    Origin::Appeared | Origin::CreatedEarlier { is_own: true, .. } => true,
                    Origin::Preexisting | Origin::CreatedEarlier { .. } => self.is_double,
                    _ => false,
                };
                is_possible && is_wanted(&portal.name) && is_ours(&portal.name)
            }
            Outcome::NameTaken { name, owner: Owner::AnotherOrg } => is_others(name.as_str()),
            Outcome::NameTaken { name, owner: Owner::Undetermined(_) } => {
                !owners(name.as_str()).is_empty()
            }
            // The other machine may have created it since.
            Outcome::NotCreated { .. } => {
                self.is_double || !self.names.iter().any(|name| is_ours(name.as_str()))
            }
            Outcome::Unknown { .. } => true,
            _ => false,
        }
    }
}

fn refresh_token(org: usize) -> String {
    format!("1000.chaos.{org}")
}

fn seed() -> Seed {
    let credential = |org| SeedCredential::refresh_token(CLIENT, CLIENT, refresh_token(org));
    Seed::new((0..ORGS).map(|org| seeds::org(&format!("Org {org}"), credential(org))))
}

async fn server() -> LocalServer {
    let mut builder = LocalServer::builder().seed(seed());
    for calls in ["GET", "POST", "TOKEN"] {
        for point in ["request", "committed"] {
            // A rate-limited accounts server locks the client out for minutes, which no flow waits
            // for.
            let is_lockout = |fault: &&str| calls == "TOKEN" && fault.starts_with("429");
            for fault in FAULTS.iter().filter(|fault| !is_lockout(fault)) {
                builder = builder.fault(format!("{calls} {point}:{fault}").parse().unwrap());
            }
        }
    }
    // The request takes effect after its client has timed out.
    builder = builder.fault("POST committed:delay=1s:1/40".parse().unwrap());
    builder.fault("GET request:expire:1/50".parse().unwrap()).start().await.unwrap()
}

/// Returns two machines per org, which share its ledger.
fn machines(server: &LocalServer, under_way: &mpsc::Sender<()>) -> Vec<[SafeClient; 2]> {
    let mut policy = Policy::default();
    policy.attempt_timeout = TIMEOUT;
    policy.read_timeout = TIMEOUT;
    policy.deadline = Duration::from_secs(30);
    policy.processing_time = PROCESSING_TIME;
    policy.list_lag = LIST_LAG;
    policy.backoff_base = Duration::from_millis(5);
    policy.backoff_max = Duration::from_millis(100);
    policy.allow_another = true;
    let transport = plain().build().unwrap();
    (0..ORGS)
        .map(|org| {
            let gateway =
                Gateway::new(transport.clone(), LIST_LAG, GATEWAY_DELAY, under_way.clone());
            let ledger = Ledger::in_memory();
            [(); 2].map(|()| {
                let client = client(plain(), server.url())
                    .transport(gateway.clone())
                    .policy(policy.clone())
                    .build(Credential::refresh_token(
                        CLIENT,
                        CLIENT.to_owned(),
                        refresh_token(org),
                    ));
                SafeClient::new(client.unwrap(), ledger.clone()).with_org_id(org.to_string())
            })
        })
        .collect()
}

/// Returns which orgs have a portal of which name, from the server's data.
async fn kept(server: &LocalServer) -> HashMap<String, Vec<usize>> {
    let registry = server.registry();
    let now = "2026-11-23T10:00:00Z".parse().unwrap();
    let mut kept = HashMap::<_, Vec<_>>::new();
    for org in 0..ORGS {
        let grant = Grant::RefreshToken(refresh_token(org).into());
        let request = TokenRequest::new(CLIENT, CLIENT.to_owned(), grant);
        let token =
            registry.issue_token(&request, TokenRules::LifetimesOnly, now).await.unwrap().unwrap();
        let principal =
            registry.authenticate(token.access_token.expose(), now).await.unwrap().unwrap();
        for portal in registry.portals(principal.org.id).await.unwrap() {
            kept.entry(portal.name).or_default().push(org);
        }
    }
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_leaves_every_outcome_true() {
    let creates = std::env::var("PORTAL_CHAOS_CREATES").map_or(1000, |n| n.parse().unwrap());
    let server = server().await;
    let (under_way, mut ended) = mpsc::channel(1);
    let machines = Arc::new(machines(&server, &under_way));
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (machines, next) = (machines.clone(), next.clone());
        tasks.spawn(async move {
            let mut outcomes = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= creates {
                    return outcomes;
                }
                let job = job(number);
                outcomes.push((number, job.run(&machines[job.org]).await));
            }
        });
    }
    let outcomes: BTreeMap<_, _> = tasks.join_all().await.into_iter().flatten().collect();
    // Wait for the requests that gateways still have in flight.
    drop((machines, under_way));
    assert!(ended.recv().await.is_none());
    let kept = kept(&server).await;
    assert!(kept.values().all(|owners| owners.len() == 1), "a name is there twice");

    let mut kinds = BTreeMap::<_, usize>::new();
    let mut claims = BTreeMap::<_, BTreeSet<_>>::new();
    for (number, outcome) in &outcomes {
        let job = job(*number);
        *kinds.entry(outcome.kind()).or_default() += 1;
        if let Outcome::Created { name, .. } = outcome {
            claims.entry(name.as_str()).or_default().insert(job.base);
        }
        let org = job.org;
        assert!(job.is_true(outcome, &kept), "{number}: org {org} was told {outcome:?}");
        let has = |name: &&PortalName| kept.get(name.as_str()).is_some_and(|at| at.contains(&org));
        assert!(job.names.iter().filter(has).count() <= 1, "{number}: two portals by one wish");
    }
    println!("{creates} creates: {kinds:?}");
    assert_eq!(outcomes.len(), creates);
    assert!(
        claims.values().all(|jobs| jobs.len() == 1),
        "two creates claim one portal: {claims:?}"
    );
    let unknown = kinds.get(&OutcomeKind::Unknown).copied().unwrap_or_default();
    assert!(unknown * 100 < creates, "{unknown} are unknown");
}
