//! Where a server and its inspector listen.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, SystemTime};

use portal_http::server::{Listener, Server, ServerTls};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::address::AdminListen;
use super::args::Args;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

/// How often to look whether the files of the certificate have changed.
const TLS_INTERVAL: Duration = Duration::from_secs(5);
/// How long before its expiry a certificate is told to be renewed, and how often.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
const WARN_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// The ports that are tried for the inspector, before any free one.
const INSPECTOR_PORTS: Range<u16> = 8781..8881;

/// Reads the certificate, without which only loopback or a proxy may reach the server.
pub(super) fn read_tls(args: &Args) -> Result<Option<ServerTls>, Failure> {
    let files = args.tls_cert.as_ref().zip(args.tls_key.as_ref());
    let tls = files.map(|(chain, key)| ServerTls::from_files(chain, key)).transpose();
    let tls = tls.map_err(|error| Failure::usage(error.to_string()))?;
    let listen = args.listen();
    if listen.is_loopback() || args.behind_proxy || tls.is_some() {
        return Ok(tls);
    }
    let message = format!(
        "plain HTTP on {listen} would expose tokens on the network: expected a loopback address"
    );
    let hint = "listen on 127.0.0.1, pass `--tls-cert` and `--tls-key`, or pass `--behind-proxy` if \
                a proxy terminates TLS";
    Err(Failure::usage(message).hint(hint))
}

pub(super) async fn bind(
    args: &Args,
    tls: Option<ServerTls>,
    printer: &Printer,
) -> Result<Server, Failure> {
    let server = Server::on(args.listen().bind().await?).with_limits(args.limits());
    let server = args.allowed_hosts.iter().fold(server, Server::allow_host);
    let Some(tls) = tls else { return Ok(server) };
    tokio::spawn(reload(tls.clone(), printer.clone()));
    Ok(server.with_tls(tls))
}

/// Reads the files of the certificate again whenever they change, and warns of its expiry.
async fn reload(tls: ServerTls, printer: Printer) {
    // The last failure, and the last one that was told.
    let (mut failed, mut told) = (None, None);
    let mut warn_at = SystemTime::now();
    loop {
        if SystemTime::now() >= warn_at
            && let Some(expires) = tls.expires()
            && expires < SystemTime::now() + EXPIRES_SOON
        {
            let date = humantime::format_rfc3339_seconds(expires);
            let verb = if expires < SystemTime::now() { "expired" } else { "expires" };
            printer.warning(format_args!("the certificate {verb} at {date}: renew it"));
            warn_at = SystemTime::now() + WARN_INTERVAL;
        }
        sleep(TLS_INTERVAL).await;
        match tls.reload() {
            Ok(replaced) => {
                (failed, told) = (None, None);
                if replaced {
                    printer.note("the certificate was replaced");
                    warn_at = SystemTime::now();
                }
            }
            Err(error) => {
                let why = Some(error.to_string());
                // Each reason once, and not at first: one file is replaced before the other.
                if why == failed && why != told {
                    printer.warning(format_args!("the server keeps its certificate: {error}"));
                    told.clone_from(&why);
                }
                failed = why;
            }
        }
    }
}

/// Binds where it is wanted; without an argument on a free port of loopback.
pub(super) async fn bind_inspector(
    listen: Option<AdminListen>,
    printer: &Printer,
) -> Result<Option<Listener>, Failure> {
    match listen.unwrap_or(AdminListen::Free) {
        AdminListen::Off => Ok(None),
        AdminListen::At(address) => {
            let listener = address.bind().await.map_err(|error| {
                let message =
                    format!("cannot serve `--admin-listen`: {:#}", anyhow::Error::new(error));
                Failure::usage(message).hint("pass another address, or `none`")
            })?;
            if !address.is_loopback() {
                printer.warning(
                    "the admin listener does not authenticate: anyone who can reach it can look in",
                );
            }
            Ok(Some(listener))
        }
        AdminListen::Free => {
            let free = INSPECTOR_PORTS.chain([0]).map(|port| (Ipv4Addr::LOCALHOST, port).into());
            let bound = TcpListener::bind(&*free.collect::<Vec<SocketAddr>>()).await;
            // Nobody asked for it, and the service does without.
            let warn = |error| printer.warning(format_args!("no admin listener: {error}"));
            Ok(bound.map_err(warn).ok().map(Listener::from))
        }
    }
}
