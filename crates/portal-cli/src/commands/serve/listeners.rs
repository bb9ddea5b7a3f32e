//! Where a server and its inspector listen.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use portal_http::server::{Server, ServerTls};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::address::AdminListen;
use super::args::Args;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

/// How often to look whether the files of the certificate have changed.
const TLS_INTERVAL: Duration = Duration::from_secs(5);
/// The ports that are tried for the inspector, before any free one.
const INSPECTOR_PORTS: Range<u16> = 8781..8881;

/// Reads the certificate, without which only loopback or a proxy may reach the server.
pub(super) fn read_tls(args: &Args) -> Result<Option<ServerTls>, Failure> {
    let files = args.tls_cert.as_ref().zip(args.tls_key.as_ref());
    let tls = files.map(|(chain, key)| ServerTls::from_files(chain, key)).transpose();
    let tls = tls.map_err(|error| Failure::usage(error.to_string()))?;
    let listen = args.listen();
    if listen.ip().to_canonical().is_loopback() || args.behind_proxy || tls.is_some() {
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
    let server = Server::bind(args.listen()).await?.with_limits(args.limits());
    let server = args.allowed_hosts.iter().fold(server, Server::allow_host);
    let Some(tls) = tls else { return Ok(server) };
    tokio::spawn(reload(tls.clone(), printer.clone()));
    Ok(server.with_tls(tls))
}

/// Reads the files of the certificate again whenever they change.
async fn reload(tls: ServerTls, printer: Printer) {
    let mut failures = 0_u32;
    loop {
        sleep(TLS_INTERVAL).await;
        match tls.reload() {
            Ok(replaced) => {
                failures = 0;
                if replaced {
                    printer.note("the certificate was replaced");
                }
            }
            Err(error) => {
                failures += 1;
                // Once, and not at first: one file is replaced before the other.
                if failures == 2 {
                    printer.warning(format_args!("the server keeps its certificate: {error}"));
                }
            }
        }
    }
}

/// Binds where it is wanted; without an argument on a free port of loopback.
pub(super) async fn bind_inspector(
    listen: Option<AdminListen>,
    printer: &Printer,
) -> Result<Option<TcpListener>, Failure> {
    match listen.unwrap_or(AdminListen::Free) {
        AdminListen::Off => Ok(None),
        AdminListen::At(address) => {
            let listener = TcpListener::bind(address).await.map_err(|error| {
                let message = format!("cannot listen on {address} for `--admin-listen`: {error}");
                Failure::usage(message).hint("pass another address, or `none`")
            })?;
            if !address.ip().to_canonical().is_loopback() {
                printer.warning(
                    "the admin listener asks nobody who they are: all who can reach it can look in",
                );
            }
            Ok(Some(listener))
        }
        AdminListen::Free => {
            let free = INSPECTOR_PORTS.chain([0]).map(|port| (Ipv4Addr::LOCALHOST, port).into());
            let bound = TcpListener::bind(&*free.collect::<Vec<SocketAddr>>()).await;
            // Nobody asked for it, and the service does without.
            let warn = |error| printer.warning(format_args!("no admin listener: {error}"));
            Ok(bound.map_err(warn).ok())
        }
    }
}
