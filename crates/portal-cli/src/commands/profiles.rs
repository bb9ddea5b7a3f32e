//! `portal profiles`: lists, shows and renames profiles, and chooses the default one.

use std::path::Path;

use clap::Subcommand;
use portal_ledger::Filter;
use portal_model::{DataCenter, Org};
use serde::Serialize;
use serde_json::json;

use crate::commands::candidates;
use crate::org::ledger;
use crate::org::profile::{self, Entry, Profiles};
use crate::report::failure::{ExitClass, Failure};
use crate::report::wrap::aligned;
use crate::sys::directories;
use crate::terminal::printer::Printer;

/// List and change the profiles that `portal login` stored
///
/// Without a command lists the profiles. `portal logout` removes one.
///
/// # Examples
///
///     portal profiles
///     portal profiles use acme
///     portal profiles --output json
///
/// # See also
/// login, logout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show one profile, without its secrets
    Show {
        /// The profile
        #[arg(value_name = "PROFILE", add = candidates::profiles())]
        name: String,
    },
    /// Make a profile the default
    Use {
        /// The profile that is used where no flag and no variable selects an org
        #[arg(value_name = "PROFILE", add = candidates::profiles())]
        name: String,
    },
    /// Rename a profile
    Rename {
        /// The current name
        #[arg(value_name = "OLD", add = candidates::profiles())]
        old: String,
        /// The new name
        #[arg(value_name = "NEW")]
        new: String,
    },
}

/// A profile, without its secrets.
#[derive(Serialize)]
struct Listed<'a> {
    profile: &'a str,
    /// Absent for another server, such as `portal serve`.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_center: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_domain: Option<String>,
    accounts_url: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a Org>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<&'a Path>,
    /// Present if this profile is used where no other org is named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    default: bool,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let directory = directories::config()?;
    let profiles = Profiles::load(&directory)?;
    match &args.command {
        None => list(&profiles, |_| true, printer),
        Some(Command::Show { name }) => show(&profiles, name, printer)?,
        Some(Command::Use { name }) => {
            let entry = profiles.entry(name)?;
            profile::set_default(&directory, name)?;
            let org = entry.org.as_ref().map(|org| format!(" (org {org})")).unwrap_or_default();
            printer.result(
                format_args!("{name}{org} is the default profile now"),
                &json!({ "outcome": "default", "profile": name }),
            );
        }
        Some(Command::Rename { old, new }) => {
            profiles.entry(old)?;
            profile::check_name(new)?;
            if profiles.entries().contains_key(new) {
                return Err(Failure::usage(format!("there is a profile {new} already"))
                    .hint(format!("`portal logout --profile {new}` removes it")));
            }
            refuse_if_unfinished(old).await?;
            profile::rename(&directory, old, new)?;
            printer.result(
                format_args!("profile {old} is now called {new}"),
                &json!({ "outcome": "renamed", "old_profile": old, "profile": new }),
            );
            if has_rows(old).await {
                printer.warning(format_args!(
                    "a batch takes rows of {new} for new ones, also those that created their portal as {old}"
                ));
            }
        }
    }
    Ok(ExitClass::Success)
}

/// Lists the profiles with these names.
pub(super) fn list(profiles: &Profiles, names: impl Fn(&str) -> bool, printer: &Printer) {
    let entries = profiles.entries();
    if entries.is_empty() {
        printer.hint("run `portal login` to create a profile");
    }
    printer.table(entries.iter().filter(|(name, _)| names(name)).map(|(name, entry)| {
        let Entry { hosts, client_id, org, .. } = entry;
        let org = org.as_ref().map(|org| format!("  {org}")).unwrap_or_default();
        let listed = listed(profiles, name, entry);
        let default = if listed.default { "  default" } else { "" };
        ([name.clone(), hosts.to_string(), format!("{client_id}{org}{default}")], listed)
    }));
}

fn show(profiles: &Profiles, name: &str, printer: &Printer) -> Result<(), Failure> {
    let entry = profiles.entry(name)?;
    let listed = listed(profiles, name, entry);
    let unknown = || "unknown (the token cannot read it)".to_owned();
    let facts = [
        ("profile", name.to_owned()),
        ("org", entry.org.as_ref().map_or_else(unknown, ToString::to_string)),
        ("data center", listed.data_center.unwrap_or("none").to_owned()),
        ("API", listed.api_domain.clone().unwrap_or_default()),
        ("accounts", listed.accounts_url.to_owned()),
        ("client id", listed.client_id.to_owned()),
        ("default", if listed.default { "yes" } else { "no" }.to_owned()),
    ];
    let facts = facts.map(|(label, text)| [label.to_owned(), text]).to_vec();
    printer.result(aligned(facts).join("\n"), &listed);
    Ok(())
}

/// Whether rows of a batch were begun with the profile, under whose name the ledger knows them.
async fn has_rows(name: &str) -> bool {
    let mut filter = Filter::default();
    filter.labels = Some([name.to_owned()].into());
    let Ok(place) = ledger::Place::new() else { return false };
    let entries = ledger::entries(place, &filter).await;
    entries.is_ok_and(|entries| entries.iter().any(|entry| entry.key.is_some()))
}

/// A recovery opens the profile that a create was begun with, by its name.
pub(super) async fn refuse_if_unfinished(name: &str) -> Result<(), Failure> {
    match ledger::unfinished(Some(name)).await?.first() {
        None => Ok(()),
        Some(entry) => Err(Failure::usage(format!(
            "the outcome of {}, begun with the profile {name}, is not determined yet",
            entry.name()
        ))
        .hint(format!("run `portal recover {} --profile {name}` first", entry.name()))),
    }
}

fn listed<'a>(profiles: &Profiles, profile: &'a str, entry: &'a Entry) -> Listed<'a> {
    Listed {
        profile,
        data_center: entry.hosts.data_center().map(DataCenter::code),
        api_domain: entry.hosts.api.url(),
        accounts_url: entry.hosts.accounts.as_deref().unwrap_or_default(),
        client_id: &entry.client_id,
        org: entry.org.as_ref(),
        ca_file: entry.ca_file.as_deref(),
        default: profiles.default_name() == Some(profile),
    }
}
