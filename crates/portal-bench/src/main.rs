#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! | module | what |
//! |---|---|
//! | `benches` | the benches: what each measures, against what, and its bars |
//! | `stub` | the stub: raw hyper that keeps nothing on a disk |
//! | `store` | a registry's file without the registry: bare inserts, and millions of portals |
//! | `load` | the load: HTTP/1.1 over connections that are kept open |
//! | `service` | the servers under test: `portal serve` as a process, and the stub |
//! | `process` | child processes, and what they use |
//! | `exchange` | one request and one response as bytes |
//! | `table` | what is printed |
//! | `figure` | what was measured: medians, ratios, bars |
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a bench that can't go on has nothing to measure, and prints the rest"
)]

mod benches;
mod exchange;
mod figure;
mod load;
mod process;
mod service;
mod store;
mod stub;
mod table;

use clap::Parser;

use crate::benches::{Bench, Effort};
use crate::stub::Stub;
use crate::table::Table;

/// Measure the server, the client and the command, each figure beside a limit of the same run
#[derive(Debug, Parser)]
struct Args {
    /// Run this bench; repeatable
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Bench>,
    /// See that every bench works, about a second each; its figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Print a JSON object per figure
    #[arg(long)]
    json: bool,
    /// Be the stub of another process with so many worker threads
    #[arg(long, hide = true, value_name = "WORKERS")]
    stub: Option<usize>,
}

fn main() {
    let args = Args::parse();
    if let Some(workers) = args.stub {
        return Stub::run(workers);
    }
    let effort = if args.quick { Effort::QUICK } else { Effort::FULL };
    let benches = match args.only.as_slice() {
        [] => Bench::usual(effort),
        only => only.to_vec(),
    };
    let table = Table { json: args.json };
    table.head();
    for bench in benches {
        match bench.run(effort) {
            Ok(figures) => figures.iter().for_each(|figure| table.row(&bench.name(), figure)),
            Err(skipped) => eprintln!("{}: skipped, {}", bench.name(), skipped),
        }
    }
}
