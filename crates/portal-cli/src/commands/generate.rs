//! `portal completions SHELL` and `portal man [COMMAND]`: made from the definition of the command
//! line.

use clap_complete::Shell;

use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

/// Write a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portal completions bash > ~/.local/share/bash-completion/completions/portal"
)]
pub(crate) struct CompletionsArgs {
    /// The shell to write it for
    #[arg(value_enum)]
    shell: Shell,
}

/// Write a manual page
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  portal man create > portal-create.1 && man ./portal-create.1")]
pub(crate) struct ManArgs {
    /// The command to write about; without one, `portal` itself
    command: Option<String>,
}

pub(crate) fn completions(
    args: &CompletionsArgs,
    portal: &mut clap::Command,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, portal, "portal", &mut script);
    printer.write(&String::from_utf8(script)?);
    Ok(ExitClass::Success)
}

pub(crate) fn man(
    args: &ManArgs,
    mut portal: clap::Command,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    // Gives each command its full name and the global options.
    portal.build();
    let command = match &args.command {
        Some(name) => portal.find_subcommand(name).cloned().ok_or_else(|| {
            Failure::usage(format!("{name:?} is no command of portal"))
                .hint("`portal --help` lists the commands")
        })?,
        None => portal,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    printer.write(&String::from_utf8(page)?);
    Ok(ExitClass::Success)
}
