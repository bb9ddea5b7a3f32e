#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! Each imports from those below it only, and no two modules import each other.
//!
//! | module | what |
//! |---|---|
//! | `cli` | the top level of the command line, and which command runs |
//! | `commands` | one file per command: its arguments and its `run` |
//! | `batch` | one portal in each of many orgs: CSV in, a plan over the ledger out |
//! | `org` | which org, with which credentials, over which client; the ledger, profiles, the local server |
//! | `terminal` | the only module that writes to stdout and stderr or reads a reply |
//! | `report` | what outcomes and errors say: data and words, no I/O |
//! | `sys` | variables, files, directories, signals |
#![allow(rustdoc::invalid_rust_codeblocks, reason = "the examples of help are for a shell")]

mod batch;
mod cli;
mod commands;
mod org;
mod report;
mod sys;
mod terminal;

use std::process::ExitCode;

use crate::cli::{Cli, print_usage};
use crate::terminal::log;
use crate::terminal::printer::{self, Printer};

fn main() -> ExitCode {
    // Windows writes none unless its registry enables them.
    #[cfg(unix)]
    sys::limits::disable_core_dumps();
    cli::complete();
    let cli = match Cli::from_args(std::env::args_os()) {
        Ok(cli) => cli,
        Err(usage) => return ExitCode::from(print_usage(&usage) as u8),
    };
    printer::color(cli.color);
    let mut printer = Printer::new(cli.output, cli.quiet);
    printer.is_verbose = cli.verbose;
    log::start(&printer, cli.command.server_log());
    let exit = cli.command.run(&printer).unwrap_or_else(|failure| failure.print(&printer));
    ExitCode::from(printer.finish(exit) as u8)
}
