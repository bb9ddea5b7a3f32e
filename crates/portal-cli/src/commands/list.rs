//! `portal list`: the portals of an org.

use portal_model::ListPortals;

use crate::commands::sections::{Environment, Examples, ORG, Sections, SeeAlso};
use crate::commands::target_args::TargetArgs;
use crate::report::call_error;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::report::portal::{line, width};
use crate::terminal::printer::Printer;

/// List the portals of an org
#[derive(Debug, clap::Args)]
#[command(add = Sections(&[
    Environment(&[ORG]),
    Examples("portal list --profile acme"),
    SeeAlso(&["login", "profiles"]),
]))]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let org = args.target.open().await?;
    let portals = org.client.call(&ListPortals).await;
    let portals = portals.map_err(|error| call_error::failure(&error, "list the portals"))?;
    if portals.is_empty() && !printer.is_json() {
        printer.note(format_args!("There is no portal in {}.", org.place()));
    }
    let columns = portals.iter().map(width).max().unwrap_or_default();
    for portal in &portals {
        printer.result(line(portal, columns), portal);
    }
    Ok(ExitClass::Success)
}
