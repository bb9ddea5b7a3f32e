//! The commands, one a file.

mod check;
mod explain;
mod generate;
mod profiles;

use clap::Subcommand;
use portal_model::outcome::ExitClass;

use crate::failure::Failure;
use crate::printer::Printer;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(check::Args),
    Explain(explain::Args),
    Profiles(profiles::Args),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

impl Command {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitClass, Failure> {
        match self {
            Self::Check(args) => check::run(&args, printer),
            Self::Explain(args) => explain::run(&args, printer),
            Self::Profiles(_) => profiles::run(printer),
            Self::Completions(args) => generate::completions(&args, printer),
            Self::Man(args) => generate::man(&args, printer),
        }
    }
}
