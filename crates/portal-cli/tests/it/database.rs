//! `serve --database-url`: servers that share a PostgreSQL database.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use portal_testkit::{Cluster, Database, needs};

use crate::orgs::{self, Org};
use crate::support::{Home, Ran, Served};

const NAME: &str = "PortalsAPItest100";

fn acme() -> Org {
    Org::new("acme")
}

/// A server of the database with the org.
fn start(home: &Home, url: &str) -> Served {
    orgs::serve(home, &[acme()], &["--database-url", url])
}

/// `portal` on a server with the org.
fn run(server: &Served, home: &Home, arguments: &[&str]) -> Ran {
    Ran::of(home.command(arguments).envs(acme().environment(server.url())))
}

#[needs(postgresql)]
#[test]
fn database_portal_is_on_every_server() {
    let (home, database) = (Home::new(), Database::create());
    let url = database.url();
    let servers = [(); 2].map(|()| start(&home, &url));
    assert_eq!(run(&servers[0], &home, &["create", NAME]).status, 0);
    assert!(run(&servers[1], &home, &["list"]).stdout.starts_with(NAME));
    for server in servers {
        server.kill();
    }
    // The database has the orgs.
    let server = Served::start(&home, &["--database-url", &url]);
    assert_eq!(server.listening.get("client_secret"), None, "no secrets are told");
    assert!(run(&server, &home, &["list"]).stdout.starts_with(NAME));
}

#[needs(postgresql)]
#[test]
fn empty_database_asks_for_seed() {
    let (home, database) = (Home::new(), Database::create());
    let ran = home.run(&["serve", "--listen", "127.0.0.1:0", "--database-url", &database.url()]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert_eq!(
        ran.stderr,
        "error: the database has no org yet\n\
         hint: pass `--seed FILE` with orgs, users and credentials, or use `portal admin`\n"
    );
}

#[test]
fn unreachable_database_error_hides_password() {
    let home = Home::new();
    for (url, expected) in [
        ("postgres://me:hush@127.0.0.1:1/portals", "error: 127.0.0.1:1/portals: "),
        ("mysql://me:hush@127.0.0.1:1/portals", "error: invalid database URL: "),
    ] {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let ran = Ran::from(home.command(&serve).env("PORTAL_DATABASE_URL", url).output().unwrap());
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
        assert!(ran.stderr.starts_with(expected), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
    }
}

#[test]
fn database_and_data_directory_conflict() {
    let url = "postgres://me:hush@127.0.0.1:1/portals";
    let ran = Home::new().run(&["serve", "--data", "kept", "--database-url", url]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
    let help = Ran::from(
        Home::new().command(&["serve", "--help"]).env("PORTAL_DATABASE_URL", url).output().unwrap(),
    );
    assert!(!help.stdout.contains("hush"), "{}", help.stdout);
}

#[needs(postgresql)]
#[test]
fn lost_database_gives_500_until_it_is_back() {
    let (home, cluster) = (Home::new(), Cluster::start());
    let server = start(&home, &cluster.url("postgres"));
    assert_eq!(run(&server, &home, &["create", NAME]).status, 0);
    cluster.kill();
    let started = Instant::now();
    let response = list(&server);
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert!(response.contains("INTERNAL_ERROR"), "{response}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    cluster.start_again();
    assert!(run(&server, &home, &["list"]).stdout.starts_with(NAME));
}

/// What a list with an unknown token gets.
fn list(server: &Served) -> String {
    let address = server.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "Authorization: Zoho-oauthtoken 1000.unknown\r\nConnection: close";
    write!(stream, "GET /crm/v7/settings/portals HTTP/1.1\r\nHost: {address}\r\n{head}\r\n\r\n")
        .unwrap();
    std::io::read_to_string(stream).unwrap()
}
