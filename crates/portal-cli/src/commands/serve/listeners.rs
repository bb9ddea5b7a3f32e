//! Where a server and its inspector listen.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::SystemTime;

use portal_http::server::{Listener, Server, ServerTls, TlsEvent};
use tokio::net::TcpListener;

use super::address::AdminListen;
use super::args::Args;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

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
    let printer = printer.clone();
    tokio::spawn(tls.clone().watch(move |event| say(&event, &printer)));
    Ok(server.with_tls(tls))
}

/// Says what becomes of the certificate.
fn say(event: &TlsEvent, printer: &Printer) {
    match event {
        TlsEvent::Replaced => printer.note("the certificate was replaced"),
        TlsEvent::Kept(error) => {
            printer.warning(format_args!("the server keeps its certificate: {error}"));
        }
        TlsEvent::Expires(at) => {
            let date = humantime::format_rfc3339_seconds(*at);
            let verb = if *at < SystemTime::now() { "expired" } else { "expires" };
            printer.warning(format_args!("the certificate {verb} at {date}: renew it"));
        }
        _ => {}
    }
}

/// Binds where it is wanted; without an argument on a free port of loopback.
pub(super) async fn bind_inspector(
    listen: Option<AdminListen>,
    printer: &Printer,
) -> Result<Option<Listener>, Failure> {
    match listen {
        Some(AdminListen::Off) => Ok(None),
        Some(AdminListen::At(address)) => {
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
        None => {
            let free = INSPECTOR_PORTS.chain([0]).map(|port| (Ipv4Addr::LOCALHOST, port).into());
            let bound = TcpListener::bind(&*free.collect::<Vec<SocketAddr>>()).await;
            // Nobody asked for it, and the service does without.
            let warn = |error| printer.warning(format_args!("no admin listener: {error}"));
            Ok(bound.map_err(warn).ok().map(Listener::from))
        }
    }
}
