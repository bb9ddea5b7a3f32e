//! What a server says at its start: the URL, what it serves, and how other programs reach its org.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use portal_model::neutral::shell_word;
use portal_store::{Registry, RegistryError};
use schemars::JsonSchema;
use serde::Serialize;

use super::args::Args;
use crate::commands::batch::counted;
use crate::commands::sections::ORG;
use crate::org::default_org::DefaultOrg;
use crate::org::running::Running;
use crate::terminal::printer::Printer;

/// The portals of more orgs are not counted at the start.
const COUNTED_ORGS: usize = 1000;

/// The first line of `portal serve`.
#[derive(Serialize, JsonSchema)]
#[schemars(extend("dependentRequired" = { "client_id": ["client_secret", "refresh_token"] }))]
pub(in crate::commands) struct Listening<'a> {
    #[schemars(extend("const" = "listening"))]
    event: &'static str,
    /// The base URL of the API and of the accounts server.
    url: &'a str,
    /// Where the server can be looked into and controlled.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<&'a str>,
    #[serde(flatten)]
    org: Option<&'a DefaultOrg>,
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
    let Running { url, admin, org, port } = running;
    let (admin, org) = (admin.as_deref(), org.as_ref());
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
    if org.is_some() {
        lines.push("Other commands and programs reach its org with".to_owned());
        lines.push(exports(running, "  "));
        lines.push(format!("In another terminal: eval \"$(portal serve env --port {port})\""));
    }
    printer.note(lines.join("\n"));
    Ok(())
}

/// Opens the page in a browser.
pub(super) fn open_page(running: &Running, printer: &Printer) {
    let opened = match &running.admin {
        Some(url) => open::that_detached(url).map_err(|error| error.to_string()),
        None => Err("there is no admin listener".to_owned()),
    };
    if let Err(why) = opened {
        printer.warning(format_args!("the page was not opened: {why}"));
    }
}

/// The variables that lead other commands and programs to a running server.
#[derive(JsonSchema)]
#[schemars(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, clippy::struct_field_names, reason = "`variables` has them as pairs")]
pub(in crate::commands) struct Environment {
    portal_api_domain: String,
    portal_accounts_url: String,
    portal_client_id: String,
    portal_client_secret: String,
    portal_refresh_token: String,
    /// Where to look into it, if anywhere.
    #[schemars(skip_serializing_if = "Option::is_none")]
    portal_admin_url: Option<String>,
}

/// The variables that lead commands to an org, or tests to an admin listener.
pub(super) fn leading() -> impl Iterator<Item = &'static str> {
    ORG.names.iter().copied().chain(["PORTAL_ADMIN_URL"])
}

/// The environment that leads to the server, for a shell, and not to where it led before.
pub(super) fn exports(running: &Running, indent: &str) -> String {
    let variables = variables(running);
    let is_set = |name: &&str| variables.iter().any(|(other, _)| other == name);
    let others: Vec<_> = leading().filter(|name| !is_set(name)).collect();
    let unset = format!("{indent}unset {}", others.join(" "));
    let lines = variables.iter().map(|(name, value)| {
        // Credentials of kept data are in a file that its owner can write to.
        format!("{indent}export {name}={}", shell_word(value))
    });
    std::iter::once(unset).chain(lines).collect::<Vec<_>>().join("\n")
}

/// The environment that leads to the server and, if it is known, to its org.
pub(super) fn variables(running: &Running) -> Vec<(&'static str, &str)> {
    let url = running.url.as_str();
    let mut variables = vec![("PORTAL_API_DOMAIN", url), ("PORTAL_ACCOUNTS_URL", url)];
    if let Some(org) = &running.org {
        variables.extend([
            ("PORTAL_CLIENT_ID", org.client_id.as_str()),
            ("PORTAL_CLIENT_SECRET", org.client_secret.expose()),
            ("PORTAL_REFRESH_TOKEN", org.refresh_token.expose()),
        ]);
    }
    variables.extend(running.admin.as_deref().map(|admin| ("PORTAL_ADMIN_URL", admin)));
    variables
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
