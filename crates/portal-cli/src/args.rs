//! The top level of the command line. The arguments of a command are beside its code.

use clap::{Parser, ValueEnum};

use crate::command::Command;

/// The top level of `portal --help`: it fits a screen, with the most common tasks first.
const HELP: &str = "\
{about}

  portal check MyPortal                   check the name; nothing is sent
  portal create --local MyPortal          rehearse on this machine, no account
  portal create --profile acme MyPortal   create it in the org of a profile

Usage: {usage}
Commands:
{subcommands}

Options: --output text|json, --version, --help (also for each command)
";

/// Create Zoho CRM customer portals safely. A portal can never be deleted.
#[derive(Debug, Parser)]
#[command(
    name = "portal",
    version,
    help_template = HELP,
    override_usage = "portal COMMAND …",
    disable_help_subcommand = true,
    max_term_width = 80,
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

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The format of results on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Text,
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

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
