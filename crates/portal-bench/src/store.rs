//! The bare insert loop: what SQLite itself needs for the rows, on one thread with one statement.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portal_store::{Registry as _, Seed, SqliteRegistry};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::service::SEED;

/// What a run of them measured.
#[derive(Clone, Copy)]
pub(crate) struct Bare {
    /// Inserts a second.
    pub(crate) rate: f64,
    /// How long the middle commit took, in seconds.
    pub(crate) commit: f64,
}

/// A registry's file, with the schema and the pragmas of its writer.
pub(crate) struct BareInserts(Connection);

impl BareInserts {
    /// Makes the file in `directory`.
    pub(crate) fn new(directory: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let seed: Seed = SEED.parse().expect("a seed");
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
        Self(connection)
    }

    /// Commits for `span`, with so many inserts each.
    pub(crate) fn run(&mut self, span: Duration, per_commit: u32) -> Bare {
        let mut commits = Vec::new();
        let began = Instant::now();
        while began.elapsed() < span {
            let before = Instant::now();
            self.commit(per_commit).expect("the disk has room");
            commits.push(before.elapsed());
        }
        let elapsed = began.elapsed().as_secs_f64();
        commits.sort_unstable();
        let count = u32::try_from(commits.len()).expect("a few thousand");
        let middle = commits.get(commits.len() / 2).expect("there was a commit");
        Bare {
            rate: f64::from(count) * f64::from(per_commit) / elapsed,
            commit: middle.as_secs_f64(),
        }
    }

    fn commit(&mut self, inserts: u32) -> rusqlite::Result<()> {
        self.0.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut insert = self.0.prepare_cached(
            "INSERT INTO portals (org_id, name, name_key, created_at, created_by, modified_at,
                                  modified_by)
             VALUES (1, ?1, ?2, ?3, 1, ?3, 1)",
        )?;
        for _ in 0..inserts {
            let name = new_name();
            let key = name.to_ascii_lowercase();
            insert.execute((name, key, 1_795_000_000))?;
        }
        self.0.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

/// A name that nothing here has had. It sorts at random: the unique index on names has no order to
/// profit from.
pub(crate) fn new_name() -> String {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("Portal{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
