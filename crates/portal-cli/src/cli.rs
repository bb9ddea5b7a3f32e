//! The top level of the command line, and which code runs a command. The arguments of a command
//! are beside its code, in [`crate::commands`].

mod usage;

use std::future::Future;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use tokio::runtime::Builder;

pub(crate) use self::usage::print as print_usage;
use crate::commands::{
    admin, backup, batch, check, create, doctor, explain, generate, get, list, login, logout,
    profiles, recover, rehearse, rename, requests, serve,
};
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::terminal::printer::{Color, Output, Printer};

/// The top level of `portal --help`: it fits a screen, with the most common tasks first.
const HELP: &str = "\
{about}

  portal create --local MyPortal          rehearse on this machine, no account
  portal create --profile acme MyPortal   create it in the org of a profile

Usage: {usage}
Commands:
{subcommands}

Options: --output text|json, -v, -q, --color WHEN, --version, --help
";

/// Create Zoho CRM customer portals safely. A portal can never be deleted.
#[derive(Debug, Parser)]
#[command(
    name = "portal",
    version,
    help_template = HELP,
    override_usage = "portal COMMAND …",
    disable_help_subcommand = true,
    // Narrower terminals get the lines of this width broken between words.
    term_width = 80,
    subcommand_help_heading = "Commands"
)]
pub(crate) struct Cli {
    /// Print results as text, or as one JSON object per line
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        display_order = 99
    )]
    pub(crate) output: Output,

    /// Log every request to stderr
    #[arg(short, long, global = true, display_order = 100, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Print no progress and no notes
    #[arg(short, long, global = true, display_order = 100)]
    pub(crate) quiet: bool,

    /// Color errors, warnings and hints
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        display_order = 100
    )]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Box<create::Args>),
    Batch(Box<batch::Args>),
    Recover(recover::Args),
    Rehearse(rehearse::Args),
    Check(check::Args),
    List(list::Args),
    Get(get::Args),
    Rename(rename::Args),
    Login(login::Args),
    Logout(logout::Args),
    Profiles(profiles::Args),
    Doctor(doctor::Args),
    Explain(explain::Args),
    Serve(serve::Args),
    // These three are not in the list, which fills a screen; the help of `serve` names them.
    #[command(hide = true)]
    Requests(requests::Args),
    #[command(hide = true)]
    Backup(backup::Args),
    #[command(hide = true)]
    Admin(admin::Args),
    Completions(generate::CompletionsArgs),
    // For packagers.
    #[command(hide = true)]
    Man(generate::ManArgs),
    /// Print the help of a command
    // Not clap's own, which would have a line in the list.
    #[command(hide = true)]
    Help {
        /// The command, such as `create` or `admin user`
        command: Vec<String>,
    },
}

impl Command {
    /// Whether it serves others, and an operator reads what it logs.
    pub(crate) const fn is_server(&self) -> bool {
        matches!(self, Self::Serve(_))
    }

    pub(crate) fn run(self, printer: &Printer) -> Result<ExitClass, Failure> {
        match self {
            Self::Create(args) => alone(create::run(&args, printer)),
            Self::Batch(args) => alone(batch::run(&args, printer)),
            Self::Rehearse(args) => alone(rehearse::run(&args, printer)),
            Self::Recover(args) => alone(recover::run(&args, printer)),
            Self::Check(args) => check::run(&args, printer),
            Self::List(args) => alone(list::run(&args, printer)),
            Self::Get(args) => alone(get::run(&args, printer)),
            Self::Rename(args) => alone(rename::run(&args, printer)),
            Self::Login(args) => alone(login::run(&args, printer)),
            Self::Logout(args) => alone(logout::run(&args, printer)),
            Self::Doctor(args) => alone(doctor::run(&args, printer)),
            Self::Profiles(args) => alone(profiles::run(&args, printer)),
            Self::Explain(args) => explain::run(&args, printer),
            Self::Serve(args) => block_on(Builder::new_multi_thread(), serve::run(&args, printer)),
            Self::Requests(args) => alone(requests::run(&args, printer)),
            Self::Backup(args) => backup::run(&args, printer),
            Self::Admin(args) => alone(admin::run(&args, printer)),
            Self::Completions(args) => generate::completions(&args, &mut Cli::command(), printer),
            Self::Man(args) => generate::man(&args, Cli::command(), printer),
            Self::Help { command } => Ok(help(&command)),
        }
    }
}

/// `portal help create` is `portal create --help`.
fn help(command: &[String]) -> ExitClass {
    let flag = String::from("--help");
    let arguments = ["portal"].iter().map(ToString::to_string);
    match Cli::try_parse_from(arguments.chain(command.iter().cloned()).chain([flag])) {
        // `--help` is an error of kind `DisplayHelp`.
        Ok(_) => ExitClass::Success,
        Err(help) => usage::print(&help),
    }
}

/// Runs a command that does one thing at a time: without worker threads it starts sooner.
fn alone<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    block_on(Builder::new_current_thread(), command)
}

fn block_on<T>(
    mut runtime: Builder,
    command: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    runtime.enable_all().build().context("cannot start the runtime")?.block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn secrets_are_never_arguments() {
        fn flags(command: &clap::Command) -> Vec<String> {
            let own = command.get_arguments().map(|argument| argument.get_id().to_string());
            own.chain(command.get_subcommands().flat_map(flags)).collect()
        }
        for flag in flags(&Cli::command()) {
            assert!(!flag.contains("secret") && !flag.contains("access_token"), "{flag}");
        }
    }
}
