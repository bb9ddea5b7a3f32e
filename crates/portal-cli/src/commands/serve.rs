//! `portal serve`: the service, to rehearse on.

mod call_line;
mod signals;

use std::future::Future;
use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use portal_http::server::{FaultSpec, PortalService, Server, ServerLimits, raise_nofile_limit};
use portal_model::Secret;
use portal_store::{MemoryRegistry, PostgresRegistry, Registry, RegistryError, Seed};
use serde::Serialize;

use crate::org::data_directory;
use crate::org::default_org::DefaultOrg;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

/// Serve the API on this machine, to rehearse on
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8780")]
    listen: SocketAddr,
    /// Keep portals, orgs and credentials in this folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep portals, orgs and credentials in this PostgreSQL database, which servers may share
    #[arg(long, value_name = "URL", env = "PORTAL_DATABASE_URL", hide_env_values = true)]
    #[arg(conflicts_with = "data")]
    database_url: Option<Secret>,
    /// Serve what is left if the data directory has lost portals that were acknowledged
    #[arg(long, requires = "data")]
    accept_loss: bool,
    /// Serve the orgs in this file
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Change kept orgs, users and secrets to the seed's, and revoke credentials it lacks
    #[arg(long, requires = "seed")]
    seed_replaces: bool,
    /// The URL that clients reach it by, where it stands behind a proxy
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
    /// Accept plain HTTP from other machines, forwarded by a proxy that terminates TLS
    #[arg(long)]
    behind_proxy: bool,
    /// Serve requests to this host name on a loopback address too; repeatable
    #[arg(long = "allow-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
    /// Limit concurrent connections
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
        default_value_t = default_max_connections()
    )]
    max_connections: u32,
    /// Wait this long for open requests on shutdown
    #[arg(long, value_name = "DURATION", default_value_t = ServerLimits::default().shutdown_timeout.into())]
    shutdown_timeout: humantime::Duration,
    /// Refuse `Authorization: Bearer`, accepted beside `Zoho-oauthtoken`
    #[arg(long)]
    refuse_bearer: bool,
    /// Enforce the service's limits on tokens, calls at once and calls a day
    #[arg(long)]
    enforce_limits: bool,
    // Not a doc comment: rustdoc takes the grammar's brackets for a link.
    #[arg(
        long = "fault",
        value_name = "SPEC",
        help = "Fail on purpose: [METHOD ]POINT:ACTION[:N/M], as below; repeatable"
    )]
    faults: Vec<FaultSpec>,
    /// Write a line per call to stderr [default: text, where stderr is a terminal]
    #[arg(long, value_name = "FORMAT")]
    log: Option<LogFormat>,
}

const HELP: &str = "\
Without a seed file, new data has one org, whose credentials are told at the start; a database has the \
orgs of its seeds. `portal admin` changes orgs, users and credentials while it runs, and `portal backup` \
copies a data directory in use. Without either, everything is gone when it ends.

A fault has a METHOD (GET, POST or PUT for calls under /crm, TOKEN for the token endpoint; all without \
one), a POINT (request: before anything is done; committed: done, but no response sent yet), an ACTION \
(drop, delay=300ms, 429, 429=SECONDS, 500, html, cut, expire) and hits N of every M matching calls.

Example:
  portal serve --data ./portals --fault \"POST committed:drop:1/2\"";

/// The form of the lines about calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// The first line on stdout.
#[derive(Serialize)]
struct Listening<'a> {
    event: &'static str,
    url: &'a str,
    #[serde(flatten)]
    org: Option<&'a DefaultOrg>,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    // Check everything that can be wrong before creating anything.
    if !args.listen.ip().to_canonical().is_loopback() && !args.behind_proxy {
        let message = format!(
            "plain HTTP on {} would expose tokens on the network: expected a loopback address",
            args.listen
        );
        let hint = "listen on 127.0.0.1, or pass `--behind-proxy` if a proxy terminates TLS";
        return Err(Failure::usage(message).hint(hint));
    }
    if let Err(error) = raise_nofile_limit() {
        printer.warning(format_args!("the limit on open files was not raised: {error}"));
    }
    let seed = args.seed.as_deref().map(read_seed).transpose()?;
    let server = Server::bind(args.listen).await?;
    if let Some(url) = &args.database_url {
        let registry = open_database(args, url, seed.as_ref()).await?;
        return serve(args, server, registry, None, printer).await;
    }
    match (&args.data, seed) {
        (Some(folder), Some(seed)) => {
            let registry = data_directory::open(folder, args.accept_loss, printer).await?;
            data_directory::seed(&registry, &seed, args.seed_replaces, folder.display()).await?;
            let failed = registry.failed();
            until_failure(serve(args, server, registry, None, printer), failed).await
        }
        (Some(folder), None) => {
            let registry = data_directory::open(folder, args.accept_loss, printer).await?;
            let org = data_directory::default_unless_others(&registry, folder).await?;
            let failed = registry.failed();
            until_failure(serve(args, server, registry, org.as_ref(), printer), failed).await
        }
        (None, seed) => {
            let org = if seed.is_none() { Some(DefaultOrg::generate()?) } else { None };
            let seed = seed.or_else(|| org.as_ref().map(DefaultOrg::seed)).unwrap_or_default();
            let registry = MemoryRegistry::default();
            registry.apply_seed(&seed, data_directory::now()?).await?;
            serve(args, server, registry, org.as_ref(), printer).await
        }
    }
}

