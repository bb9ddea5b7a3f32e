//! `portal admin backup FILE`: a copy of the data directory of a server, which may be running.

use std::path::Path;

use portal_store::sqlite;
use serde_json::json;

use super::registry::Place;
use crate::report::failure::{ExitClass, Failure};
use crate::sys::files;
use crate::terminal::printer::Printer;

pub(super) fn run(place: &Place, file: &Path, printer: &Printer) -> Result<ExitClass, Failure> {
    let Some(data) = &place.data else {
        return Err(Failure::usage("expected a data directory, found no `--data`")
            .hint("pass `--data DIR`; PostgreSQL has tools of its own, such as pg_dump"));
    };
    files::refuse_same(&[("--data", data), ("FILE", file)])?;
    sqlite::backup(data, file)?;
    printer.result(
        format_args!("Backed up {} to {}", data.display(), file.display()),
        &json!({ "event": "backed_up", "file": file }),
    );
    Ok(ExitClass::Success)
}
