//! `portal admin`: orgs, users and credentials of a server's registry, the log of all changes, and
//! backups.
//!
//! It opens the registry itself, as one more of the processes that may share it, so that it works
//! while servers run and while none does.

mod changes;
mod command;
mod lists;
mod registry;

use std::path::Path;

use portal_store::{PostgresRegistry, SqliteRegistry, sqlite};
use serde_json::json;

use self::command::Command;
use self::registry::{Admin, Place};
use crate::report::failure::{ExitClass, Failure};
use crate::sys::files;
use crate::terminal::printer::Printer;

/// Change orgs, users and credentials of a server, log and back up
///
/// It works on the data itself, whether servers run on it or not; they follow within a second. Start
/// them without `--seed` from then on: they refuse a seed that differs from what is kept.
///
/// # Examples
///
///     portal admin user add Acme ada@acme.example --data ./portals \
///       --permission manage_portal --permission manage_portal_users
///     portal admin credential add Acme ada@acme.example --data ./portals
///
/// # See also
/// serve
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, subcommand_value_name = "COMMAND", disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let (command, place) = (&args.command, &args.place);
    if let Command::Backup { file } = command {
        return backup(place, file, printer);
    }
    match (&place.data, &place.database_url) {
        (Some(data), _) if !data.join("registry.sqlite").exists() => {
            return Err(Failure::usage(format!("{} has no registry", data.display()))
                .hint("pass the data directory of a server, as `portal serve --data` has it"));
        }
        (Some(data), _) => {
            let registry = SqliteRegistry::open(data)?;
            Admin { registry, place, printer }.perform(command).await?;
        }
        (None, Some(url)) => {
            let registry = PostgresRegistry::open(url.expose()).await?;
            Admin { registry, place, printer }.perform(command).await?;
        }
        (None, None) => {
            return Err(Failure::usage("expected a registry, found no option for one")
                .hint("pass `--data DIR` or `--database-url URL`, as to `portal serve`"));
        }
    }
    Ok(ExitClass::Success)
}

/// Copies the data directory of a server, which may be running.
fn backup(place: &Place, file: &Path, printer: &Printer) -> Result<ExitClass, Failure> {
    let Some(data) = &place.data else {
        return Err(Failure::usage("expected a data directory, found no `--data`")
            .hint("pass `--data DIR`; PostgreSQL has tools of its own, such as pg_dump"));
    };
    files::refuse_same(&[("--data", data), ("FILE", file)])?;
    sqlite::backup(data, file)?;
    printer.result(
        format_args!("Backed up {} to {}", data.display(), file.display()),
        &json!({ "event": "backed_up", "file": file }),
    );
    Ok(ExitClass::Success)
}
