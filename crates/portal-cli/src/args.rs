//! The command line: its top level. The arguments of a command stand beside its code.

use clap::{Parser, ValueEnum};

use crate::command::Command;

/// The top level of `portal --help`: it fits a screen, and the commonest tasks come first.
const HELP: &str = "\
{about}

  portal check MyPortal                   is the name possible? Nothing is sent
  portal create --local MyPortal          rehearse it here, without any account
  portal create --profile acme MyPortal   create it in the org of a profile

Usage: {usage}

Commands:
{subcommands}

Options: --output text|json, --version, --help (for each command too)
";

/// Create Zoho CRM customer portals. None can ever be deleted, so look twice.
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
    /// Write results as text, or as one JSON object a line
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

/// The form of results on stdout.
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
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_secret_is_an_argument() {
        fn flags(command: &clap::Command) -> Vec<String> {
            let own = command.get_arguments().map(|argument| argument.get_id().to_string());
            own.chain(command.get_subcommands().flat_map(flags)).collect()
        }
        for flag in flags(&Cli::command()) {
            assert!(!flag.contains("secret") && !flag.contains("access_token"), "{flag}");
        }
    }
}
