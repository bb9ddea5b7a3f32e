//! The bare insert loop: what SQLite itself needs for the rows, on one thread with one statement.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portal_store::{Registry as _, Seed, SqliteRegistry};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::figure::median;
use crate::service::seed;

/// What a run of them measured.
#[derive(Clone, Copy)]
pub(crate) struct Bare {
    /// Inserts a second.
    pub(crate) rate: f64,
    /// How long the middle commit took, in seconds.
    pub(crate) commit: f64,
}

/// A registry's file, with the schema and the pragmas of its writer.
pub(crate) struct BareInserts {
    connection: Connection,
    org: i64,
    user: i64,
}

const INSERT: &str = "
    INSERT INTO portals (org_id, name, name_key, created_at, created_by, modified_at, modified_by)
    VALUES (?1, ?3, ?4, ?5, ?2, ?5, ?2)";

impl BareInserts {
    /// Makes the file in `directory`.
    pub(crate) fn new(directory: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let seed: Seed = seed(1).parse().expect("a seed");
        let now = "2026-11-23T09:00:00Z".parse().expect("a time");
        let registry = SqliteRegistry::open(directory).expect("a registry");
        runtime.block_on(registry.apply_seed(&seed, now)).expect("the registry works");
        drop(registry);
        let connection = Connection::open(directory.join("registry.sqlite")).expect("its file");
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).expect("an option");
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
                 PRAGMA cell_size_check = ON",
            )
            .expect("pragmas");
        let (org, user) = connection
            .query_row("SELECT org_id, id FROM users", [], |row| row.try_into())
            .expect("a user");
        Self { connection, org, user }
    }

    /// Commits for `span`, with so many inserts each.
    pub(crate) fn run(&mut self, span: Duration, per_commit: u32) -> Bare {
        let mut commits = Vec::new();
        let began = Instant::now();
        while began.elapsed() < span {
            let before = Instant::now();
            self.commit(per_commit).expect("space on the disk");
            commits.push(before.elapsed().as_secs_f64());
        }
        let elapsed = began.elapsed().as_secs_f64();
        let count = u32::try_from(commits.len()).expect("a few thousand");
        let rate = f64::from(count) * f64::from(per_commit) / elapsed;
        Bare { rate, commit: median(&commits) }
    }

    fn commit(&mut self, inserts: u32) -> rusqlite::Result<()> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut insert = self.connection.prepare_cached(INSERT)?;
        for _ in 0..inserts {
            let name = new_name();
            let key = name.to_ascii_lowercase();
            insert.execute((self.org, self.user, name, key, 1_795_000_000))?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

/// Fills a registry that has a few orgs: more orgs, and portals in each, whose names are spread evenly
/// over all names. Gives the name of a portal in the first org.
pub(crate) fn fill(directory: &Path, orgs: u32, portals: u32) -> String {
    let name = |number| {
        let step = u64::MAX / (u64::from(orgs) * u64::from(portals) + 1);
        // Not the first name of all, which a server gets.
        format!("Portal{:016x}", (number + 1) * step)
    };
    let mut connection = Connection::open(directory.join("registry.sqlite")).expect("its file");
    let mut fill = || {
        connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000")?;
        let transaction = connection.transaction()?;
        let (first_org, first_user): (i64, i64) =
            transaction
                .query_row("SELECT min(org_id), min(id) FROM users", [], |row| row.try_into())?;
        let mut org = transaction.prepare(
            "INSERT OR IGNORE INTO orgs (id, name, environment) VALUES (?1, 'Org ' || ?1, 'production')",
        )?;
        let mut user = transaction.prepare(
            "INSERT OR IGNORE INTO users (id, org_id, name, email, manage_portal, manage_portal_users)
             VALUES (?2, ?1, 'Admin', 'admin@example.com', 1, 1)",
        )?;
        for number in 1..i64::from(orgs) {
            org.execute([first_org + number])?;
            user.execute([first_org + number, first_user + number])?;
        }
        let mut portal = transaction.prepare(INSERT)?;
        for number in 0..u64::from(orgs) * u64::from(portals) {
            let org = i64::try_from(number % u64::from(orgs)).unwrap_or_default();
            let (name, now) = (name(number), 1_795_000_000);
            let key = name.to_ascii_lowercase();
            portal.execute((first_org + org, first_user + org, name, key, now))?;
        }
        drop((org, user, portal));
        transaction.commit()
    };
    fill().expect("space on the disk");
    name(0)
}

/// A name that nothing here has had. It sorts at random: the unique index on names has no order to
/// profit from.
pub(crate) fn new_name() -> String {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("Portal{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
