//! Creates in PostgreSQL, beside bare inserts over as many connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portal_store::PostgresRegistry;
use portal_testkit::Database;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::benches::Effort;
use crate::figure::{Bound, Figure, Side, Unit};
use crate::load;
use crate::service::{CONNECTIONS, PORTALS, Server, Storage, create, directory, seed};
use crate::store::new_name;

/// As many as a registry has.
const POOL: u32 = 16;

pub(super) fn creates(effort: Effort) -> Result<Vec<Figure>, String> {
    if !Database::is_available() {
        let programs = "initdb, pg_ctl and postgres are neither on the PATH nor under";
        return Err(format!("PostgreSQL's programs {programs} /usr/lib/postgresql"));
    }
    let (database, bare_database) = (Database::create(), Database::create());
    let files = directory();
    let url = database.url();
    let server = Server::start(files.path(), Storage::Database(&url), 1, &[]);
    let token = server.token(1);
    let runtime = Runtime::new().expect("a runtime");
    let bare = runtime.block_on(Bare::new(&bare_database.url()));
    let rounds = effort.rounds(|span| {
        let token = token.clone();
        let next = move || create(PORTALS, &token, &new_name());
        let ours = load::run(&server, CONNECTIONS, span, 200, next);
        (ours, runtime.block_on(bare.run(span)))
    });
    Ok(vec![Figure {
        what: "creates/s in PostgreSQL, 64 connections",
        ours: Side::speed(&rounds, |(ours, _)| ours.speed),
        limit: Some((
            "bare inserts, same pool",
            Side::new(Unit::PerSecond, &rounds, |(_, bare)| *bare),
        )),
        bar: Bound::AtLeast(0.6),
        aim: Bound::AtLeast(0.8),
    }])
}

/// Connections to a registry's database.
struct Bare {
    clients: Vec<Arc<Client>>,
    org: i64,
    user: i64,
}

const INSERT: &str = "
    INSERT INTO portals (org_id, name, name_key, created_at, created_by, modified_at, modified_by)
    VALUES ($1, $3, $4, 1795000000, $2, 1795000000, $2)";

impl Bare {
    async fn new(url: &str) -> Self {
        use portal_store::Registry as _;

        let registry = PostgresRegistry::open(url).await.expect("an empty database");
        let seed = seed(1).parse().expect("a seed");
        let now = "2026-11-23T09:00:00Z".parse().expect("a time");
        registry.apply_seed(&seed, now).await.expect("the registry works");
        drop(registry);
        let mut clients = Vec::new();
        for _ in 0..POOL {
            let (client, connection) =
                tokio_postgres::connect(url, NoTls).await.expect("the server accepts it");
            tokio::spawn(connection);
            let settings = "SET search_path = portal; SET synchronous_commit = on";
            client.batch_execute(settings).await.expect("settings");
            clients.push(Arc::new(client));
        }
        let client = clients.first().expect("there are sixteen");
        let row = client.query_one("SELECT org_id, id FROM users", &[]).await.expect("a user");
        let (org, user) = (row.get(0), row.get(1));
        Self { clients, org, user }
    }

    /// Inserts for `span`, as many at once as the server has creates; gives the inserts a second.
    async fn run(&self, span: Duration) -> f64 {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for client in self.clients.iter().cycle().take(usize::try_from(CONNECTIONS).expect("a few"))
        {
            let (client, org, user) = (Arc::clone(client), self.org, self.user);
            tasks.spawn(async move {
                let insert = client.prepare(INSERT).await.expect("a statement");
                let mut inserts = 0.0;
                while began.elapsed() < span {
                    let name = new_name();
                    let key = name.to_ascii_lowercase();
                    client.execute(&insert, &[&org, &user, &name, &key]).await.expect("a new name");
                    inserts += 1.0;
                }
                inserts
            });
        }
        let inserts: f64 = tasks.join_all().await.into_iter().sum();
        inserts / began.elapsed().as_secs_f64()
    }
}
