//! `portal serve`: the service, to rehearse on.

mod address;
mod admin;
mod announce;
mod child;
mod seed;
mod signals;
mod tls;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;
use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::ValueEnum;
use portal_http::server::{FaultSpec, PortalService, Server, ServerLimits, raise_nofile_limit};
use portal_model::Secret;
use portal_store::{MemoryRegistry, Registry, RegistryError, Seed};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::watch;

use self::address::AdminListen;
pub(super) use self::announce::{Environment, Listening};
use self::announce::{Served, announce, local_url};
use self::signals::Received;
use crate::admin_listener::{self, Admin, Reset, Watch};
use crate::commands::fault_arg;
use crate::commands::sections::{About, Examples, Sections, SeeAlso};
use crate::org::data_directory;
use crate::org::default_org::DefaultOrg;
use crate::org::running::Running;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;
use crate::terminal::served_call::ServedCall;

/// Serve the API on this machine, to rehearse on
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(add = SECTIONS, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    subcommand: Option<Subcommand>,
    /// Port or address to listen on, port 0 for a free one [default: 8780, or a free one with PROGRAM]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    listen: Option<SocketAddr>,
    /// Keep portals, orgs and credentials in this directory
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
    /// Serve over TLS with this certificate, followed by those between it and a root, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_key", env = "PORTAL_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate; both files are read again when they change
    #[arg(long, value_name = "FILE", requires = "tls_cert", env = "PORTAL_TLS_KEY")]
    tls_key: Option<PathBuf>,
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
        value_parser = fault_arg::parse,
        help = "Fail on purpose: [METHOD ]POINT:ACTION[:N/M], as below; repeatable"
    )]
    faults: Vec<FaultSpec>,
    /// Where to look into it, its page, JSON, health and metrics, or `none` [default: 127.0.0.1, a free port from 8781]
    #[arg(long, value_name = "ADDRESS", env = "PORTAL_ADMIN_LISTEN", value_parser = address::parse_admin)]
    admin_listen: Option<AdminListen>,
    /// Open the page that looks into it in a browser
    #[arg(long)]
    open: bool,
    /// Log each call to stderr, and warnings in the same form [default: text, where stderr is a terminal]
    #[arg(long, value_name = "FORMAT")]
    log: Option<LogFormat>,
    /// Serve as long as this program runs, with the environment that leads to the server
    #[arg(last = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Print the environment that leads to a running server, for a shell
    Env {
        /// The port of the server [default: the one that runs]
        #[arg(long)]
        port: Option<u16>,
    },
}

/// What a server listens on.
struct Listeners {
    server: Server,
    admin: Option<TcpListener>,
}

/// What a server began with.
#[derive(Default)]
struct Begun {
    /// Absent if there is a seed, or were orgs.
    org: Option<DefaultOrg>,
    /// Of a server that keeps nothing.
    throwaway: Option<(Seed, Reset)>,
}

/// How serving ended.
enum Ended {
    With(ExitClass),
    /// The command ended, with this status.
    Command(u8),
}

const SECTIONS: Sections = Sections(&[
    About(
        "Without a seed file, new data has one org, whose credentials are told at the start; a database \
         has the orgs of its seeds. `portal admin` changes orgs, users and credentials while it runs, \
         and `portal backup` copies a data directory in use. Without either, everything is gone when \
         it ends.",
    ),
    About(
        "`portal requests` and the page that is printed at the start show what it has served. The page \
         switches faults on and off too; its address also has /healthz, /readyz and /metrics.",
    ),
    About(
        "A fault has a METHOD (GET, POST or PUT for calls under /crm, TOKEN for the token endpoint; all \
         without one), a POINT (request: before anything is done; committed: done, but no response \
         sent yet), an ACTION (drop, delay=300ms, 429, 429=SECONDS, 500, html, cut, expire) and hits N \
         of every M matching calls.",
    ),
    Examples(
        "portal serve --data ./portals --fault \"POST committed:drop:1/2\"\n\
         portal serve -- npm test",
    ),
    SeeAlso(&["requests", "backup", "admin"]),
]);

/// The form of the lines about calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    if let Some(Subcommand::Env { port }) = args.subcommand {
        return env(port, printer);
    }
    match serve_registry(args, printer).await? {
        Ended::With(exit) => Ok(exit),
        // By now the server and its registry are closed.
        Ended::Command(status) => std::process::exit(status.into()),
    }
}

/// Prints how to reach a server that runs.
fn env(port: Option<u16>, printer: &Printer) -> Result<ExitClass, Failure> {
    let running = Running::find(port)?;
    if running.org.is_none() {
        return Err(Failure::usage(format!(
            "the server at {} has the orgs of a seed or a database, and their credentials are there",
            running.url
        )));
    }
    let variables = announce::variables(&running);
    printer.result(announce::exports(&running, ""), &BTreeMap::from_iter(variables));
    Ok(ExitClass::Success)
}

