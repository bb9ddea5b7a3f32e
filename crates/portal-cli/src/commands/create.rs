//! `portal create NAME`: creates one portal, safely.

use portal_model::CreateOperation;
use portal_model::flow::{NameTaken, Policy};

use crate::commands::operation::{OperationArgs, Wanted};
use crate::commands::sections::{Environment, ORG, STATE};
use crate::report::failure::{ExitClass, Failure};
use crate::terminal::printer::Printer;
use crate::terminal::results::parse_name;

/// Why a create has to be confirmed.
pub(super) const IRREVERSIBLE: &str = "a portal can never be deleted";

/// Create a portal
///
/// Lists the org's portals first, then sends one request. If the response is lost, lists again
/// until the outcome is certain. What is attempted is in the ledger before it is sent: the same
/// command again goes on from there, whatever ended the first.
///
/// # Exit status
/// 0 created, 1 rejected, 2 invalid name or usage, 3 no permission or no valid token, 4 the portal
/// or the name exists, 5 in doubt (see `portal recover`), 6 not created, try again, 74 stdout not
/// writable, 130 interrupted or declined
///
/// # Examples
///
///     portal create --local PortalsAPItest100
///     portal create PortalsAPItest100 --profile acme --dry-run
///
/// # See also
/// recover, history, login, profiles
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, add = Environment(&[ORG, STATE]))]
pub(crate) struct Args {
    /// 6 to 30 letters and digits, unique over all of Zoho
    name: String,
    /// Name to try if the one before is taken; repeatable
    #[arg(long = "fallback", value_name = "NAME")]
    fallbacks: Vec<String>,
    /// Succeed if the portal already exists
    #[arg(long)]
    ensure: bool,
    /// Create the portal even if the org has another one
    #[arg(long)]
    allow_another: bool,
    /// Don't wait to learn whose a taken name is
    #[arg(long, conflicts_with = "fallbacks")]
    at_once: bool,
    #[command(flatten)]
    operation: OperationArgs,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let adjusted = |policy: &mut Policy| {
        policy.allow_another = args.allow_another;
        if args.at_once {
            policy.name_taken = NameTaken::AtOnce;
        }
    };
    args.operation.run(wanted(args, printer), args.ensure, adjusted, IRREVERSIBLE, printer).await
}

/// The name and its fallbacks; every broken rule of each is reported.
fn wanted<'a>(args: &'a Args, printer: &Printer) -> Wanted<'a> {
    let parse = |name: &'a str| parse_name(name, printer).map_err(|error| (name, error));
    let name = parse(&args.name);
    let fallbacks: Vec<_> = args.fallbacks.iter().map(|name| parse(name)).collect();
    let fallbacks = fallbacks.into_iter().collect::<Result<Vec<_>, _>>();
    Ok(CreateOperation::new(name?).with_fallbacks(fallbacks?).into())
}
