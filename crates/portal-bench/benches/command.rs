//! `portal create` as a process, a list and a create with a cached token, and one `curl` that sends
//! the POST alone: by turns.
#![allow(missing_docs, clippy::expect_used, clippy::print_stdout)]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use portal_bench::{ServerProcess, median, report, serve_if_asked};
use tempfile::TempDir;

const ROUNDS: usize = 40;

fn main() {
    if serve_if_asked() {
        return;
    }
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let Some(portal) = portal().filter(|_| is_measured) else {
        println!("portal to curl: not measured, build it with cargo build --release -p portal-cli");
        return;
    };
    let server = ServerProcess::start();
    let home = TempDir::new().expect("a temporary folder");
    let mut times = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let mut create = Command::new(&portal);
        create
            .args(["create", "--yes", "--allow-another", &format!("Portal{round:04}")])
            .env_clear()
            .env("HOME", home.path())
            .env("PORTAL_API_DOMAIN", &server.url)
            .env("PORTAL_ACCOUNTS_URL", &server.url)
            .env("PORTAL_CLIENT_ID", &server.client_id)
            .env("PORTAL_CLIENT_SECRET", server.client_secret.expose())
            .env("PORTAL_REFRESH_TOKEN", server.refresh_token.expose());
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--request", "POST"])
            .arg(format!("{}/crm/v7/settings/portals", server.url))
            .args([
                "--header",
                &format!("Authorization: Zoho-oauthtoken {}", server.access_token.expose()),
            ])
            .args(["--data", &format!("{{\"portals\":[{{\"name\":\"Curled{round:04}\"}}]}}")]);
        let (ours, theirs) = (time(&mut create), time(&mut curl));
        // The first one gets the token that the others find.
        if round > 0 {
            times.0.push(ours);
            times.1.push(theirs);
        }
    }
    let ratio = times.0.iter().zip(&times.1).map(|(ours, theirs)| ours / theirs).collect();
    let [ours, theirs] = [times.0, times.1].map(|times| median(times) * 1000.0);
    println!("portal create: {ours:.1} ms, curl: {theirs:.1} ms");
    report("portal create to curl", median(ratio), "at most 3");
}

/// In seconds.
fn time(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let began = Instant::now();
    let status = command.status().expect("it can be started");
    let time = began.elapsed().as_secs_f64();
    assert!(status.success(), "{status}");
    time
}

/// The command as it was built last, beside this program's own folder.
fn portal() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let portal = program.parent()?.parent()?.join("portal");
    portal.exists().then_some(portal)
}
