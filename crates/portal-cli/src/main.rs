#![doc = include_str!("../README.md")]

mod args;
mod command;
mod failure;
#[expect(dead_code, reason = "the other folders come with their commands")]
mod folders;
mod invalid_name;
mod printer;
#[cfg_attr(not(test), expect(dead_code, reason = "`portal login` comes next"))]
mod profile;
mod wrap;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::printer::Printer;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return printer::usage(&usage),
    };
    let printer = Printer::new(cli.output);
    let exit = cli.command.run(&printer).unwrap_or_else(|failure| failure.print(&printer));
    ExitCode::from(printer.finish(exit) as u8)
}
