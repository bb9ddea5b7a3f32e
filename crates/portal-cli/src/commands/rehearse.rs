//! `portal rehearse`: a batch against throw-away orgs, one for each of its profiles.
//!
//! The batch runs as a process of its own, whose home is a temporary directory: it finds no
//! credentials but those of the throw-away orgs, and leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use portal_http::server::{FaultSpec, LocalServer, LocalServerBuilder};
use portal_store::PortalLimit;
use portal_store::seed::{Seed, SeedOrg, SeedUser};
use tokio::process::Command;

use crate::batch::{csv, rows};
use crate::commands::{batch, fault_arg};
use crate::org::default_org::OrgCredentials;
use crate::org::profile::{self, Profile, Profiles};
use crate::org::running::Times;
use crate::report::failure::{ExitClass, Failure};
use crate::sys::directories;
use crate::sys::signal::{self, Kind};
use crate::terminal::printer::Printer;

/// Rehearse a batch against throw-away orgs made from its rows
///
/// Runs `portal batch FILE` against a server in this process. No profile has to exist, nothing
/// reaches Zoho CRM, and nothing is kept. Each profile of the file gets an org without a portal, in
/// which everything is permitted; profiles of `portal login` that lead to one org share one.
/// `--fault` is that of `portal serve`.
///
/// # Exit status
/// that of the batch
///
/// # Examples
///
///     portal rehearse portals.csv
///     portal rehearse portals.csv --fault "POST committed:drop:1/10"
///
/// # See also
/// batch, login, serve
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// CSV with the columns profile, name and fallback; `-` reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Create portals in orgs that have one
    #[arg(long)]
    allow_another: bool,
    // Not a doc comment: rustdoc takes the grammar's brackets for a link.
    #[arg(
        long = "fault",
        value_name = "SPEC",
        value_parser = fault_arg::parse,
        help = "Fail on purpose: [METHOD ]POINT:ACTION[:WHICH]; repeatable"
    )]
    faults: Vec<FaultSpec>,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let bytes = rows::read_file(&args.file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", args.file.display())))?;
    // What is wrong with the file is reported by the batch.
    let (entries, _) = csv::read(&bytes);
    let names = entries.into_iter().map(|entry| entry.profile);
    let orgs = orgs(names.filter(|name| profile::check_name(name).is_ok()).collect())?;

    let home = tempfile::tempdir().context("cannot create a temporary directory")?;
    let server = LocalServer::builder().seed(seed(&orgs, args.allow_another));
    let server = args.faults.iter().cloned().fold(server, LocalServerBuilder::fault);
    let server = server.start().await?;
    write_profiles(home.path(), server.url(), &orgs)?;
    let name = args.file.file_name().filter(|_| args.file != Path::new("-"));
    let file = Path::new(name.unwrap_or("stdin.csv".as_ref()));
    fs::write(home.path().join(file), &bytes)?;

    printer.note("Rehearsal: nothing reaches Zoho CRM, and nothing is kept.");
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["batch", "--rehearsal"]).arg(file).current_dir(home.path());
    child.args(["--output", if printer.is_json() { "json" } else { "text" }]);
    child.args(args.allow_another.then_some("--allow-another"));
    child.args(printer.is_quiet.then_some("--quiet"));
    // Variables that name orgs, directories and proxies are not for the rehearsal.
    child.env_clear().envs(directories::variables_of(home.path()));
    for inherited in ["PATH", "TERM", "NO_COLOR", "SystemRoot"] {
        child.envs(std::env::var_os(inherited).map(|value| (inherited, value)));
    }
    // The server in this process is known to be fast.
    let Times { processing_time, list_lag } = Times::with_faults(&args.faults);
    let text = |time| humantime::format_duration(time).to_string();
    child
        .env("PORTAL_PROCESSING_TIME", text(processing_time))
        .env("PORTAL_LIST_LAG", text(list_lag));
    // Before it starts, so that no signal ends this process, and the server, alone.
    let mut signals = signal::signals();
    let mut child = child.kill_on_drop(true).spawn().context("cannot run the batch")?;
    let mut interrupts = 0;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            Some(signal) = signals.next() => {
                // The batch has a Ctrl-C of the terminal, too, and ends by itself.
                interrupts += 1;
                if signal != Kind::Interrupt || interrupts > 2 {
                    return Ok(ExitClass::Stopped);
                }
            }
        }
    };
    if !status.success() && args.file != Path::new("-") {
        printer.note(format_args!("Rehearse again with: {}", batch::this_command()));
    }
    let exit = status.code().and_then(|code| u8::try_from(code).ok());
    printer.note("That was a rehearsal: nothing was created in Zoho CRM.");
    Ok(exit.map_or(ExitClass::Stopped, ExitClass::from))
}

/// The profiles that lead to a throw-away org.
type Org = Vec<(String, OrgCredentials)>;

/// An org for each profile, but one for those of which it is known that they lead to one org.
fn orgs(names: BTreeSet<String>) -> Result<Vec<Org>, Failure> {
    let known = Profiles::load(&directories::config()?).ok();
    let mut orgs = BTreeMap::<String, Org>::new();
    for name in names {
        let entry = known.as_ref().and_then(|known| known.entries().get(&name));
        let org = entry.and_then(|entry| entry.org.as_ref());
        let key = org.map_or_else(|| format!("profile {name}"), |org| format!("org {}", org.id));
        orgs.entry(key).or_default().push((name, OrgCredentials::generate()?));
    }
    Ok(orgs.into_values().collect())
}

fn seed(orgs: &[Org], allow_another: bool) -> Seed {
    let limit = if allow_another { PortalLimit::Unlimited } else { PortalLimit::One };
    let org = |org: &Org| {
        let names: Vec<_> = org.iter().map(|(name, _)| name.as_str()).collect();
        let user = SeedUser::admin("Rehearsal", "user@rehearsal.example");
        let credentials = org.iter().map(|(_, credentials)| credentials.seed_credential());
        SeedOrg::new(names.join(", "))
            .portal_limit(limit)
            .user(credentials.fold(user, SeedUser::credential))
    };
    Seed::new(orgs.iter().map(org))
}

/// Writes what `portal login` would, for the home of the batch.
fn write_profiles(home: &Path, url: &str, orgs: &[Org]) -> anyhow::Result<()> {
    let directory = directories::config_of(home);
    for (name, credentials) in orgs.iter().flatten() {
        profile::store(&directory, name, &Profile::of_server(url, credentials.clone()))?;
    }
    Ok(())
}
