//! `portal rename OLD NEW`: renames a portal, safely.

use portal_http::client::SafeClient;
use portal_model::RenameOperation;

use crate::commands::operation::{Consent, Request};
use crate::commands::policy_args::PolicyArgs;
use crate::commands::sections::{
    About, Environment, Examples, ExitStatus, ORG, STATE, Sections, SeeAlso,
};
use crate::commands::target_args::TargetArgs;
use crate::report::context::ReportContext;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::report::outcome::Report;
use crate::terminal::name_argument;
use crate::terminal::printer::Printer;

/// Rename a portal; links to the old name stop working
#[derive(Debug, clap::Args)]
#[command(add = Sections(&[
    About("Nobody is notified of the new name, and any organization can take the old one at once. \
        Waits while an earlier request for the portal may still take effect. If the response is \
        lost, lists the org's portals until the outcome is certain."),
    ExitStatus("0 renamed, 1 rejected or no such portal, 2 invalid name or usage, 3 no permission \
        or no valid token, 4 the new name is taken, 5 in doubt (see `portal recover`), 6 not \
        renamed, try again, 74 stdout not writable, 130 interrupted or declined"),
    Environment(&[ORG, STATE]),
    Examples("portal rename AcmeOld AcmeCustomers --profile acme"),
    SeeAlso(&["recover", "history", "login", "profiles"]),
]))]
pub(crate) struct Args {
    /// The current name
    old: String,
    /// The new name
    new: String,
    /// Show what would be done, and rename nothing
    #[arg(long)]
    dry_run: bool,
    /// Skip the prompt (required if stdin is not a terminal)
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    target: TargetArgs,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let destination = args.target.destination()?;
    let policy = args.policy.policy(destination.default_policy(), destination.is_this_machine())?;
    let org = args.target.arguments(destination.place());
    let context = ReportContext::new(destination.place(), org, &policy);
    let new = match name_argument::parse(&args.new, printer) {
        Ok(new) => new,
        Err(invalid) => {
            return Ok(Report::invalid(&args.new, &invalid, &context).print_json(printer));
        }
    };
    let why = "links to the old name stop working";
    let consent = Consent::new(args.dry_run, args.yes, &destination, why)?;
    let operation = RenameOperation::new(&args.old, new.clone()).into();
    let call = |safe: &SafeClient| safe.rename(&args.old, new);
    Request { operation, destination, policy, consent, context }.run(call, printer).await
}
