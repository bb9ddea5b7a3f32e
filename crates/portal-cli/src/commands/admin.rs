//! `portal admin`: orgs, users and credentials of a server's registry, and the log of all changes.
//!
//! It opens the registry itself, as one more of the processes that may share it, so that it works
//! while servers run and while none does.

mod changes;
mod lists;

use std::path::PathBuf;

use clap::Subcommand;
use portal_model::Secret;
use portal_model::neutral::shell_word;
use portal_store::{Administration, PostgresRegistry, Registry, RegistryError, SqliteRegistry};

use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorReport, Failure};
use crate::terminal::printer::Printer;

/// Change orgs, users and credentials of a server, and show who changed what
#[derive(Debug, clap::Args)]
#[command(
    subcommand_value_name = "COMMAND",
    disable_help_subcommand = true,
    after_help = "\
It works on the data itself, whether servers run on it or not; they follow within a second. Start them \
without `--seed` from then on: they refuse a seed that differs from what is kept.

Examples:
  portal admin user add Acme ada@acme.example --data ./portals \\
    --permission manage_portal --permission manage_portal_users
  portal admin credential add Acme ada@acme.example --data ./portals"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

/// Where the registry is.
#[derive(Debug, clap::Args)]
struct Place {
    /// The data directory, as `portal serve --data` has it
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The PostgreSQL database, as `portal serve --database-url` has it
    #[arg(long, global = true, value_name = "URL", env = "PORTAL_DATABASE_URL")]
    #[arg(hide_env_values = true, conflicts_with = "data")]
    database_url: Option<Secret>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add, list or remove orgs
    #[command(subcommand, disable_help_subcommand = true)]
    Org(Org),
    /// Add, list or remove users of an org, or set their permissions
    #[command(subcommand, disable_help_subcommand = true)]
    User(User),
    /// Add, list, rotate or revoke the credentials of users
    #[command(subcommand, disable_help_subcommand = true)]
    Credential(Credential),
    /// Show who changed what, and when
    Log(lists::LogArgs),
}

#[derive(Debug, Subcommand)]
enum Org {
    Add(changes::AddOrg),
    List(lists::OrgsArgs),
    Remove(changes::RemoveOrg),
}

#[derive(Debug, Subcommand)]
enum User {
    Add(changes::AddUser),
    List(lists::OfOrgArgs),
    Remove(changes::RemoveUser),
    SetPermissions(changes::SetPermissions),
}

#[derive(Debug, Subcommand)]
enum Credential {
    Add(changes::AddCredential),
    List(lists::OfOrgArgs),
    Rotate(changes::Rotate),
    Revoke(changes::Revoke),
}

impl Place {
    /// Adds where the registry is to the command of a hint. The URL of a database has a password.
    fn complete(&self, mut failure: Failure) -> Failure {
        if let (Some(data), Some(hint)) = (&self.data, &mut failure.report.hint)
            && hint.starts_with("`portal admin ")
        {
            let data = format!(" --data {}` shows ", shell_word(&data.to_string_lossy()));
            *hint = hint.replacen("` shows ", &data, 1);
        }
        failure
    }
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    open_and_perform(args, printer).await.map_err(|failure| args.place.complete(failure))
}

async fn open_and_perform(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    match (&args.place.data, &args.place.database_url) {
        (Some(data), _) => {
            if !data.join("registry.sqlite").exists() {
                let message = format!("{} has no registry", data.display());
                return Err(Failure::usage(message)
                    .hint("pass the data directory of a server, as `portal serve --data` has it"));
            }
            perform(&args.command, &SqliteRegistry::open(data)?, printer).await
        }
        (None, Some(url)) => {
            perform(&args.command, &PostgresRegistry::open(url.expose()).await?, printer).await
        }
        (None, None) => Err(Failure::usage("expected a registry, found no option for one")
            .hint("pass `--data DIR` or `--database-url URL`, as to `portal serve`")),
    }
}

async fn perform(
    command: &Command,
    registry: &(impl Administration + Registry),
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    match command {
        Command::Org(Org::Add(args)) => args.run(registry, printer).await,
        Command::Org(Org::List(_)) => lists::orgs(registry, printer).await,
        Command::Org(Org::Remove(args)) => args.run(registry, printer).await,
        Command::User(User::Add(args)) => args.run(registry, printer).await,
        Command::User(User::List(args)) => lists::users(args, registry, printer).await,
        Command::User(User::Remove(args)) => args.run(registry, printer).await,
        Command::User(User::SetPermissions(args)) => args.run(registry, printer).await,
        Command::Credential(Credential::Add(args)) => args.run(registry, printer).await,
        Command::Credential(Credential::List(args)) => {
            lists::credentials(args, registry, printer).await
        }
        Command::Credential(Credential::Rotate(args)) => args.run(registry, printer).await,
        Command::Credential(Credential::Revoke(args)) => args.run(registry, printer).await,
        Command::Log(args) => lists::log(args, registry, printer).await,
    }
}

/// An error of the engine; whether a change was kept may be unknown.
fn failed(error: RegistryError) -> Failure {
    match error {
        RegistryError::Unknown(_) => {
            let report = ErrorReport::new("unknown", error.to_string());
            Failure::new(ExitClass::Unknown, report)
                .hint("`portal admin log` shows whether the change was made")
        }
        error => error.into(),
    }
}

fn unknown_org(org: &str) -> Failure {
    let message = format!("there is no org {org:?}");
    Failure::new(ExitClass::Rejected, ErrorReport::new("not_found", message))
        .hint("`portal admin org list` shows the orgs")
}
