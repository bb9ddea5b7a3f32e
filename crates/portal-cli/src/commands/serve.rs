//! `portal serve`: the service, to rehearse on.

mod address;
mod announce;
mod args;
mod child;
mod exposure;
mod listeners;
mod profiles;
mod registry;
mod shell;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::sync::{Arc, Weak};

use futures_util::StreamExt as _;
use futures_util::future::{LocalBoxFuture, OptionFuture};
#[cfg(unix)]
use futures_util::stream;
use futures_util::stream::BoxStream;
use portal_http::server::{Listener, PortalService, PortalServiceBuilder, RequestRecord, Server};
use portal_inspect::{Inspector, Watch};
use portal_model::neutral::printable;
use portal_store::{Registry, RegistryError};
use tokio::process::Child;
use tokio::sync::Notify;

use self::announce::{announce, local_url};
pub(crate) use self::args::Args;
use self::args::Subcommand;
use self::registry::Opened;
use self::shell::Shell;
use crate::org::running::{Running, ServedOrg, Times};
use crate::report::failure::{ExitClass, Failure};
#[cfg(unix)]
use crate::sys::signal::parent_ended;
use crate::sys::signal::{Kind, signals};
use crate::terminal::printer::{Output, Printer, json_line};
use crate::terminal::served_request;

/// How serving ended.
enum Ended {
    With(ExitClass),
    /// The command ended, with this status.
    Command(u8),
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    match &args.subcommand {
        Some(Subcommand::Env { port, shell, org }) => {
            return env(*port, *shell, org.as_deref(), printer);
        }
        Some(Subcommand::Profiles { port }) => return profiles::run(*port, printer).await,
        #[cfg(target_os = "linux")]
        Some(Subcommand::Tethered { server, program }) => {
            std::process::exit(child::become_program(*server, program, printer).into())
        }
        None => {}
    }
    match open_and_serve(args, printer).await? {
        Ended::With(exit) => Ok(exit),
        // By now the server and its registry are closed.
        Ended::Command(status) => std::process::exit(status.into()),
    }
}

/// Prints how to reach a server that runs.
fn env(
    port: Option<u16>,
    shell: Shell,
    org: Option<&str>,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    let running = Running::find(port)?;
    if running.orgs.is_empty() {
        let url = &running.url;
        let message =
            format!("the credentials of the orgs at {url} are with who seeded its database");
        return Err(Failure::usage(message));
    }
    let org = ServedOrg::credentials_of(&running.orgs, org.or(running.org.as_deref()))?;
    let variables = announce::variables(&running, Some(org));
    // For a shell, also on a terminal: without more line breaks.
    if !printer.is_json() {
        printer.write(&printable(&(shell.environment(&variables) + "\n")));
    }
    printer.json(&BTreeMap::from_iter(variables));
    Ok(ExitClass::Success)
}

async fn open_and_serve(args: &Args, printer: &Printer) -> Result<Ended, Failure> {
    // Check everything that can be wrong before creating anything.
    let tls = listeners::read_tls(args)?;
    // Before clients learn that the server is up, so that no signal finds it without handlers.
    let signals = signals();
    #[cfg(unix)]
    let signals = if args.exit_with_parent {
        let ended = stream::once(parent_ended()).map(|()| Kind::Terminate);
        stream::select(signals, ended).boxed()
    } else {
        signals
    };
    exposure::warn(args, printer);
    let seed = registry::read_seed(args)?;
    if let (Some(org), Some(seed)) = (&args.org, &seed) {
        ServedOrg::credentials_of(&ServedOrg::all_of(seed), Some(org))?;
    }
    let server = listeners::bind(args, tls, printer).await?;
    let inspector = listeners::bind_inspector(args.admin_listen, printer).await?;
    match (&args.database_url, &args.data) {
        (Some(url), _) => {
            let opened = registry::in_database(url, seed, args.seed_replaces).await?;
            serve(args, server, inspector, opened, signals, printer).await
        }
        (None, Some(directory)) => {
            let opened = registry::in_directory(directory, seed, args, printer).await?;
            serve(args, server, inspector, opened, signals, printer).await
        }
        (None, None) => {
            let opened = registry::in_memory(seed).await?;
            serve(args, server, inspector, opened, signals, printer).await
        }
    }
}

