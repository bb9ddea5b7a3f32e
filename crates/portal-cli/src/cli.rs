//! The top level of the command line, and which code runs a command. The arguments of a command
//! are beside its code, in [`crate::commands`].

mod usage;
mod variables;

use std::ffi::OsString;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use tokio::runtime::Builder;

pub(crate) use self::usage::print as print_usage;
use crate::commands::sections::{Environment, ORG, STATE, Sections, with_sections};
use crate::commands::target_args::ORG_HEADING;
use crate::commands::{
    admin, batch, check, completions, create, doctor, explain, history, list, login, logout, man,
    profiles, recover, rehearse, rename, requests, schema, serve,
};
use crate::report::failure::{ExitClass, Failure};
#[cfg(unix)]
use crate::sys::limits;
use crate::terminal::printer::{Output, Printer};
use crate::terminal::width;

/// The top level of `portal --help`: it fits a screen, with the most common tasks first.
const HELP: &str = "\
{about}

  portal create --local MyPortal          rehearse on this machine, no account
  portal create --profile acme MyPortal   create it in the org of a profile

Commands, which `portal COMMAND -h` explains:
{subcommands}
  admin, completions, man, schema

Options: --output text|json (see portal schema), -v, -q, --color WHEN, -V, -h
";

/// Create Zoho CRM customer portals safely. A portal can never be deleted
///
/// Creating a portal cannot be undone, cannot be rehearsed in a sandbox, and has no idempotency key. So
/// each create lists the org's portals first, writes down what it is about to do, and determines what
/// happened if the response is lost. What stays in doubt is determined by `portal recover`, and by the
/// next create in the org.
///
/// # Examples
///
///     portal create --local MyPortal
///     portal login
///     portal create --profile acme MyPortal
///     portal rehearse portals.csv
///     portal batch portals.csv --dry-run
///
/// # Variables
///
///     PORTAL_LOG  What is logged to stderr, such as debug or portal_http=debug. Never a secret.
///     NO_COLOR  Leave out colors.
///     HTTPS_PROXY, ALL_PROXY, NO_PROXY  Proxies, as curl has them.
///
/// # Files
///
///     ~/.config/portal/config.toml  Profiles.
///     ~/.config/portal/credentials.toml  Their secrets. Refused if others can read it.
///     ~/.local/state/portal  The ledger: every create and rename, and what came of it.
///     ~/.local/share/portal  The portals of --local.
///     ~/.cache/portal  Access tokens.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "it is the help")]
#[command(
    verbatim_doc_comment,
    name = "portal",
    // Not the name of the file, which ends in `.exe` on Windows.
    bin_name = "portal",
    version,
    help_template = HELP,
    override_usage = "portal COMMAND …",
    add = Environment(&[ORG, STATE]),
    disable_help_subcommand = true,
    subcommand_help_heading = "Commands"
)]
pub(crate) struct Cli {
    /// Print results as text, or as one JSON object per line
    #[arg(long, global = true, display_order = 100)]
    #[arg(value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,

    /// Show each request on stderr
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
    List(list::Args),
    Rename(rename::Args),
    Check(check::Args),
    Explain(explain::Args),
    Login(login::Args),
    Logout(logout::Args),
    Profiles(profiles::Args),
    Doctor(doctor::Args),
    Serve(serve::Args),
    Requests(requests::Args),
    // Those above fill a screen; [`HELP`] only names these.
    #[command(hide = true)]
    Admin(admin::Args),
    #[command(hide = true)]
    Completions(completions::Args),
    #[command(hide = true)]
    Schema(schema::Args),
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
    /// The format of the log of a server.
    pub(crate) fn server_log(&self) -> Option<Output> {
        match self {
            Self::Serve(args) => Some(args.log.unwrap_or_default()),
            _ => None,
        }
    }

    pub(crate) fn run(self, printer: &Printer) -> Result<ExitClass, Failure> {
        // Windows has no such limit.
        #[cfg(unix)]
        limits::raise_open_files()?;
        // Without worker threads, what does one thing at a time starts sooner.
        let mut runtime = match self {
            Self::Serve(_) => Builder::new_multi_thread(),
            _ => Builder::new_current_thread(),
        };
        let runtime = runtime.enable_all().build().context("cannot start the runtime")?;
        runtime.block_on(async {
            #[cfg(unix)]
            limits::survive_file_size_limit();
            match self {
                Self::Create(args) => create::run(&args, printer).await,
                Self::Batch(args) => batch::run(&args, printer).await,
                Self::Rehearse(args) => rehearse::run(&args, printer).await,
                Self::Recover(args) => recover::run(&args, printer).await,
                Self::History(args) => history::run(&args, printer).await,
                Self::Check(args) => Ok(check::run(&args, printer)),
                Self::List(args) => list::run(&args, printer).await,
                Self::Rename(args) => rename::run(&args, printer).await,
                Self::Login(args) => login::run(&args, printer).await,
                Self::Logout(args) => logout::run(&args, printer).await,
                Self::Doctor(args) => doctor::run(&args, printer).await,
                Self::Profiles(args) => profiles::run(&args, printer).await,
                Self::Explain(args) => explain::run(&args, printer),
                Self::Serve(args) => serve::run(&args, printer).await,
                Self::Requests(args) => requests::run(&args, printer).await,
                Self::Admin(args) => admin::run(&args, printer).await,
                Self::Schema(args) => schema::run(&args, printer),
                Self::Completions(args) => completions::run(&args, printer),
                Self::Man(args) => man::run(&args, with_sections(Cli::command()), printer),
                Self::Help { command } => Ok(help(&command)),
            }
        })
    }
}

