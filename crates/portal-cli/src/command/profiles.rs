//! `portal profiles`: which profiles there are.

use portal_model::outcome::ExitClass;
use serde::Serialize;

use crate::failure::Failure;
use crate::folders;
use crate::printer::Printer;
use crate::profile::{Entry, Hosts, Profiles};

/// List the profiles that `portal login` made
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
}

pub(crate) fn run(printer: &Printer) -> Result<ExitClass, Failure> {
    let profiles = Profiles::load(&folders::config()?)?;
    let entries = profiles.entries();
    if entries.is_empty() {
        printer.hint("there is no profile yet; `portal login --help` says how to make one");
    }
    let width = |cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or_default();
    let names = width(&mut entries.keys().map(String::len));
    let hosts = width(&mut entries.values().map(|entry| entry.hosts.to_string().len()));
    for (name, entry) in entries {
        let Entry { hosts: place, client_id } = entry;
        printer.result(
            format_args!("{name:names$}  {place:hosts$}  {client_id}"),
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
    }
}
