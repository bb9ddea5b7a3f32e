#![doc = include_str!("../README.md")]

mod activity;
mod args;
mod batch;
mod call_error;
mod checked_line;
mod command;
mod data_folder;
mod default_org;
mod exit;
mod failure;
mod folders;
mod identity;
mod intent_log;
mod invalid_name;
mod late;
mod local;
mod log;
mod permission;
mod policy_args;
mod printer;
mod profile;
mod prompt;
mod recovery;
mod report;
mod safe_create;
mod signal;
mod target;
mod usage;
mod wrap;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::printer::Printer;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return ExitCode::from(usage::print(&usage) as u8),
    };
    let printer = Printer::new(cli.output);
    log::start(&printer);
    let exit = cli.command.run(&printer).unwrap_or_else(|failure| failure.print(&printer));
    ExitCode::from(printer.finish(exit) as u8)
}
