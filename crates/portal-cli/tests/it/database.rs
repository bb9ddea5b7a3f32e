//! `serve --database-url`: servers that share a PostgreSQL database; and machines that share a ledger in
//! one.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use portal_testkit::{Cluster, Database, needs};

use crate::orgs::{self, Org, Orgs};
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

/// `portal` on a machine of its own, with the ledger at `url`.
fn run_with_ledger(orgs: &Orgs, machine: &Home, url: &str, arguments: &[&str]) -> Ran {
    orgs::write_profiles(machine, orgs.served.url(), &orgs.seeded);
    Ran::of(machine.command(arguments).env("PORTAL_LEDGER", url))
}

#[needs(postgresql)]
#[test]
fn machines_share_ledger_and_password_is_never_shown() {
    let org = Org {
        portal_limit: false,
        scopes: &["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ"],
        ..acme()
    };
    let orgs = Orgs::start(vec![org], &[]);
    let (machines, database) = ([(); 2].map(|()| Home::new()), Database::create());
    let url = database.url().replacen('@', ":hush@", 1);
    let run = |machine: usize, arguments: &[&str]| {
        let ran = run_with_ledger(&orgs, &machines[machine], &url, arguments);
        assert!(!ran.stdout.contains("hush") && !ran.stderr.contains("hush"), "{ran:?}");
        assert_eq!(ran.status, 0, "{ran:?}");
        ran
    };
    for machine in &machines {
        std::fs::write(machine.path().join("portals.csv"), "profile,name\nacme,FirstName\n")
            .unwrap();
    }
    let batch = ["batch", "portals.csv", "--allow-another"];
    let first = run(0, &batch);
    assert_eq!(first.stdout, "1 created\n", "{first:?}");
    assert!(
        first.stderr.contains("ledger: /") && first.stderr.contains("/portal_test_"),
        "{first:?}"
    );
    run(0, &["rename", "FirstName", "SecondName", "--profile", "acme", "--yes"]);
    // Nothing but the ledger knows that it was created.
    assert_eq!(run(1, &batch).stdout, "1 created earlier\n");
    // The rename, the create, and below it the name by now.
    assert_eq!(run(1, &["history"]).stdout.lines().count(), 3);
    assert!(run(1, &["recover"]).stderr.contains("no create or rename is unfinished"));
    assert!(!machines[1].ledger().exists());
}

/// Accepts connections and says nothing, until the test ends. Returns its port.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[needs(postgresql)]
#[test]
fn ledger_out_of_reach_sends_nothing() {
    let orgs = Orgs::start(vec![acme()], &[]);
    let machine = Home::new();
    std::fs::write(machine.path().join("portals.csv"), "profile,name\nacme,FirstName\n").unwrap();
    let create = ["create", NAME, "--profile", "acme"];
    let (frozen, port) = silent();
    let database = Database::create();
    let absent = database.url().replacen("portal_test_", "absent_", 1).replacen('@', ":hush@", 1);
    for (url, command, why) in [
        ("postgres://me:hush@127.0.0.1:1/x", &create[..], "127.0.0.1:1/x: PostgreSQL: "),
        ("postgres://me:hush@127.0.0.1:1/x", &["batch", "portals.csv"], "Connection refused"),
        ("postgres://me:hush@127.0.0.1:1/x", &["history"], "127.0.0.1:1/x: PostgreSQL: "),
        ("postgres://me:hush@127.0.0.1:1/x", &["recover"], "127.0.0.1:1/x: PostgreSQL: "),
        (&format!("postgres://me:hush@127.0.0.1:{port}/x"), &create, "/x: no response within 5 s"),
        (&format!("postgres://me:hush@{}/x", http(&orgs)), &create, "/x: PostgreSQL: "),
        (&absent, &create, "does not exist"),
    ] {
        let ran = run_with_ledger(&orgs, &machine, url, command);
        assert_eq!((ran.status, ran.stderr.contains("hush")), (5, false), "{ran:?}");
        let (error, hint) = ran.stderr.split_once("\nhint: ").expect("a hint");
        assert!(error.starts_with("error: cannot use the ledger "), "{ran:?}");
        assert!(error.contains(why) && error.ends_with("; nothing was sent"), "{why}: {ran:?}");
        assert!(hint.starts_with("start that database, let its role"), "{ran:?}");
    }
    drop(frozen);
    for wrong in ["https://me:hush@db/x", "postgres://me:hush@", "postgres://db/x?sslmode=hush"] {
        let invalid = run_with_ledger(&orgs, &machine, wrong, &create);
        assert!(invalid.status == 2 && !invalid.stderr.contains("hush"), "{invalid:?}");
        assert!(invalid.stderr.starts_with("error: PORTAL_LEDGER: "), "{invalid:?}");
    }
    assert_eq!(orgs.run(&["list", "--profile", "acme"]).stdout, "");
}

/// The address of a server that is no database.
fn http(orgs: &Orgs) -> &str {
    orgs.served.url().trim_start_matches("http://")
}

#[test]
fn local_and_completion_ask_no_shared_ledger() {
    let machine = Home::new();
    let (listener, port) = silent();
    let url = format!("postgres://me:hush@127.0.0.1:{port}/x");
    let run = |arguments: &[&str]| Ran::of(machine.command(arguments).env("PORTAL_LEDGER", &url));
    for arguments in [
        &["create", "--local", NAME][..],
        &["create", "--local", NAME, "--ensure"],
        &["list", "--local"],
        &["rename", "--local", NAME, "AcmePortal"],
        &["recover", "--local"],
    ] {
        assert_eq!(run(arguments).status, 0, "{arguments:?}");
    }
    for words in [["recover", ""], ["history", "Acme"], ["create", "--"], ["logout", "--profile="]]
    {
        let mut command = machine.command(&["--", "portal", words[0], words[1]]);
        let ran = Ran::of(command.env("PORTAL_LEDGER", &url).env("PORTAL_COMPLETE", "fish"));
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}");
        assert_eq!(ran.stdout.contains("AcmePortal"), words[0] == "history", "{ran:?}");
    }
    listener.set_nonblocking(true).unwrap();
    listener.accept().unwrap_err();
    assert_eq!(machine.entries().len(), 3);
}
