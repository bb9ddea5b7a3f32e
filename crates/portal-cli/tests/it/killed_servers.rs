//! Servers killed under load: no acknowledged create is lost, and no outcome at a client is untrue.
//!
//! A few kills run with every test run, twenty of each engine with `PORTAL_STORE_LONG=1`.

#![allow(clippy::print_stdout, reason = "what a run did, for --nocapture")]

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portal_http::client::{Client, Credential, SafeClient};
use portal_http::ledger::Ledger;
use portal_model::flow::Policy;
use portal_model::outcome::Origin;
use portal_model::{ListPortals, Outcome, PortalName};
use portal_testkit::{Cluster, Database, needs};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::orgs::{self, Org};
use crate::support::{Home, Served};

/// Each in an org of its own, so that lists stay short.
const CLIENTS: usize = 24;
/// Acknowledged between two kills.
const CREATES: usize = 60;

fn kills() -> usize {
    if std::env::var_os("PORTAL_STORE_LONG").is_some() { 20 } else { 3 }
}

/// A `portal serve` that is started again after each kill, behind an address that stays.
struct Server {
    home: Home,
    orgs: Vec<Org>,
    arguments: Vec<String>,
    running: Option<Served>,
    /// Where connections to `address` are forwarded; closed at once while nothing listens there.
    target: Arc<Mutex<SocketAddr>>,
    address: SocketAddr,
    _relay: JoinSet<()>,
}

impl Server {
    async fn start(orgs: &[Org], arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&text| text.to_owned()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(address));
        let mut relay = JoinSet::new();
        relay.spawn(forward(listener, target.clone()));
        let (home, orgs) = (Home::new(), orgs.to_vec());
        let mut server =
            Self { home, orgs, arguments, running: None, target, address, _relay: relay };
        server.run();
        server
    }

    fn run(&mut self) {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let served = orgs::serve(&self.home, &self.orgs, &arguments);
        let url = served.url().trim_start_matches("http://").parse().unwrap();
        *self.target.lock().unwrap() = url;
        self.running = Some(served);
    }

    fn kill(&mut self) {
        self.running.take().unwrap().kill();
        self.run();
    }

    fn client(&self, org: &Org) -> Client {
        let mut policy = Policy::rehearsal();
        policy.allow_another = true;
        policy.attempt_timeout = Duration::from_secs(5);
        // A statement that a killed server had sent to its database is over long before.
        policy.processing_time = Duration::from_secs(2);
        policy.deadline = Duration::from_secs(60);
        let url = format!("http://{}", self.address);
        let credential =
            Credential::refresh_token(org.client_id(), org.client_secret(), org.refresh_token());
        let client = Client::builder().api_url(&url).accounts_url(&url).policy(policy);
        client.build(credential).unwrap()
    }
}

async fn forward(listener: TcpListener, target: Arc<Mutex<SocketAddr>>) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let target = *target.lock().unwrap();
        connections.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(target).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Creates one portal after the other until it is told to stop.
async fn create(
    client: Client,
    org: String,
    created: watch::Sender<usize>,
    is_over: Arc<AtomicBool>,
) -> Vec<(String, Outcome)> {
    let portals = SafeClient::new(client, Ledger::in_memory());
    let mut outcomes = Vec::new();
    for number in 0.. {
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("{org}x{number}");
        let outcome = portals.create(PortalName::parse(&name).unwrap()).await;
        if matches!(outcome, Outcome::Created { .. }) {
            created.send_modify(|created| *created += 1);
        }
        outcomes.push((name, outcome));
    }
    outcomes
}

/// Waits until `more` creates were acknowledged.
async fn wait_for(created: &watch::Sender<usize>, more: usize) {
    let mut created = created.subscribe();
    let wanted = *created.borrow_and_update() + more;
    let reached = timeout(Duration::from_secs(120), created.wait_for(|count| *count >= wanted));
    reached.await.expect("creates succeed after a restart").unwrap();
}

/// Calls `kill` again and again while clients create over `servers`, then compares every outcome
/// with what the servers keep.
async fn check(mut servers: Vec<Server>, orgs: &[Org], mut kill: impl FnMut(&mut [Server], usize)) {
    let (created, is_over) = (watch::Sender::new(0), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> =
        orgs.iter().zip(servers.iter().cycle()).map(|(org, server)| server.client(org)).collect();
    let tasks: Vec<_> = orgs
        .iter()
        .zip(&clients)
        .map(|(org, client)| {
            let (client, org) = (client.clone(), org.name.clone());
            tokio::spawn(create(client, org, created.clone(), is_over.clone()))
        })
        .collect();
    for round in 0..kills() {
        wait_for(&created, CREATES).await;
        kill(&mut servers, round);
    }
    wait_for(&created, CREATES).await;
    is_over.store(true, Ordering::SeqCst);

    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (task, client) in tasks.into_iter().zip(&clients) {
        let outcomes = task.await.unwrap();
        // The connections that the last kill broke may still be in the pools.
        let portals = client.call_retrying(&ListPortals, 5).await.unwrap();
        let mut kept: HashSet<_> = portals.iter().map(|portal| portal.name.clone()).collect();
        assert_eq!(kept.len(), portals.len(), "a name was given twice");
        for (name, outcome) in outcomes {
            *kinds.entry(outcome.kind().as_str()).or_default() += 1;
            let (is_kept, is_possible) = match outcome {
                Outcome::Created { .. } | Outcome::Present { origin: Origin::Appeared, .. } => {
                    (true, true)
                }
                Outcome::NotCreated { .. } => (false, true),
                _ => (false, false),
            };
            assert!(is_possible, "{name}: {outcome:?}");
            assert_eq!(kept.remove(&name), is_kept, "{name}: {outcome:?}");
        }
        assert!(kept.is_empty(), "portals that no client created: {kept:?}");
    }
    println!("{} kills: {kinds:?}", kills());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_sqlite_server_keeps_acknowledged() {
    let orgs = orgs();
    let server = Server::start(&orgs, &["--data", "data"]).await;
    check(vec![server], &orgs, |servers, _| servers[0].kill()).await;
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_postgres_servers_keep_acknowledged() {
    let (orgs, database) = (orgs(), Database::create());
    let url = database.url();
    let servers = three(&orgs, &url).await;
    check(servers, &orgs, |servers, round| servers[round % 3].kill()).await;
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_database_keeps_every_portal() {
    let (orgs, cluster) = (orgs(), Cluster::start());
    let servers = three(&orgs, &cluster.url("postgres")).await;
    let restart = |_: &mut [Server], _| {
        cluster.kill();
        cluster.start_again();
    };
    check(servers, &orgs, restart).await;
}

async fn three(orgs: &[Org], url: &str) -> Vec<Server> {
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Server::start(orgs, &["--database-url", url]).await);
    }
    servers
}

fn orgs() -> Vec<Org> {
    let unlimited = |org| Org { portal_limit: false, ..org };
    Org::many(CLIENTS).into_iter().map(unlimited).collect()
}