/// Opens the registry in the database at `url`, and adds `seed` to it.
async fn open_database(
    args: &Args,
    url: &Secret,
    seed: Option<&Seed>,
) -> Result<PostgresRegistry, Failure> {
    let registry = PostgresRegistry::open(url.expose()).await?;
    match seed {
        Some(seed) => {
            data_directory::seed(&registry, seed, args.seed_replaces, "the database").await?;
        }
        // Servers that start at once would each announce the credentials of another org.
        None if registry.is_empty().await? => {
            return Err(Failure::usage("the database has no org yet").hint(
                "pass `--seed FILE` with orgs, users and credentials, or use `portal admin`",
            ));
        }
        None => {}
    }
    Ok(registry)
}

/// Serves until the files of the registry are found removed or replaced: whatever is acknowledged
/// from then on would be lost.
async fn until_failure(
    served: impl Future<Output = Result<ExitClass, Failure>>,
    failed: impl Future<Output = RegistryError>,
) -> Result<ExitClass, Failure> {
    tokio::select! {
        result = served => result,
        error = failed => Err(error.into()),
    }
}

async fn serve<R: Registry>(
    args: &Args,
    server: Server,
    registry: R,
    org: Option<&DefaultOrg>,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    let mut limits = ServerLimits::default();
    limits.max_connections = usize::try_from(args.max_connections).unwrap_or(usize::MAX);
    limits.shutdown_timeout = args.shutdown_timeout.into();
    if args.behind_proxy {
        // All connections come from the proxy.
        limits.max_connections_per_peer = None;
    }
    let mut server = server.with_limits(limits);
    for host in &args.allowed_hosts {
        server = server.allow_host(host);
    }
    let mut service = PortalService::builder(registry);
    if let Some(url) = &args.public_url {
        service = service.public_url(url);
    }
    if args.refuse_bearer {
        service = service.refuse_bearer();
    }
    if args.enforce_limits {
        service = service.enforce_limits();
    }
    for fault in &args.faults {
        service = service.fault(fault.clone());
    }
    let log = args.log.or(std::io::stderr().is_terminal().then_some(LogFormat::Text));
    if let Some(format) = log {
        let printer = printer.clone();
        service = service.on_request(move |call| {
            printer.styled(match format {
                LogFormat::Text => call_line::text(call),
                LogFormat::Json => call_line::json(call),
            });
        });
    }
    // Before clients learn that the server is up, so that no signal finds it without handlers.
    let signals = signals::count().context("failed to install signal handlers")?;
    let is_persistent = args.data.is_some() || args.database_url.is_some();
    announce(&local_url(server.address()), org, is_persistent, printer);
    tokio::select! {
        () = server.serve(service.build(), signals::reached(signals.clone(), 1)) => {
            Ok(ExitClass::Success)
        }
        () = signals::reached(signals, 2) => {
            printer.warning("stopped before open requests completed");
            Ok(ExitClass::Stopped)
        }
    }
}

/// The URL by which this machine reaches the server.
fn local_url(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
}

fn default_max_connections() -> u32 {
    u32::try_from(ServerLimits::default().max_connections).unwrap_or(u32::MAX)
}

/// Says that it listens, and to people how to use it.
fn announce(url: &str, org: Option<&DefaultOrg>, keeps: bool, printer: &Printer) {
    printer.result(format_args!("Listening on {url}"), &Listening { event: "listening", url, org });
    if printer.is_json() {
        return;
    }
    if let Some(org) = org {
        printer.note(format_args!(
            "Other commands and programs reach its org with\n  \
             export PORTAL_API_DOMAIN={url}\n  \
             export PORTAL_ACCOUNTS_URL={url}\n  \
             export PORTAL_CLIENT_ID={}\n  \
             export PORTAL_CLIENT_SECRET={}\n  \
             export PORTAL_REFRESH_TOKEN={}",
            org.client_id,
            org.client_secret.expose(),
            org.refresh_token.expose()
        ));
    }
    if !keeps {
        printer.note("Nothing is kept when it ends; `--data DIR` keeps it.");
    }
}

fn read_seed(path: &Path) -> anyhow::Result<Seed> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the seed file {} can't be read", path.display()))?;
    text.parse().with_context(|| format!("the seed file {} is broken", path.display()))
}

fn public_url(text: &str) -> Result<String, &'static str> {
    if text.starts_with("https://") || text.starts_with("http://") {
        Ok(text.to_owned())
    } else {
        Err("expected a URL such as https://portals.example.com")
    }
}
