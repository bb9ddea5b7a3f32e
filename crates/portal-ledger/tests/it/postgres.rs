//! What only a server has: connections that are lost, responses that are, and settings.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use portal_ledger::{Filter, Ledger, LedgerError, Moment, RecordError, Refusal, Why};
use portal_testkit::{Database, needs};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::engine::{Engine, at, granted, intent, pool, wait, wants};

/// Clocks of two machines, and the database's own.
#[needs(postgresql)]
#[tokio::test]
async fn lease_is_of_database_clock() {
    let database = Database::create();
    let ledger = Ledger::postgres(pool(&database.url()));
    let (here, there) = (at(100), Moment::new("there", Duration::from_secs(999_999)));
    let mut permit = granted(&ledger, &wants("1", "AcmePortal"), here.clone()).await;
    permit.record(&intent("AcmePortal"), &here).await.unwrap();
    let elsewhere = Ledger::postgres(pool(&database.url()));
    let (why, until) = wait(&elsewhere, &wants("2", "AcmePortal"), there.clone()).await;
    assert_eq!(why, Why::SameUnderWay);
    let left = until.since(&there).unwrap();
    assert!(left > Duration::from_secs(20) && left <= Duration::from_secs(25), "{left:?}");
}

/// As a failover to a server whose clock is years off does.
#[needs(postgresql)]
#[tokio::test]
async fn clock_of_restarted_server_is_another_one() {
    let cluster = portal_testkit::Cluster::start();
    let ledger = Ledger::postgres(pool(&cluster.url("postgres")));
    let mut permit = granted(&ledger, &wants("1", "AcmePortal"), at(100)).await;
    permit.record(&intent("AcmePortal"), &at(100)).await.unwrap();
    cluster.kill();
    cluster.start_again();
    let again = wants("2", "OtherPortal");
    let (_, until) = wait(&ledger, &again, at(200)).await;
    let left = until.since(&at(200)).unwrap();
    assert_eq!(left.as_secs(), 95, "from now");
}

#[needs(postgresql)]
#[tokio::test]
async fn schema_of_later_version_is_refused_untouched() {
    let engine = Engine::postgres().await;
    drop(engine.granted(&wants("1", "AcmePortal"), 100).await);
    engine.idle(&engine.ledger).await;
    engine
        .execute(
            "UPDATE portal_ledger.format SET format = 2; DROP TABLE portal_ledger.origins CASCADE",
        )
        .await;
    for ledger in [engine.ledger.clone(), engine.elsewhere()] {
        let error = ledger.claim(&wants("2", "BetaPortal"), &at(100)).await.unwrap_err();
        let LedgerError::NotApplied(why) = error else { panic!("{error:?}") };
        assert!(why.ends_with("has format 2, this version reads up to 1: update it"), "{why}");
    }
    engine.execute("UPDATE portal_ledger.format SET format = 1").await;
    let error = engine.ledger.claim(&wants("2", "BetaPortal"), &at(100)).await.unwrap_err();
    assert!(error.to_string().contains("portal_ledger.origins\" does not exist"), "{error}");
}

#[needs(postgresql)]
#[tokio::test]
async fn damaged_row_is_reported_and_nothing_granted() {
    let engine = Engine::postgres().await;
    let mut permit = engine.granted(&wants("1", "AcmePortal"), 100).await;
    permit.record(&intent("AcmePortal"), &engine.at(100).await).await.unwrap();
    engine.execute("UPDATE portal_ledger.entries SET entry = '{'").await;
    let error = engine.ledger.claim(&wants("2", "OtherPortal"), &at(200)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Damaged(_)), "{error}");
}

/// Serializable or not, durable or not by default: two processes decide one after the other.
#[needs(postgresql)]
#[tokio::test]
async fn defaults_of_database_do_not_matter() {
    let engine = Engine::postgres().await;
    for setting in [
        "default_transaction_isolation = 'repeatable read'",
        "default_transaction_read_only = on",
        "synchronous_commit = off",
        "TimeZone = 'Asia/Kathmandu'",
        "standard_conforming_strings = off",
        "lock_timeout = '1ms'",
    ] {
        let set = format!("ALTER DATABASE %I SET {setting}").replace('\'', "''");
        engine
            .execute(&format!("DO $$ BEGIN EXECUTE format('{set}', current_database()); END $$"))
            .await;
    }
    let place = engine.place();
    let granted = async {
        let lock = engine.lock_origin_after(&wants("0", "Portal0")).await;
        let ledgers = [(); 4].map(|()| Ledger::postgres(pool(&place)));
        let claims = ledgers.into_iter().enumerate().map(|(id, ledger)| {
            let request = wants(&format!("claim {id}"), "AcmePortal");
            tokio::spawn(async move { ledger.claim(&request, &at(100)).await.unwrap() })
        });
        let claims: Vec<_> = claims.collect();
        engine.wait_for_blocked_session().await;
        drop(lock);
        let mut granted = 0;
        for claim in claims {
            match claim.await.unwrap() {
                Ok(permit) => {
                    granted += 1;
                    std::mem::forget(permit);
                }
                other => assert!(matches!(other, Err(Refusal::Wait(_))), "{other:?}"),
            }
        }
        granted
    };
    assert_eq!(granted.await, 1);
}

