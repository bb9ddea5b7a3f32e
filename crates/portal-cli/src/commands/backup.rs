//! `portal backup FILE`: a copy of the data directory of a server, which may be running.

use std::path::{Path, PathBuf};

use portal_store::sqlite;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::sections::{About, Examples, Sections, SeeAlso};
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::sys::files;
use crate::terminal::printer::Printer;

/// Copy the data of a server, running or not, to a new file
#[derive(Debug, clap::Args)]
#[command(add = Sections(&[
    About("The copy is consistent and has every portal that was acknowledged before. To restore it, copy \
    it to the file `registry.sqlite` of a new directory, and serve that with `--data`."),
    Examples("portal backup --data ./portals portals-2026-11-25.sqlite"),
    SeeAlso(&["serve"]),
]))]
pub(crate) struct Args {
    /// The data directory, as `portal serve --data` has it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The file to create
    file: PathBuf,
}

/// The file that was created.
#[derive(Serialize, JsonSchema)]
pub(super) struct BackedUp<'a> {
    #[schemars(extend("const" = "backed_up"))]
    event: &'static str,
    file: &'a Path,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    files::refuse_same(&[("--data", &args.data), ("FILE", &args.file)])?;
    sqlite::backup(&args.data, &args.file)?;
    printer.result(
        format_args!("Backed up {} to {}", args.data.display(), args.file.display()),
        &BackedUp { event: "backed_up", file: &args.file },
    );
    Ok(ExitClass::Success)
}
