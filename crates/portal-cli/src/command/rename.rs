//! `portal rename OLD NEW`: gives a portal another name.

use portal_model::outcome::ExitClass;
use portal_model::{ErrorCode, RenamePortal};
use serde::Serialize;

use crate::call_error;
use crate::failure::Failure;
use crate::invalid_name;
use crate::printer::Printer;
use crate::report::{Asked, Report};
use crate::target::{SECRETS, TargetArgs};

/// Give a portal another name
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{FREE}\n\n{SECRETS}\n\nExample:\n  portal rename AcmeOld AcmeCustomers --profile acme"))]
pub(crate) struct Args {
    /// The name that it has
    old: String,
    /// The name that it gets
    new: String,
    #[command(flatten)]
    target: TargetArgs,
}

const FREE: &str = "The old name is free at once: any organization may take it.";

#[derive(Serialize)]
struct Renamed<'a> {
    name: &'a str,
    old_name: &'a str,
    outcome: &'static str,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let new = match invalid_name::parse(&args.new, printer) {
        Ok(new) => new,
        Err(invalid) => {
            return Ok(Report::invalid(&args.new, &invalid, &Asked::default()).print(printer));
        }
    };
    let org = args.target.open().await?;
    let renamed = org.client.call(&RenamePortal::new(args.old.clone(), new)).await;
    let name = renamed.map_err(|error| {
        let purpose = format!("rename the portal {} to {}", args.old, args.new);
        let failure =
            call_error::failure(&error, &purpose, Some("`portal list` shows which name it has"));
        match error.api() {
            // The new name is a valid one.
            Some(error) if error.code == ErrorCode::InvalidData => {
                failure.hint("`portal list` shows which portals there are")
            }
            _ => failure,
        }
    })?;
    printer.result(
        format_args!("The portal {} is called {name} now.", args.old),
        &Renamed { name: &name, old_name: &args.old, outcome: "renamed" },
    );
    Ok(ExitClass::Success)
}