async fn serve<R: Registry>(
    args: &Args,
    server: Server,
    listener: Option<Listener>,
    opened: Opened<R>,
    signals: BoxStream<'static, Kind>,
    printer: &Printer,
) -> Result<Ended, Failure> {
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    let Opened { registry, orgs, throwaway, failed } = opened;
    let watch = listener.as_ref().map(|_| Watch::new());
    let service = service(args, registry, watch.clone(), printer);
    let admin = listener.as_ref().map(|listener| local_url("http", listener.address()));
    let mut running = Running {
        port: server.address().port(),
        url: local_url(scheme, server.address()),
        admin,
        orgs,
        org: args.org.clone(),
        times: Times::with_faults(&args.faults),
        file: None,
    };
    let reached = ServedOrg::credentials_of(&running.orgs, args.org.as_deref()).ok().cloned();
    // Without a home directory the server runs all the same, and is assumed to be as slow as any.
    let registration = running.register().ok().map(Arc::new);
    if let (Some(listener), Some(watch)) = (listener, watch.clone()) {
        let mut inspector = Inspector::new(service.clone(), watch, &running.url);
        inspector = args.allowed_hosts.iter().fold(inspector, Inspector::allow_host);
        if reached.is_some() {
            let command = format!("portal serve env --port {}", running.port);
            inspector = inspector.environment_command(command);
        }
        let (known, weak) = (running.clone(), registration.as_ref().map(Arc::downgrade));
        inspector = inspector.on_faults(move |faults| {
            let running = Running { times: Times::with_faults(faults), ..known.clone() };
            if let Some(registration) = weak.as_ref().and_then(Weak::upgrade) {
                // On a full disk, commands go by what was known before.
                let _ = registration.update(&running);
            }
        });
        if let Some((registry, seed)) = throwaway {
            inspector = inspector.throwaway(registry, seed);
        }
        tokio::spawn(inspector.serve(listener));
    }
    if args.command.is_empty() {
        announce(args, &running, service.registry(), printer).await?;
    }
    let child =
        match child::start(&args.command, announce::variables(&running, reached.as_ref()), printer)
        {
            Ok(child) => child,
            Err(error) => {
                return Ok(Ended::Command(child::not_started(&args.command, &error, printer)));
            }
        };
    let shutdown = Notify::new();
    let begin_shutdown = || {
        watch.iter().for_each(Watch::begin_shutdown);
        shutdown.notify_one();
    };
    let work = server.serve(service, shutdown.notified());
    until_shutdown(work, begin_shutdown, child, signals, failed, printer).await
}

/// Serves until a signal or the end of `child`, and until open requests completed.
async fn until_shutdown(
    served: impl Future<Output = ()>,
    begin_shutdown: impl Fn(),
    mut child: Option<Child>,
    mut signals: BoxStream<'static, Kind>,
    mut failed: LocalBoxFuture<'static, RegistryError>,
    printer: &Printer,
) -> Result<Ended, Failure> {
    let mut served = pin!(served);
    let (mut received, mut status, mut failure) = (0, None, None);
    loop {
        tokio::select! {
            () = &mut served => break,
            Some(ended) = OptionFuture::from(child.as_mut().map(Child::wait)), if status.is_none() => {
                status = Some(ended);
                begin_shutdown();
            }
            Some(kind) = signals.next() => {
                received = match kind {
                    Kind::Interrupt | Kind::Terminate => received + 1,
                    // Kernel and shell may both send one when a terminal closes: nobody insists.
                    Kind::Hangup => received.max(1),
                };
                if received > 1 {
                    printer.warning("stopped before open requests completed");
                    return Ok(Ended::With(ExitClass::Stopped));
                }
                child.as_ref().map_or_else(&begin_shutdown, |child| child::pass_on(child, kind));
            }
            // Those who wait are told that it failed.
            error = &mut failed, if failure.is_none() => {
                failure = Some(error);
                begin_shutdown();
            }
        }
    }
    if let Some(error) = failure {
        return Err(error.into());
    }
    match status {
        None => Ok(Ended::With(ExitClass::Success)),
        Some(status) => Ok(Ended::Command(child::status(status?))),
    }
}

/// The service, with a callback for each request if anybody looks at it.
fn service<R: Registry>(
    args: &Args,
    registry: R,
    watch: Option<Watch>,
    printer: &Printer,
) -> PortalService<R> {
    let mut service = PortalService::builder(registry);
    if let Some(url) = &args.public_url {
        service = service.public_url(url.as_str());
    }
    if args.behind_proxy {
        service = service.behind_tls_proxy();
    }
    if args.refuse_bearer {
        service = service.refuse_bearer();
    }
    if args.enforce_limits {
        service = service.enforce_limits();
    }
    service = args.faults.iter().cloned().fold(service, PortalServiceBuilder::fault);
    let log =
        args.log.or((printer.is_verbose || io::stderr().is_terminal()).then_some(Output::Text));
    if watch.is_some() || log.is_some() {
        let printer = printer.clone();
        service = service.on_request(move |request| {
            if let Some(watch) = &watch {
                watch.notice(request);
            }
            let record = || RequestRecord::from(request);
            match log {
                Some(Output::Text) => printer.stderr(served_request::styled(&record())),
                // Strings and numbers always serialize.
                Some(Output::Json) => printer.stderr(json_line(&record()).unwrap_or_default()),
                None => {}
            }
        });
    }
    service.build()
}