async fn serve_registry(args: &Args, printer: &Printer) -> Result<Ended, Failure> {
    let listen = args.listen.unwrap_or_else(|| {
        // For a test run a free port does, and any number of them can run at once.
        let port = if args.command.is_empty() { 8780 } else { 0 };
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    });
    // Check everything that can be wrong before creating anything.
    let tls = tls::read(args.tls_cert.as_deref(), args.tls_key.as_deref())?;
    if !listen.ip().to_canonical().is_loopback() && !args.behind_proxy && tls.is_none() {
        let message = format!(
            "plain HTTP on {listen} would expose tokens on the network: expected a loopback address"
        );
        let hint = "listen on 127.0.0.1, pass `--tls-cert` and `--tls-key`, or pass `--behind-proxy` if \
                    a proxy terminates TLS";
        return Err(Failure::usage(message).hint(hint));
    }
    if let Err(error) = raise_nofile_limit() {
        printer.warning(format_args!("the limit on open files was not raised: {error}"));
    }
    let seed = args.seed.as_deref().map(seed::read).transpose()?;
    let mut server = Server::bind(listen).await?;
    if let Some(tls) = tls {
        tokio::spawn(tls::reload(tls.clone(), printer.clone()));
        server = server.with_tls(tls);
    }
    let admin = admin::bind(args.admin_listen, printer).await?;
    let listeners = Listeners { server, admin };
    if let Some(url) = &args.database_url {
        let registry = seed::open_database(url, seed.as_ref(), args.seed_replaces).await?;
        return serve(args, listeners, registry, Begun::default(), printer).await;
    }
    match (&args.data, seed) {
        (Some(directory), Some(seed)) => {
            let registry = data_directory::open(directory, args.accept_loss, printer).await?;
            data_directory::seed(&registry, &seed, args.seed_replaces, directory.display()).await?;
            let failed = registry.failed();
            until_failure(serve(args, listeners, registry, Begun::default(), printer), failed).await
        }
        (Some(directory), None) => {
            let registry = data_directory::open(directory, args.accept_loss, printer).await?;
            let org = data_directory::default_unless_others(&registry, directory).await?;
            let failed = registry.failed();
            let begun = Begun { org, throwaway: None };
            until_failure(serve(args, listeners, registry, begun, printer), failed).await
        }
        (None, seed) => {
            let org = if seed.is_none() { Some(DefaultOrg::generate()?) } else { None };
            let seed = seed.or_else(|| org.as_ref().map(DefaultOrg::seed)).unwrap_or_default();
            let registry = MemoryRegistry::default();
            registry.apply_seed(&seed, data_directory::now()?).await?;
            let throwaway = Some(admin::throwaway(&registry, seed));
            serve(args, listeners, registry, Begun { org, throwaway }, printer).await
        }
    }
}

/// Serves until the files of the registry are found removed or replaced: whatever is acknowledged
/// from then on would be lost.
async fn until_failure(
    served: impl Future<Output = Result<Ended, Failure>>,
    failed: impl Future<Output = RegistryError>,
) -> Result<Ended, Failure> {
    tokio::select! {
        result = served => result,
        error = failed => Err(error.into()),
    }
}

async fn serve<R: Registry>(
    args: &Args,
    listeners: Listeners,
    registry: R,
    begun: Begun,
    printer: &Printer,
) -> Result<Ended, Failure> {
    let Listeners { server, admin: admin_listener } = listeners;
    let server = args.limit(server);
    let watch = admin_listener.is_some().then(Watch::new);
    let service = args.service(registry, watch.as_ref(), printer);
    // Before clients learn that the server is up, so that no signal finds it without handlers.
    let signals = signals::count().context("failed to install signal handlers")?;
    let admin_address = admin_listener.as_ref().map(TcpListener::local_addr).transpose();
    let admin_address = admin_address.context("the admin listener has no address")?;
    let running = Running {
        port: server.address().port(),
        url: local_url(if args.tls_cert.is_some() { "https" } else { "http" }, server.address()),
        admin: admin_address.map(|address| local_url("http", address)),
        org: begun.org,
    };
    // For `portal serve env` and `portal requests` only: without a home directory the server runs all
    // the same.
    let _registration = running.register().ok();
    let is_draining = Arc::new(AtomicBool::new(false));
    if let (Some(listener), Some(watch), Some(address)) = (admin_listener, watch, admin_address) {
        let admin = Admin {
            service: service.clone(),
            watch,
            address,
            allowed_hosts: args.allowed_hosts.clone(),
            url: running.url.clone(),
            default_org_at: running.org.as_ref().map(|_| running.port),
            throwaway: begun.throwaway,
            is_draining: Arc::clone(&is_draining),
        };
        admin_listener::serve(listener, admin);
    }
    if args.command.is_empty() {
        announce(&args.served(&service, &running).await?, printer);
    }
    if args.open {
        admin::open(running.admin.as_deref(), printer);
    }
    let mut command = match args.start_command(&running) {
        Ok(command) => command,
        Err(error) => {
            let program = args.command.first().map(OsString::as_os_str).unwrap_or_default();
            let program = program.display();
            let status = child::status_of(&error);
            Failure::from(anyhow::anyhow!("cannot run {program}: {error}")).print(printer);
            return Ok(Ended::Command(status));
        }
    };
    let mut status = None;
    let shutdown = async {
        match &mut command {
            None => signals::reached(signals.clone(), 1).await,
            Some(child) => status = Some(until_end(child, signals.clone()).await),
        }
        is_draining.store(true, Ordering::Relaxed);
    };
    tokio::select! {
        () = server.serve(service, shutdown) => {}
        () = signals::reached(signals.clone(), 2) => {
            printer.warning("stopped before open requests completed");
            return Ok(Ended::With(ExitClass::Stopped));
        }
    }
    match status {
        None => Ok(Ended::With(ExitClass::Success)),
        Some(status) => Ok(Ended::Command(child::status(status?))),
    }
}

