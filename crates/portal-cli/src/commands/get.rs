//! `portal get NAME`: one portal of an org.

use portal_model::GetPortal;

use crate::commands::sections::{Environment, Examples, ExitStatus, ORG, Sections, SeeAlso};
use crate::commands::target_args::TargetArgs;
use crate::report::call_error;
use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorKind, Failure};
use crate::report::portal::line;
use crate::terminal::printer::Printer;

/// Show one portal of an org
#[derive(Debug, clap::Args)]
#[command(add = Sections(&[
    Environment(&[ORG]),
    ExitStatus("0 it exists, 1 it does not or the service rejected the request"),
    Examples("portal get PortalsAPItest100 --profile acme"),
    SeeAlso(&["login", "profiles"]),
]))]
pub(crate) struct Args {
    /// Its name; the case of letters doesn't count
    name: String,
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let org = args.target.open().await?;
    let portal = org.client.call(&GetPortal::new(args.name.clone())).await;
    let portal = portal.map_err(|error| {
        call_error::failure(&error, &format!("look up the portal {}", args.name))
    })?;
    let Some(portal) = portal else {
        let message = format!("there is no portal {} in {}", args.name, org.place());
        return Err(Failure::new(ErrorKind::NotFound, message).hint(format!(
            "run `portal list{}` to see the org's portals",
            args.target.arguments(&org.place)
        )));
    };
    printer.result(line(&portal, 0), &portal);
    Ok(ExitClass::Success)
}