#[needs(postgresql)]
#[tokio::test]
async fn connections_that_were_dropped_are_replaced() {
    let engine = Engine::postgres().await;
    let mut permit = engine.granted(&wants("1", "AcmePortal"), 100).await;
    let drop_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%COMMIT%' AND pid <> pg_backend_pid()";
    engine.execute(drop_all).await;
    permit.record(&intent("AcmePortal"), &at(101)).await.unwrap();
    engine.execute(drop_all).await;
    assert_eq!(engine.ledger.entries(&Filter::default()).await.unwrap().len(), 1);
}

#[needs(postgresql)]
#[tokio::test]
async fn exhausted_pool_is_told_of_in_time() {
    let database = Database::create();
    let pool = pool(&database.url());
    let ledger = Ledger::postgres(pool.clone());
    let mut taken = Vec::new();
    while taken.len() < pool.status().max_size {
        taken.push(pool.get().await.unwrap());
    }
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = ledger.claim(&wants("1", "AcmePortal"), &at(100)).await.unwrap_err();
    assert!(
        matches!(&error, LedgerError::NotApplied(why) if why == "no response within 5 s"),
        "{error}"
    );
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn server_that_is_not_there_is_told_of_in_time() {
    let ledger = Ledger::postgres(pool("postgres://portal@%2Fnowhere/ledger"));
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = ledger.claim(&wants("1", "AcmePortal"), &at(100)).await.unwrap_err();
    assert!(error.to_string().contains("PostgreSQL: error connecting to server: "), "{error}");
    assert!(began.elapsed() < Duration::from_secs(4));
}

/// Passes bytes on, until it is told not to.
struct Proxy {
    mode: Arc<AtomicU8>,
    _directory: TempDir,
    url: String,
}

const PASS: u8 = 0;
/// The response to a commit is lost, and so is the connection.
const LOSE_COMMIT: u8 = 1;
/// The commit does not arrive.
const CUT_COMMIT: u8 = 2;
/// Nothing passes any more.
const HANG: u8 = 3;

impl Proxy {
    fn start(url: &str) -> Self {
        // postgres://portal@%2Ftmp%2F…:5432/database
        let (socket, database) = url.split_once('@').unwrap().1.split_once(":5432/").unwrap();
        let target = format!("{}/.s.PGSQL.5432", socket.replace("%2F", "/"));
        let directory = TempDir::new().unwrap();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        let folder = directory.path().to_str().unwrap().replace('/', "%2F");
        let url = format!("postgres://portal@{folder}:5432/{database}");
        let mode = Arc::new(AtomicU8::new(PASS));
        let shared = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target.clone(), Arc::clone(&shared)));
            }
        });
        Self { mode, _directory: directory, url }
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

async fn relay(mut client: UnixStream, target: String, mode: Arc<AtomicU8>) {
    let mut server = UnixStream::connect(Path::new(&target)).await.unwrap();
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    loop {
        let is_of = |which| mode.load(Ordering::SeqCst) == which;
        tokio::select! {
            biased;
            Ok(count) = client.read(&mut from_client) => {
                let bytes = &from_client[..count];
                let is_commit = bytes.windows(7).any(|word| word == b"COMMIT\0");
                if is_of(HANG) {
                    std::future::pending::<()>().await;
                }
                if count == 0 || is_commit && is_of(CUT_COMMIT) || server.write_all(bytes).await.is_err() {
                    return;
                }
                if is_commit && is_of(LOSE_COMMIT) {
                    // Its response, which comes after the commit.
                    let _ = server.read(&mut from_server).await;
                    return;
                }
            }
            Ok(count) = server.read(&mut from_server) => {
                if count == 0 || client.write_all(&from_server[..count]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

/// Whether the commit happened or not, the same claim again tells.
#[needs(postgresql)]
#[tokio::test]
async fn lost_response_of_commit_is_in_doubt() {
    for mode in [LOSE_COMMIT, CUT_COMMIT] {
        let engine = Engine::postgres().await;
        let proxy = Proxy::start(&engine.place());
        let ledger = Ledger::postgres(pool(&proxy.url));
        assert!(ledger.entries(&Filter::default()).await.unwrap().is_empty());
        proxy.set(mode);
        let request = wants("1", "AcmePortal");
        let error = ledger.claim(&request, &at(100)).await.unwrap_err();
        assert!(matches!(error, LedgerError::Unknown(_)), "{error:?}");
        let entries = engine.ledger.entries(&Filter::default()).await.unwrap();
        assert_eq!(entries.len(), usize::from(mode == LOSE_COMMIT));
        proxy.set(PASS);
        let mut permit = granted(&ledger, &request, at(100)).await;
        proxy.set(mode);
        let recorded = permit.record(&intent("AcmePortal"), &at(100)).await;
        let Err(RecordError::Ledger(LedgerError::Unknown(_))) = recorded else {
            panic!("{recorded:?}")
        };
    }
}

#[needs(postgresql)]
#[tokio::test]
async fn server_that_hangs_is_told_of_in_time() {
    let engine = Engine::postgres().await;
    let proxy = Proxy::start(&engine.place());
    let ledger = Ledger::postgres(pool(&proxy.url));
    assert!(ledger.entries(&Filter::default()).await.unwrap().is_empty());
    proxy.set(HANG);
    tokio::time::pause();
    let error = ledger.claim(&wants("1", "AcmePortal"), &at(100)).await.unwrap_err();
    assert!(
        matches!(&error, LedgerError::NotApplied(why) if why == "no response within 5 s"),
        "{error}"
    );
    tokio::time::resume();
    proxy.set(PASS);
    granted(&ledger, &wants("1", "AcmePortal"), at(100)).await;
}
