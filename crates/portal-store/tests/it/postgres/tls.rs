//! TLS to the database. The certificate is for `localhost`, valid for a hundred years, and was
//! issued by an authority whose key was discarded.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use portal_store::PostgresRegistry;
use portal_testkit::{Cluster, needs};

use super::open;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/postgres/tls").join(name)
}

fn server() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| Cluster::start_with_tls(&file("server.pem"), &file("server.key")))
}

fn url(host: &str, parameters: &str) -> String {
    let roots = file("ca.pem").display().to_string().replace('/', "%2F");
    let url = server().tcp_url(host, "postgres");
    format!("{url}?{parameters}").replace("OURS", &roots)
}

/// Number of the server's sessions with TLS.
async fn encrypted_sessions(application: &str) -> i64 {
    let (client, connection) =
        tokio_postgres::connect(&server().url("postgres"), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let query = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                 WHERE ssl AND application_name = $1";
    client.query_one(query, &[&application]).await.unwrap().get(0)
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sslmode_selects_encryption() {
    for (mode, parameters, sessions) in [
        ("disable", "", 0),
        ("prefer", "", 1),
        ("require", "", 1),
        ("verify-full", "&sslrootcert=OURS", 1),
    ] {
        let application = format!("test-{mode}");
        let parameters = format!("sslmode={mode}&application_name={application}{parameters}");
        let _registry = open(&url("localhost", &parameters)).await;
        assert_eq!(encrypted_sessions(&application).await, sessions, "{mode}");
    }
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_full_checks_authority_and_host() {
    for (host, parameters, expected) in [
        ("localhost", "sslmode=verify-full", "UnknownIssuer"),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert=OURS", "not valid for name"),
        ("localhost", "sslmode=verify-full&sslrootcert=/no/such/file", "sslrootcert /no/such/file"),
    ] {
        let error = PostgresRegistry::open(&url(host, parameters)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{parameters}: {error}");
    }
}

#[needs(postgresql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn require_accepts_any_certificate_but_needs_tls() {
    open(&url("127.0.0.1", "sslmode=require")).await;
    let without = Cluster::start_with_tls(&file("server.pem"), &file("server.key"));
    without.set("ssl", "off");
    let url = format!("{}?sslmode=require", without.tcp_url("localhost", "postgres"));
    let error = PostgresRegistry::open(&url).await.unwrap_err().to_string();
    assert!(error.contains("server does not support TLS"), "{error}");
    // `prefer` continues without TLS if the server has none.
    open(&without.tcp_url("localhost", "postgres")).await;
    without.set("fsync", "off");
    let error = PostgresRegistry::open(&without.url("postgres")).await.unwrap_err().to_string();
    assert!(error.contains("expected fsync on, found off"), "{error}");
}
