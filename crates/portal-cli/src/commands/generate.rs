//! `portal completions SHELL` and `portal man [COMMAND]`: made from the definition of the command
//! line. A script asks `portal` itself what can be completed: names of profiles are not in it.

use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

/// Write a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The script asks `portal` itself, which must be on the PATH, and so completes the names of profiles and \
of unfinished creates too. Source it in each new shell: it can change with a new version.

Examples:
  portal completions bash        in ~/.bashrc: source <(portal completions bash)
  portal completions zsh         in ~/.zshrc: source <(portal completions zsh)
  portal completions fish        in ~/.config/fish/config.fish:
                                 portal completions fish | source
  portal completions powershell  in $PROFILE: portal completions powershell |
                                 Out-String | Invoke-Expression")]
pub(crate) struct CompletionsArgs {
    /// The shell to write it for
    #[arg(value_enum)]
    shell: Shell,
}

/// Write a manual page
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  portal man create > portal-create.1 && man ./portal-create.1")]
pub(crate) struct ManArgs {
    /// The command to write about; without one, `portal` itself
    command: Option<String>,
}

/// The variable by which a script of [`completions`] asks this command.
pub(crate) const COMPLETE: &str = "PORTAL_COMPLETE";

pub(crate) fn completions(args: &CompletionsArgs, printer: &Printer) -> Result<ExitClass, Failure> {
    let mut script = Vec::new();
    let (name, shells) = (args.shell.to_string(), Shells::builtins());
    if let Some(shell) = shells.completer(&name) {
        shell.write_registration(COMPLETE, "portal", "portal", "portal", &mut script)?;
    }
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
