//! `portal list [NAME]`: the portals of an org, or one of them.

use portal_model::ListPortals;
use portal_model::flow::Policy;
use portal_model::name::is_same_name;

use crate::commands::sections::{Environment, ORG};
use crate::commands::target_args::TargetArgs;
use crate::report::cause;
use crate::report::failure::{ErrorKind, ExitClass, Failure};
use crate::report::place::Place;
use crate::report::portal::cells;
use crate::terminal::printer::Printer;

/// List the portals of an org, or show one
///
/// # Exit status
/// 0 listed, 1 there is no portal NAME or the service rejected the request, 2 no org is selected, 3 no valid
/// token, 6 the service cannot be reached
///
/// # Examples
///
///     portal list --profile acme
///     portal list PortalsAPItest100 --profile acme
///
/// # See also
/// login, profiles
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, add = Environment(&[ORG]))]
pub(crate) struct Args {
    /// Only this portal; the case of letters doesn't count
    name: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let target = args.target.target().await?;
    let client = target.client(Policy::default())?;
    let portals = client.call(&ListPortals).await;
    let mut portals = portals.map_err(|error| cause::failure(&error, "list the portals"))?;
    // The API that the accounts server named, if flags and environment selected the org.
    let org = match (&target.place, client.api_url()) {
        (Place::Explicit(_), Some(url)) => Place::Explicit(Some(url.to_string())),
        (place, _) => place.clone(),
    };
    if let Some(name) = &args.name {
        portals.retain(|portal| is_same_name(&portal.name, name));
        if portals.is_empty() {
            let message = format!("there is no portal {name} in {org}");
            return Err(Failure::new(ErrorKind::NotFound, message).hint(format!(
                "run `portal list{}` to see the org's portals",
                args.target.arguments(&org)
            )));
        }
    }
    if portals.is_empty() && !printer.is_json() {
        printer.note(format_args!("There is no portal in {org}."));
    }
    printer.table(portals.iter().map(|portal| (cells(portal), portal)));
    Ok(ExitClass::Success)
}