/// Waits for the end of a command, to which signals to this process are passed on.
#[cfg(unix)]
async fn until_end(
    child: &mut Child,
    mut signals: watch::Receiver<Received>,
) -> io::Result<ExitStatus> {
    loop {
        tokio::select! {
            status = child.wait() => return status,
            kind = signals::next(&mut signals) => {
                // A terminal sends Ctrl-C to the command too, which decides itself what to do.
                if kind != signals::Kind::Interrupt || !io::stdin().is_terminal() {
                    child::pass_on(child, kind);
                }
            }
        }
    }
}

#[cfg(not(unix))]
async fn until_end(child: &mut Child, _: watch::Receiver<Received>) -> io::Result<ExitStatus> {
    child.wait().await
}

impl Args {
    pub(crate) fn logs_json(&self) -> bool {
        self.log == Some(LogFormat::Json)
    }

    fn limit(&self, server: Server) -> Server {
        let mut limits = ServerLimits::default();
        limits.max_connections = usize::try_from(self.max_connections).unwrap_or(usize::MAX);
        limits.shutdown_timeout = self.shutdown_timeout.into();
        if self.behind_proxy {
            // All connections come from the proxy.
            limits.max_connections_per_peer = None;
        }
        let hosts = self.allowed_hosts.iter();
        hosts.fold(server.with_limits(limits), Server::allow_host)
    }

    fn service<R: Registry>(
        &self,
        registry: R,
        watch: Option<&Watch>,
        printer: &Printer,
    ) -> PortalService<R> {
        let mut service = PortalService::builder(registry);
        if let Some(url) = &self.public_url {
            service = service.public_url(url);
        }
        if self.refuse_bearer {
            service = service.refuse_bearer();
        }
        if self.enforce_limits {
            service = service.enforce_limits();
        }
        for fault in &self.faults {
            service = service.fault(fault.clone());
        }
        let log = self.log.or(io::stderr().is_terminal().then_some(LogFormat::Text));
        if watch.is_some() || log.is_some() {
            let (watch, printer) = (watch.cloned(), printer.clone());
            service = service.on_request(move |request| {
                if let Some(watch) = &watch {
                    watch.notice(request);
                }
                match log {
                    Some(LogFormat::Text) => printer.styled(ServedCall::from(request).styled()),
                    Some(LogFormat::Json) => printer.styled(ServedCall::from(request).json()),
                    None => {}
                }
            });
        }
        service.build()
    }

    /// What is told at the start.
    async fn served<'a, R: Registry>(
        &'a self,
        service: &PortalService<R>,
        running: &'a Running,
    ) -> Result<Served<'a>, Failure> {
        let orgs = service.registry().orgs().await?;
        let mut portals = Some(0);
        if orgs.len() > COUNTED_ORGS {
            portals = None;
        } else {
            for org in &orgs {
                let more = service.registry().portals(org.id).await?.len();
                portals = portals.map(|portals| portals + more);
            }
        }
        let kept_in = match (&self.data, &self.database_url) {
            (Some(directory), _) => Some(directory.display().to_string()),
            (None, Some(_)) => Some("a database".to_owned()),
            (None, None) => None,
        };
        Ok(Served { running, orgs: orgs.len(), portals, kept_in, faults: &self.faults })
    }

    /// Starts the command, if there is one.
    fn start_command(&self, running: &Running) -> io::Result<Option<Child>> {
        if self.command.is_empty() {
            return Ok(None);
        }
        child::start(&self.command, &announce::variables(running)).map(Some)
    }
}

/// The portals of more orgs are not counted at the start.
const COUNTED_ORGS: usize = 1000;

fn default_max_connections() -> u32 {
    u32::try_from(ServerLimits::default().max_connections).unwrap_or(u32::MAX)
}

fn public_url(text: &str) -> Result<String, &'static str> {
    if text.starts_with("https://") || text.starts_with("http://") {
        Ok(text.to_owned())
    } else {
        Err("expected a URL such as https://portals.example.com")
    }
}