/// The help of a command.
const COMMAND_HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

{all-args}

Global options:
  --output text|json, --color auto|always|never, -q (--quiet), -v (--verbose){after-help}";

/// The same without what every command has.
const SHORT_HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

{all-args}

`--help` has the rest: more options, -q, -v, --output json, statuses, examples";

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
    with_sections(Cli::command())
        .term_width(columns)
        .next_line_help(columns < NARROW)
        // The help of a command names what every command has in one line.
        .mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg })
        .mut_subcommands(|command| with_help(command, help))
}

fn with_help(command: clap::Command, help: Help) -> clap::Command {
    let sections = Sections::of(&command).to_string();
    let command = command.mut_subcommands(|command| with_help(command, help));
    // Not clap's own short help: its long one has a blank line between any two flags.
    match help {
        Help::Long => {
            let command =
                command.mut_args(|arg| arg.hide_short_help(false)).help_template(COMMAND_HELP);
            if sections.is_empty() { command } else { command.after_help(sections) }
        }
        Help::Short => command
            .mut_args(|arg| if is_rare(&arg) { arg.hide(true) } else { arg })
            .help_template(SHORT_HELP),
    }
}

/// Whether a flag is not for a screen of help: that of its command says so, or it is in one of the
/// sections for special matters.
fn is_rare(arg: &clap::Arg) -> bool {
    arg.is_hide_short_help_set()
        || arg.get_help_heading().is_some_and(|heading| heading != ORG_HEADING)
}

impl Cli {
    /// Parses the arguments of a process, of which the first is its name.
    pub(crate) fn from_args(
        arguments: impl IntoIterator<Item: Into<OsString>>,
    ) -> clap::error::Result<Self> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        // What stands in a help takes longer to arrange than all else here, and only an error shows it.
        Self::parse(Cli::command(), &arguments).or_else(|_| {
            let help = if arguments.iter().any(|it| it == "-h") { Help::Short } else { Help::Long };
            Self::parse(command(width::of_stdout(), help), &arguments)
        })
    }

    fn parse(mut command: clap::Command, arguments: &[OsString]) -> clap::error::Result<Self> {
        variables::check(&command, arguments)
            .map_err(|invalid| command.error(ErrorKind::InvalidValue, invalid))?;
        let cli = Self::from_arg_matches(&command.try_get_matches_from_mut(arguments)?)?;
        // Help is printed whatever the environment has.
        variables::check_names()
            .map_err(|invalid| command.error(ErrorKind::InvalidValue, invalid))?;
        Ok(cli)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    /// Every command and subcommand, as the words that name it, and its definition.
    fn commands() -> Vec<(Vec<String>, clap::Command)> {
        fn below(words: &[String], command: &clap::Command) -> Vec<(Vec<String>, clap::Command)> {
            let mut found = Vec::new();
            for command in command.get_subcommands().filter(|it| it.get_name() != "help") {
                let words = [words, &[command.get_name().to_owned()]].concat();
                found.extend(below(&words, command));
                found.push((words, command.clone()));
            }
            found
        }
        below(&[], &Cli::command())
    }

    /// What a terminal of 80 columns shows.
    fn help_of(words: &[String], flag: &str) -> String {
        let help = if flag == "-h" { Help::Short } else { Help::Long };
        let line = ["portal"].into_iter().chain(words.iter().map(String::as_str)).chain([flag]);
        command(80, help).try_get_matches_from(line).unwrap_err().to_string()
    }

    #[test]
    fn short_help_of_every_command_fits_screen() {
        let mut too_long = Vec::new();
        for (words, _) in commands() {
            for (flag, lines) in [("-h", 24), ("--help", usize::MAX)] {
                let help = help_of(&words, flag);
                let fits = |line: &str| line.chars().count() <= 80;
                if help.trim_end().lines().count() > lines || !help.lines().all(fits) {
                    too_long.push(help);
                }
            }
        }
        assert!(too_long.is_empty(), "{}", too_long.join("\n----\n"));
    }

    #[test]
    fn there_are_few_commands_with_every_argument_described() {
        let commands = commands();
        let count = commands.iter().filter(|(words, _)| words.len() == 1).count();
        assert!(count <= 19, "{count}");
        for (words, command) in commands {
            let nameless = command.get_arguments().find(|arg| arg.get_help().is_none());
            assert!(nameless.is_none(), "{words:?}: {nameless:?}");
            // The help does not show the value of a variable.
            assert!(!help_of(&words, "--help").contains("=]"), "{words:?}");
        }
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
