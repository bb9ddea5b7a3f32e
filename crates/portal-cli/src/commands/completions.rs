//! `portal completions SHELL`: a script that asks `portal` itself what can be completed, so that names
//! of profiles are not in it.

use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::report::failure::{ExitClass, Failure};
use crate::terminal::printer::Printer;

/// Write a completion script for a shell
///
/// The script asks `portal` itself, which must be on the PATH, and so completes the names of
/// profiles and of unfinished creates too. Source it in each new shell: it can change with a new
/// version.
///
/// # Examples
///
///     portal completions bash        in ~/.bashrc: source <(portal completions bash)
///     portal completions zsh         in ~/.zshrc: source <(portal completions zsh)
///     portal completions fish        in ~/.config/fish/config.fish:
///                                    portal completions fish | source
///     portal completions powershell  in $PROFILE: portal completions powershell |
///                                    Out-String | Invoke-Expression
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The shell to write it for
    #[arg(value_enum)]
    shell: Shell,
}

/// The variable by which a script asks this command.
pub(crate) const COMPLETE: &str = "PORTAL_COMPLETE";

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let mut script = Vec::new();
    let (name, shells) = (args.shell.to_string(), Shells::builtins());
    if let Some(shell) = shells.completer(&name) {
        shell.write_registration(COMPLETE, "portal", "portal", "portal", &mut script)?;
    }
    printer.write(&String::from_utf8(script)?);
    Ok(ExitClass::Success)
}
