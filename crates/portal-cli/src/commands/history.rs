//! `portal history`: earlier creates and renames, and what came of them.

use std::collections::HashSet;
use std::time::SystemTime;

use portal_ledger::{Clock, Entry, Filter};
use portal_model::Operation;
use portal_model::name::{is_same_name, name_key};

use crate::commands::candidates;
use crate::commands::sections::{Environment, STATE};
use crate::org::ledger;
use crate::org::profile::Profiles;
use crate::report::entry::EntryObject;
use crate::report::failure::{ExitClass, Failure};
use crate::sys::directories;
use crate::terminal::printer::Printer;

/// List earlier creates and renames, newest first
///
/// Reads the ledger, in which every create and rename of this user on this machine is recorded
/// before it is sent; nothing is sent. What is open has not ended: it is under way, or its process
/// was killed or interrupted while a request was in doubt, and `portal recover` determines the
/// outcome.
///
/// # Examples
///
///     portal history
///     portal history --open
///     portal history --output json > backup.jsonl
///
/// # See also
/// recover, create
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, add = Environment(&[STATE]))]
pub(crate) struct Args {
    /// Only of this portal, under any of its names
    #[arg(add = candidates::names(false))]
    name: Option<String>,
    /// Only what has not ended, or is in doubt
    #[arg(long)]
    open: bool,
    /// Only of this profile
    #[arg(long, value_name = "NAME", add = candidates::profiles())]
    profile: Option<String>,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    // All of them: what a portal is called by now, those of other profiles tell.
    let entries = ledger::entries(ledger::Place::new()?, &Filter::default()).await?;
    let old_name = |entry: &Entry| match &entry.operation {
        Operation::Create(_) => None,
        Operation::Rename(rename) => Some(name_key(&rename.old)),
    };
    let old_names: HashSet<_> = entries.iter().filter_map(old_name).collect();
    let named = entries.iter().map(|entry| {
        let is_renamed = entry.may_be_own() && old_names.contains(&name_key(entry.name()));
        let by_now = if is_renamed { entry.name_by_now(&entries) } else { None };
        (entry, by_now.filter(|name| *name != entry.name()))
    });
    let is_wanted = |(entry, by_now): &(&Entry, Option<&str>)| {
        let is_named = args.name.as_ref().is_none_or(|name| {
            let is_named_now = by_now.is_some_and(|now| is_same_name(now, name));
            is_named_now || entry.operation.concerns(name)
        });
        is_named
            && (args.profile.is_none() || entry.label == args.profile)
            && (!args.open || entry.is_unfinished())
    };
    let wanted: Vec<_> = named.filter(is_wanted).collect();
    if let (Some(profile), []) = (&args.profile, &*wanted) {
        // One that was removed may have left entries.
        Profiles::load(&directories::config()?)?.entry(profile)?;
    }
    let (now, time) = (Clock::system().now(), SystemTime::now());
    printer.annotated_table(wanted.iter().map(|(entry, by_now)| {
        let object = EntryObject::new(entry, *by_now, &now);
        (object.cells(time), object.note(), object)
    }));
    if !printer.is_json() {
        let of = |of: &str, what: &Option<String>| {
            what.as_ref().map(|what| format!(" {of} {what}")).unwrap_or_default()
        };
        let of = of("of", &args.name) + &of("with the profile", &args.profile);
        let open = if args.open { "open " } else { "" };
        let count = match wanted.len() {
            0 => format!("no {open}create or rename{of}"),
            1 => "1 create or rename".to_owned(),
            count => format!("{count} creates and renames"),
        };
        printer.note(format_args!("{count} in {}", ledger::Place::new()?));
    }
    Ok(ExitClass::Success)
}
