//! `portal list`: the portals of an org.

use portal_model::{ListPortals, Portal};

use crate::call_error;
use crate::exit::ExitClass;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::target::{SECRETS, TargetArgs};

/// List the portals of an org
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{SECRETS}\n\nExample:\n  portal list --profile acme"))]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let org = args.target.open().await?;
    let portals = org.client.call(&ListPortals).await;
    let portals = portals.map_err(|error| call_error::failure(&error, "list the portals"))?;
    if portals.is_empty() && !printer.is_json() {
        printer.note(format_args!("There is no portal in {}.", org.place));
    }
    let width = portals.iter().map(|portal| portal.name.chars().count()).max().unwrap_or_default();
    for portal in &portals {
        printer.result(line(portal, width), portal);
    }
    Ok(ExitClass::Success)
}

/// `PortalsAPItest100  active    created 2021-11-25T16:13:33+05:30 by Patricia Boyle`
pub(crate) fn line(portal: &Portal, width: usize) -> String {
    let active = match portal.active {
        Some(true) => "active",
        Some(false) => "inactive",
        None => "",
    };
    let created = portal.created_time.map(|time| format!("  created {time}")).unwrap_or_default();
    let by = portal.created_by.as_ref().map(|user| format!(" by {}", user.name));
    let name = &portal.name;
    format!("{name:width$}  {active:8}{created}{}", by.unwrap_or_default()).trim_end().to_owned()
}
