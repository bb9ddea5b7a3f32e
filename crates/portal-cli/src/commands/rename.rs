//! `portal rename OLD NEW`: renames a portal, safely.

use portal_model::RenameOperation;

use crate::commands::operation::OperationArgs;
use crate::commands::sections::{Environment, ORG, STATE};
use crate::report::failure::{ExitClass, Failure};
use crate::terminal::printer::Printer;
use crate::terminal::results::parse_name;

/// Rename a portal; links to the old name stop working
///
/// Nobody is notified of the new name, and any organization can take the old one at once. Waits
/// while an earlier request for the portal may still take effect. If the response is lost, lists
/// the org's portals until the outcome is certain.
///
/// # Exit status
/// 0 renamed, 1 rejected or no such portal, 2 invalid name or usage, 3 no permission or no valid
/// token, 4 the new name is taken, 5 in doubt (see `portal recover`), 6 not renamed, try again, 74
/// stdout not writable, 130 interrupted or declined
///
/// # Examples
///
///     portal rename AcmeOld AcmeCustomers --profile acme
///
/// # See also
/// recover, history, login, profiles
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, add = Environment(&[ORG, STATE]))]
pub(crate) struct Args {
    /// The current name
    old: String,
    /// The new name
    new: String,
    #[command(flatten)]
    operation: OperationArgs,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let new = parse_name(&args.new, printer).map_err(|error| (&*args.new, error));
    let wanted = new.map(|new| RenameOperation::new(&args.old, new).into());
    let why = "links to the old name stop working";
    args.operation.run(wanted, false, |_| {}, why, printer).await
}
