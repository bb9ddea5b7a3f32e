//! `portal profiles`: lists the profiles.

use serde::Serialize;

use crate::org::identity::OrgId;
use crate::org::profile::{Entry, Hosts, Profiles};
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::sys::directories;
use crate::terminal::printer::Printer;

/// List the profiles that `portal login` stored
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  portal profiles --output json")]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Listed<'a> {
    profile: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_center: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_domain: Option<String>,
    accounts_url: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a OrgId>,
}

pub(crate) fn run(printer: &Printer) -> Result<ExitClass, Failure> {
    let profiles = Profiles::load(&directories::config()?)?;
    let entries = profiles.entries();
    if entries.is_empty() {
        printer.hint("run `portal login` to create a profile");
    }
    // Formatting panics beyond 65,535 columns, and a file may have anything.
    let width = |cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or_default().min(80);
    let names = width(&mut entries.keys().map(String::len));
    let hosts = width(&mut entries.values().map(|entry| entry.hosts.to_string().len()));
    for (name, entry) in entries {
        let Entry { hosts: place, client_id, org } = entry;
        let org = org.as_ref().map(|org| format!("  {org}")).unwrap_or_default();
        printer.result(
            format_args!("{name:names$}  {place:hosts$}  {client_id}{org}"),
            &listed(name, entry),
        );
    }
    Ok(ExitClass::Success)
}

fn listed<'a>(profile: &'a str, entry: &'a Entry) -> Listed<'a> {
    let data_center = match &entry.hosts {
        Hosts::DataCenter(data_center) => Some(data_center.code()),
        Hosts::Urls { .. } => None,
    };
    Listed {
        profile,
        data_center,
        api_domain: entry.hosts.api_domain().url(),
        accounts_url: entry.hosts.accounts_url(),
        client_id: &entry.client_id,
        org: entry.org.as_ref(),
    }
}
