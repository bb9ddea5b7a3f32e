//! The subcommands, one per file.

mod backup;
mod check;
mod create;
mod doctor;
mod explain;
mod generate;
mod get;
mod list;
mod login;
mod logout;
mod profiles;
mod recover;
mod rename;
mod serve;

use std::future::Future;

use anyhow::Context as _;
use clap::Subcommand;
use tokio::runtime::Builder;

use crate::exit::ExitClass;
use crate::failure::Failure;
use crate::printer::Printer;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Box<create::Args>),
    Recover(recover::Args),
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
    // Not in the list, which fills a screen; the help of `serve` names it.
    #[command(hide = true)]
    Backup(backup::Args),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

impl Command {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitClass, Failure> {
        match self {
            Self::Create(args) => alone(create::run(&args, printer)),
            Self::Recover(args) => alone(recover::run(&args, printer)),
            Self::Check(args) => check::run(&args, printer),
            Self::List(args) => alone(list::run(&args, printer)),
            Self::Get(args) => alone(get::run(&args, printer)),
            Self::Rename(args) => alone(rename::run(&args, printer)),
            Self::Login(args) => alone(login::run(&args, printer)),
            Self::Logout(args) => alone(logout::run(&args, printer)),
            Self::Doctor(args) => alone(doctor::run(&args, printer)),
            Self::Profiles(_) => profiles::run(printer),
            Self::Explain(args) => explain::run(&args, printer),
            Self::Serve(args) => block_on(Builder::new_multi_thread(), serve::run(&args, printer)),
            Self::Backup(args) => backup::run(&args, printer),
            Self::Completions(args) => generate::completions(&args, printer),
            Self::Man(args) => generate::man(&args, printer),
        }
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
