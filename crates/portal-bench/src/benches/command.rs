//! `portal create` as a process, a list and a create with a cached token, beside one `curl` that
//! sends the POST alone.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::benches::Effort;
use crate::figure::{Bound, Figure, Side, Unit, median};
use crate::service::{self, PORTALS, SECRET, Server, Storage, client_id, directory, refresh_token};
use crate::store::new_name;

pub(super) fn processes(effort: Effort) -> Result<Vec<Figure>, String> {
    let is_there = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    if !is_there.is_ok_and(|status| status.success()) {
        return Err("there is no curl".to_owned());
    }
    let rounds = effort.rounds(|span| {
        // A new server and home each round: a create lists the org's portals and reads their receipts,
        // and hundreds of them are not typical.
        let (home, files) = (directory(), directory());
        let server = Server::start(files.path(), Storage::Memory, 1, &[]);
        let (url, token) = (server.url(), server.token(1));
        let began = Instant::now();
        let mut times = (Vec::new(), Vec::new());
        while times.0.len() < 2 || began.elapsed() < span {
            let mut create = service::command(home.path());
            create
                .args(["create", "--yes", "--allow-another", &new_name()])
                .env("PORTAL_API_DOMAIN", &url)
                .env("PORTAL_ACCOUNTS_URL", &url)
                .env("PORTAL_CLIENT_ID", client_id(1))
                .env("PORTAL_CLIENT_SECRET", SECRET)
                .env("PORTAL_REFRESH_TOKEN", refresh_token(1));
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--fail", "--request", "POST"])
                .arg(format!("{url}{PORTALS}"))
                .args(["--header", &format!("Authorization: Zoho-oauthtoken {token}")])
                .args(["--data", &format!(r#"{{"portals":[{{"name":"{}"}}]}}"#, new_name())]);
            times.0.push(time(&mut create));
            times.1.push(time(&mut curl));
        }
        // The first one gets the token that the others find.
        let of_others = |times: &[f64]| median(times.get(1..).unwrap_or_default());
        (of_others(&times.0), of_others(&times.1))
    });
    Ok(vec![Figure {
        what: "portal create as a process, list and create",
        ours: Side::new(Unit::Seconds, &rounds, |(ours, _)| *ours),
        limit: Some(("curl, one POST", Side::new(Unit::Seconds, &rounds, |(_, it)| *it))),
        bar: Bound::AtMost(1.0),
        aim: Bound::AtMost(0.6),
    }])
}

/// In seconds.
fn time(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let time = began.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?}: {status}");
    time
}
