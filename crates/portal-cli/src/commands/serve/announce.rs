//! What a server says at its start: the URL, what it serves, and how other programs reach its org.

use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use portal_store::{Registry, RegistryError};
use serde::Serialize;

use super::args::Args;
use crate::commands::batch::counted;
use crate::org::default_org::OrgCredentials;
use crate::org::running::{self, Running};
use crate::report::place::flag_with;
use crate::terminal::printer::Printer;

/// The portals of more orgs are not counted at the start.
const COUNTED_ORGS: usize = 1000;

/// The first line of `portal serve`.
#[derive(Serialize)]
pub(super) struct Listening<'a> {
    event: &'static str,
    /// The base URL of the API and of the accounts server.
    url: &'a str,
    /// Where the server can be looked into and controlled.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<&'a str>,
    #[serde(flatten)]
    org: Option<&'a OrgCredentials>,
}

/// Says that it listens, and to people what it serves and how to use it.
pub(super) async fn announce(
    args: &Args,
    running: &Running,
    registry: &impl Registry,
    printer: &Printer,
) -> Result<(), RegistryError> {
    let orgs = registry.orgs().await?;
    let mut portals = String::new();
    if orgs.len() <= COUNTED_ORGS {
        let mut count = 0;
        for org in &orgs {
            count += registry.portals(org.id).await?.len();
        }
        portals = format!(" with {}", counted(count, "portal"));
    }
    let Running { url, admin, port, .. } = running;
    let admin = admin.as_deref();
    // The secrets of a seed are in the seed.
    let default = running.orgs.first().filter(|_| args.seed.is_none());
    let org = default.and_then(|org| org.credentials.as_ref());
    let listening = Listening { event: "listening", url, admin, org };
    printer.result(format_args!("Listening on {url}"), &listening);
    if printer.is_json() {
        return Ok(());
    }
    let kept = match (&args.data, &args.database_url) {
        (Some(directory), _) => format!("kept in {}", directory.display()),
        (None, Some(_)) => "kept in a database".to_owned(),
        (None, None) => "gone when it ends (`--data DIR` keeps them)".to_owned(),
    };
    let mut lines = vec![format!("Serving {}{portals}, {kept}", counted(orgs.len(), "org"))];
    if orgs.is_empty() {
        lines.push("No request can succeed: add an org by `--seed FILE` or `portal admin`".into());
    }
    lines.extend(args.faults.iter().map(|fault| format!("Fault: {fault}")));
    lines.extend(admin.map(|admin| format!("Look into it at {admin}/")));
    let with_token: Vec<_> = running.orgs.iter().filter(|org| org.credentials.is_some()).collect();
    if let Some(first) = with_token.first() {
        let is_clear = running.orgs.len() == 1 || running.org.is_some();
        let of = if is_clear { String::new() } else { flag_with("--org", &first.name) };
        let env = format!("portal serve env --port {port}{of}");
        lines.push(if cfg!(windows) {
            format!("In another PowerShell: {env} --shell powershell | Out-String | iex")
        } else {
            format!("In another terminal: eval \"$({env})\"")
        });
    }
    if with_token.len() > 1 {
        lines.push(format!("A profile for each org: portal serve profiles --port {port}"));
    }
    if args.behind_proxy && args.public_url.is_none() {
        lines.push("Tokens are for https:// and the host of each request (`--public-url`)".into());
    }
    printer.note(lines.join("\n"));
    Ok(())
}

/// The environment that leads to the server and, if it is known, to an org.
pub(super) fn variables(
    running: &Running,
    org: Option<&OrgCredentials>,
) -> Vec<(&'static str, String)> {
    let url = Some(running.url.as_str());
    let proxy = unproxied();
    let variables = [
        ("PORTAL_API_DOMAIN", url),
        ("PORTAL_ACCOUNTS_URL", url),
        ("PORTAL_CLIENT_ID", org.map(|org| org.client_id.as_str())),
        ("PORTAL_CLIENT_SECRET", org.map(|org| org.client_secret.expose())),
        ("PORTAL_REFRESH_TOKEN", org.map(|org| org.refresh_token.expose())),
        ("PORTAL_ADMIN_URL", running.admin.as_deref()),
        (running::VARIABLE, running.file.as_deref().and_then(Path::to_str)),
        ("NO_PROXY", proxy.as_deref()),
        ("no_proxy", proxy.as_deref()),
    ];
    variables.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))).collect()
}

/// The hosts that are reached without a proxy, this machine added, if there is a proxy at all: not
/// every client knows that loopback has none.
fn unproxied() -> Option<String> {
    const PROXIES: [&str; 6] =
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    const OWN: &str = "localhost,127.0.0.1,::1";
    let value = |name| env::var(name).ok().filter(|value| !value.is_empty());
    PROXIES.into_iter().find_map(env::var_os)?;
    // For curl `*` means all hosts only if it stands alone.
    let hosts = value("NO_PROXY").or_else(|| value("no_proxy"));
    Some(match hosts {
        None => OWN.to_owned(),
        Some(all) if all == "*" => all,
        Some(hosts) => format!("{hosts},{OWN}"),
    })
}

/// The URL by which this machine reaches the server.
pub(super) fn local_url(scheme: &str, mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("{scheme}://{address}")
}
