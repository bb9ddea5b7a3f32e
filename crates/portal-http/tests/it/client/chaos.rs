//! Creates against a server that loses, delays, cuts, throttles and fails its calls at every point:
//! what the outcomes say is compared with what the server keeps.
//!
//! A tenth of it runs with every test run, and all of it with
//! `PORTAL_CHAOS_CREATES=10000 cargo test -p portal-http --all-features chaos`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portal_http::client::{Client, Credential};
use portal_http::server::LocalServer;
use portal_model::flow::Policy;
use portal_model::oauth::{Grant, TokenRequest};
use portal_model::outcome::{Outcome, Owner};
use portal_model::{Environment, PortalName, Scope};
use portal_store::{
    Permission, PortalLimit, Registry as _, Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser,
    TokenRules,
};
use tokio::task::JoinSet;

use super::peer::{client, plain};

const ORGS: usize = 100;
const TASKS: usize = 16;
const CLIENT: &str = "1000.CHAOS";

/// 30 % of the calls that come to a point, for each kind of call.
const FAULTS: [&str; 6] =
    ["drop:1/17", "delay=20ms:1/19", "cut:1/18", "429:1/23", "500:1/21", "html:1/29"];

/// A tenth of the names is wanted twice: by two orgs, or twice by one.
fn job(number: usize) -> (usize, PortalName) {
    let (org, name) = match number % 20 {
        1 => (number, number - 1),
        11 => (number - 1, number - 1),
        _ => (number, number),
    };
    (org % ORGS, PortalName::parse(&format!("Chaos{name:06}")).unwrap())
}

fn refresh_token(org: usize) -> String {
    format!("1000.chaos.{org}")
}

fn seed() -> Seed {
    let org = |org| SeedOrg {
        name: format!("Org {org}"),
        environment: Environment::Production,
        portal_limit: PortalLimit::Unlimited,
        users: vec![SeedUser {
            name: "Admin".to_owned(),
            email: "admin@chaos.example".to_owned(),
            permissions: Permission::ALL.into(),
            credentials: vec![SeedCredential {
                client_id: CLIENT.to_owned(),
                client_secret: CLIENT.to_owned().into(),
                grant: SeedGrant::RefreshToken(refresh_token(org).into()),
                scopes: vec![Scope::PORTAL_ALL],
            }],
        }],
    };
    Seed { orgs: (0..ORGS).map(org).collect() }
}

async fn server() -> LocalServer {
    let mut builder = LocalServer::builder().seed(seed());
    for calls in ["GET", "POST", "TOKEN"] {
        for point in ["request", "committed"] {
            for fault in FAULTS {
                builder = builder.fault(format!("{calls} {point}:{fault}").parse().unwrap());
            }
        }
    }
    // Done, but its client has given up waiting.
    builder = builder.fault("POST committed:delay=1s:1/40".parse().unwrap());
    builder.fault("GET request:expire:1/50".parse().unwrap()).start().await.unwrap()
}

fn clients(server: &LocalServer) -> Vec<Client> {
    let mut policy = Policy::default();
    policy.attempt_timeout = Duration::from_millis(300);
    policy.deadline = Duration::from_secs(20);
    policy.settle = Duration::from_millis(50);
    policy.backoff_base = Duration::from_millis(5);
    policy.backoff_max = Duration::from_millis(100);
    policy.allow_another = true;
    let transport = plain().build().unwrap();
    (0..ORGS)
        .map(|org| {
            client(plain(), server.url())
                .transport(transport.clone())
                .policy(policy.clone())
                .accounts_timeout(Duration::from_millis(300))
                .build(Credential::refresh_token(CLIENT, CLIENT.to_owned(), refresh_token(org)))
                .unwrap()
        })
        .collect()
}

/// Which orgs have a portal of which name, as the server keeps it.
async fn kept(server: &LocalServer) -> HashMap<String, Vec<usize>> {
    let registry = server.registry();
    let now = "2026-11-23T10:00:00Z".parse().unwrap();
    let mut kept = HashMap::<_, Vec<_>>::new();
    for org in 0..ORGS {
        let grant = Grant::RefreshToken(refresh_token(org).into());
        let request = TokenRequest::new(CLIENT, CLIENT.to_owned(), grant);
        let token =
            registry.grant(&request, TokenRules::LifetimesOnly, now).await.unwrap().unwrap();
        let principal =
            registry.principal(token.access_token.expose(), now).await.unwrap().unwrap();
        for portal in registry.portals(principal.org.id).await.unwrap() {
            kept.entry(portal.name).or_default().push(org);
        }
    }
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_makes_no_outcome_untrue() {
    let creates = std::env::var("PORTAL_CHAOS_CREATES").map_or(1000, |n| n.parse().unwrap());
    let server = server().await;
    let clients = Arc::new(clients(&server));
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (clients, next) = (clients.clone(), next.clone());
        tasks.spawn(async move {
            let mut outcomes = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= creates {
                    return outcomes;
                }
                let (org, name) = job(number);
                outcomes.push((number, clients[org].create(name).await));
            }
        });
    }
    let outcomes: BTreeMap<_, _> = tasks.join_all().await.into_iter().flatten().collect();
    let kept = kept(&server).await;

    let mut kinds = BTreeMap::<_, usize>::new();
    for (number, outcome) in &outcomes {
        *kinds.entry(outcome.kind()).or_default() += 1;
        let (org, name) = job(*number);
        let owners = kept.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        let is_ours = owners.contains(&org);
        // Another create may have made it for the same org.
        let wanted_twice = matches!(number % 20, 10 | 11);
        let is_true = match outcome {
            Outcome::Created { .. } | Outcome::Present { .. } => is_ours,
            Outcome::NameTaken { owner: Owner::AnotherOrg, .. } => !owners.is_empty() && !is_ours,
            Outcome::NameTaken { owner: Owner::Undetermined, .. } => !owners.is_empty(),
            Outcome::NotCreated { .. } => !is_ours || wanted_twice,
            Outcome::Unknown { .. } => true,
            _ => false,
        };
        assert!(is_true, "{number}: {owners:?} have it, and org {org} was told {outcome:?}");
    }
    println!("{creates} creates: {kinds:?}");
    assert_eq!(outcomes.len(), creates);
    assert!(kept.values().all(|owners| owners.len() == 1), "a name is there twice");
    let unknown = kinds.get("unknown").copied().unwrap_or_default();
    assert!(unknown * 100 < creates, "{unknown} are unknown");
}
