//! `portal batch`, its ledger on the disk, and the same again.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use portal_http::client::{Client, Credential};
use portal_model::flow::Policy;

use crate::benches::Effort;
use crate::figure::{Bound, Figure, Side, Speed, Unit};
use crate::process::cpu_of_ended;
use crate::service::{SECRET, Server, Storage, client_id, command, directory, refresh_token};
use crate::store::new_name;

pub(super) fn rows(effort: Effort) -> Vec<Figure> {
    let (orgs, rows) = if effort.is_quick() { (4, 5) } else { (100, 100) };
    // Kept until the end: after thousands of files are removed, ext4 creates files slowly for minutes.
    let mut homes = Vec::new();
    let rounds: Vec<_> = (0..effort.rounds.min(3))
        .map(|_| {
            let home = directory();
            let (by_batch, again) = by_batch(home.path(), orgs, rows);
            homes.push(home);
            (by_batch, again)
        })
        .collect();
    let batch = Figure {
        what: "rows/s of a batch, 10,000 rows in 100 orgs",
        ours: Side::speed(&rounds, |(speed, _)| *speed),
        limit: None,
        bar: Bound::AtLeast(400.0),
        aim: Bound::AtLeast(600.0),
    };
    let again = Figure {
        what: "that batch again, nothing left to do",
        ours: Side::new(Unit::Seconds, &rounds, |(_, again)| *again),
        limit: None,
        bar: Bound::AtMost(2.0),
        aim: Bound::AtMost(1.0),
    };
    vec![batch, again]
}

/// How fast the rows are, and how long the same batch takes again, in seconds.
fn by_batch(home: &Path, orgs: u32, rows: u32) -> (Speed, f64) {
    let server = Server::start(home, Storage::Memory, orgs, &[]);
    write_profiles(home, &server.url(), orgs);
    let mut csv = String::from("profile,name\n");
    // As a file that was put together by hand is, an org after the other.
    for org in 1..=orgs {
        for _ in 0..rows {
            let _ = writeln!(csv, "org{org},{}", new_name());
        }
    }
    fs::write(home.join("portals.csv"), csv).expect("the directory can be written");
    let mut batch = command(home);
    batch
        .args(["batch", "portals.csv", "--allow-another", "--yes", "--quiet"])
        .current_dir(home)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut run = || {
        let (began, cpu) = (Instant::now(), cpu_of_ended());
        let status = batch.status().unwrap_or_else(|error| panic!("{batch:?}: {error}"));
        let speed = Speed::of(f64::from(orgs * rows), began, cpu_of_ended() - cpu);
        assert!(status.success(), "{batch:?}: {status}");
        speed
    };
    let (speed, again) = (run(), run());
    (speed, f64::from(orgs * rows) / again.rate)
}

/// A client of an org, for many portals.
pub(super) fn client(url: &str, org: u32) -> Client {
    let mut policy = Policy::batch();
    policy.allow_another = true;
    let credential = Credential::refresh_token(client_id(org), SECRET, refresh_token(org));
    let client = Client::builder().api_url(url).accounts_url(url).policy(policy);
    client.build(credential).expect("a URL of this machine")
}

/// Writes the two files that `portal login` would.
fn write_profiles(home: &Path, url: &str, orgs: u32) {
    let (mut config, mut credentials) = (String::new(), String::new());
    for org in 1..=orgs {
        let (id, token) = (client_id(org), refresh_token(org));
        let _ = writeln!(
            config,
            "[profile.org{org}]\napi_domain = \"{url}\"\naccounts_url = \"{url}\"\n\
             client_id = \"{id}\""
        );
        let _ = writeln!(
            credentials,
            "[org{org}]\nclient_secret = \"{SECRET}\"\nrefresh_token = \"{token}\""
        );
    }
    let directory = home.join(".config/portal");
    fs::create_dir_all(&directory).expect("the directory can be written");
    fs::write(directory.join("config.toml"), config).expect("the directory can be written");
    // Nobody else can read what `tempfile` makes.
    let mut file = tempfile::NamedTempFile::new_in(&directory).expect("a file");
    file.write_all(credentials.as_bytes()).expect("the file can be written");
    file.persist(directory.join("credentials.toml")).expect("it can be renamed");
}
