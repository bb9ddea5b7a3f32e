//! The top level of the command line, and which code runs a command. The arguments of a command
//! are beside its code, in [`crate::commands`].

mod usage;
mod variables;

use std::ffi::OsString;
use std::future::Future;

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use tokio::runtime::Builder;

pub(crate) use self::usage::print as print_usage;
use crate::commands::sections::{About, Examples, Sections};
use crate::commands::{
    admin, backup, batch, check, completions, create, doctor, explain, history, list, login,
    logout, man, profiles, recover, rehearse, rename, requests, schema, serve,
};
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::terminal::log::LogOf;
use crate::terminal::printer::{Output, Printer};
use crate::terminal::width;

/// The top level of `portal --help`: it fits a screen, with the most common tasks first.
const HELP: &str = "\
{about}

  portal create --local MyPortal          rehearse on this machine, no account
  portal create --profile acme MyPortal   create it in the org of a profile

Usage: {usage}
Commands:
{subcommands}

Options: --output text|json (see portal schema), -v, -q, --color WHEN, -V, -h
";

/// The rest of the manual page.
const MANUAL: Sections = Sections(&[
    About(
        "Creating a portal cannot be undone, cannot be rehearsed in a sandbox, and has no \
              idempotency key. So each create lists the org's portals first, writes down what it is \
              about to do, and determines what happened if the response is lost. What stays in doubt \
              is determined by `portal recover`, and by the next create in the org.",
    ),
    Examples(
        "portal create --local MyPortal\n\
         portal login\n\
         portal create --profile acme MyPortal\n\
         portal rehearse portals.csv\n\
         portal batch portals.csv --dry-run",
    ),
]);

/// Create Zoho CRM customer portals safely. A portal can never be deleted.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "it is the help")]
#[command(
    name = "portal",
    version,
    help_template = HELP,
    override_usage = "portal COMMAND …",
    add = MANUAL,
    disable_help_subcommand = true,
    subcommand_help_heading = "Commands"
)]
pub(crate) struct Cli {
    /// Print results as text, or as one JSON object per line
    #[arg(long, global = true, display_order = 100)]
    #[arg(value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,

    /// Log every request to stderr; PORTAL_LOG has a filter, such as debug
    #[arg(short, long, global = true, display_order = 100)]
    #[arg(conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Print no progress and no notes
    #[arg(short, long, global = true, display_order = 100)]
    pub(crate) quiet: bool,

    /// Color errors, warnings and hints; auto heeds NO_COLOR
    #[arg(long, global = true, display_order = 100)]
    #[arg(value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: clap::ColorChoice,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Box<create::Args>),
    Batch(Box<batch::Args>),
    Recover(recover::Args),
    History(history::Args),
    Rehearse(rehearse::Args),
    Check(check::Args),
    List(list::Args),
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
    #[command(hide = true)]
    Schema(schema::Args),
    Completions(completions::Args),
    // For packagers.
    #[command(hide = true)]
    Man(man::Args),
    /// Print the help of a command
    // Not clap's own, which would have a line in the list.
    #[command(hide = true)]
    Help {
        /// The command, such as `create` or `admin user`
        #[arg(add = commands())]
        command: Vec<String>,
    },
}

/// Prints completions and exits if a shell asked for them.
pub(crate) fn complete() {
    // Require `--` too: a stray COMPLETE variable must not turn `create` into a completion request.
    if std::env::args_os().nth(1).is_some_and(|first| first == "--") {
        CompleteEnv::with_factory(Cli::command).var(completions::COMPLETE).complete();
    }
}

/// What shells complete after `help`.
fn commands() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let portal = Cli::command();
        let listed = portal.get_subcommands().filter(|command| !command.is_hide_set());
        let candidate = |command: &clap::Command| {
            CompletionCandidate::new(command.get_name()).help(command.get_about().cloned())
        };
        listed.map(candidate).collect()
    })
}

impl Command {
    pub(crate) fn log(&self) -> LogOf {
        match self {
            Self::Serve(args) => LogOf::Server { json: args.logs_json() },
            _ => LogOf::Command,
        }
    }

    pub(crate) fn run(self, printer: &Printer) -> Result<ExitClass, Failure> {
        match self {
            Self::Create(args) => run_single_threaded(create::run(&args, printer)),
            Self::Batch(args) => run_single_threaded(batch::run(&args, printer)),
            Self::Rehearse(args) => run_single_threaded(rehearse::run(&args, printer)),
            Self::Recover(args) => run_single_threaded(recover::run(&args, printer)),
            Self::History(args) => run_single_threaded(history::run(&args, printer)),
            Self::Check(args) => check::run(&args, printer),
            Self::List(args) => run_single_threaded(list::run(&args, printer)),
            Self::Rename(args) => run_single_threaded(rename::run(&args, printer)),
            Self::Login(args) => run_single_threaded(login::run(&args, printer)),
            Self::Logout(args) => run_single_threaded(logout::run(&args, printer)),
            Self::Doctor(args) => run_single_threaded(doctor::run(&args, printer)),
            Self::Profiles(args) => run_single_threaded(profiles::run(&args, printer)),
            Self::Explain(args) => explain::run(&args, printer),
            Self::Serve(args) => block_on(Builder::new_multi_thread(), serve::run(&args, printer)),
            Self::Requests(args) => run_single_threaded(requests::run(&args, printer)),
            Self::Backup(args) => backup::run(&args, printer),
            Self::Admin(args) => run_single_threaded(admin::run(&args, printer)),
            Self::Schema(args) => Ok(schema::run(&args, printer)?),
            Self::Completions(args) => completions::run(&args, printer),
            Self::Man(args) => man::run(&args, Cli::command(), printer),
            Self::Help { command } => Ok(help(&command)),
        }
    }
}

/// The help of a command.
const COMMAND_HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

{all-args}

Global options:
  --output text|json, --color auto|always|never, -q (--quiet), -v (--verbose){after-help}";

/// Columns below which a flag has a line of its own.
const NARROW: usize = 60;

/// How much the help of a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Help {
    /// `-h`: what fits a screen.
    Short,
    /// `--help`: everything.
    Long,
}

/// The definition of the command line, for a terminal of `columns`.
fn command(columns: usize, help: Help) -> clap::Command {
    Cli::command()
        .term_width(columns)
        .next_line_help(columns < NARROW)
        // The help of a command names what every command has in one line.
        .mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg })
        .mut_subcommands(|command| with_help(command, help))
}

fn with_help(command: clap::Command, help: Help) -> clap::Command {
    let sections = Sections::of(&command).to_string();
    let command = command.help_template(COMMAND_HELP);
    let command = command.mut_subcommands(|command| with_help(command, help));
    match help {
        Help::Long if sections.is_empty() => command,
        Help::Long => command.after_help(sections),
        // Not clap's own short help: its long one has a blank line between any two flags.
        Help::Short => command
            .mut_args(|arg| if is_rare(&arg) { arg.hide(true) } else { arg })
            .after_help("`--help` has every flag, the exit statuses and examples."),
    }
}

/// Whether a flag is one of many that change how long things take or where an org is.
fn is_rare(arg: &clap::Arg) -> bool {
    const USUAL: [&str; 2] = ["local", "profile"];
    arg.get_help_heading().is_some() && !USUAL.contains(&arg.get_id().as_str())
}

impl Cli {
    /// Parses the arguments of a process, of which the first is its name.
    pub(crate) fn from_args(
        arguments: impl IntoIterator<Item: Into<OsString>>,
    ) -> clap::error::Result<Self> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let help = if arguments.iter().any(|it| it == "-h") { Help::Short } else { Help::Long };
        let mut command = command(width::of_stdout(), help);
        let matches = command.try_get_matches_from_mut(arguments);
        let matches = matches.map_err(|error| variables::explain(&mut command, error))?;
        variables::check(&mut command, &matches)?;
        Self::from_arg_matches(&matches)
    }
}

/// `portal help create` is `portal create --help`.
fn help(command: &[String]) -> ExitClass {
    let command = command.iter().map(String::as_str);
    match Cli::from_args(["portal"].into_iter().chain(command).chain(["--help"])) {
        // `--help` is an error of kind `DisplayHelp`.
        Ok(_) => ExitClass::Success,
        Err(help) => usage::print(&help),
    }
}

/// Runs a command that does one thing at a time: without worker threads it starts sooner.
fn run_single_threaded<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
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
