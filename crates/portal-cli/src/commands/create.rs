//! `portal create NAME`: creates one portal, safely.

mod dry_run;

pub(super) use self::dry_run::DryRun;
use portal_http::client::Client;
use portal_model::{CreateOperation, InvalidPortalName};

use crate::commands::policy_args::PolicyArgs;
use crate::commands::sections::{About, Environment, Examples, ExitStatus, ORG, Sections, SeeAlso};
use crate::commands::target_args::TargetArgs;
use crate::org::destination::Org;
use crate::report::context::ReportContext;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::report::outcome::CreateReport;
use crate::safe::confirmation::{self, Facts};
use crate::safe::create::{Finished, SafeCreate, deliver};
use crate::safe::intent_log::{IntentLog, Whose};
use crate::safe::unidentified::identify;
use crate::sys::signal::{raised, stop_flag};
use crate::terminal::name_argument;
use crate::terminal::printer::Printer;
use crate::terminal::progress::Progress;
use crate::terminal::prompt;

/// Create a portal
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(add = Sections(&[
    About("Lists the org's portals first, then sends one request. If the response is lost, lists \
        again until the outcome is certain."),
    ExitStatus("0 created, 1 rejected, 2 invalid name or usage, 3 no permission or no valid \
        token, 4 the portal or the name exists, 5 in doubt (see `portal recover`), 6 not created, \
        try again, 74 stdout not writable, 130 interrupted or declined"),
    Environment(&[ORG]),
    Examples("\
portal create --local PortalsAPItest100
portal create PortalsAPItest100 --profile acme --dry-run"),
    SeeAlso(&["recover", "login", "profiles"]),
]))]
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
    /// Print the requests, and send nothing
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
    let place = destination.place().clone();
    let mut policy =
        args.policy.policy(destination.default_policy(), destination.is_this_machine())?;
    policy.allow_another = args.allow_another;
    let context = ReportContext {
        profile: place.profile().map(str::to_owned),
        org: args.target.arguments(&place),
        requested: (!args.fallbacks.is_empty()).then(|| args.name.clone()),
        ensure: args.ensure,
        verified_after: Some(policy.processing_time.saturating_add(policy.list_lag)),
        ..ReportContext::default()
    };
    let wish = match wish(args, printer) {
        Ok(wish) => wish,
        Err((name, invalid)) => {
            return Ok(CreateReport::invalid(name, &invalid, &context).print_json(printer));
        }
    };
    if args.dry_run {
        return Ok(dry_run::run(&wish, &destination, printer));
    }
    let asks = !args.yes && !destination.is_this_machine();
    if asks {
        prompt::require_terminal_for_create()?;
    }
    // Before anything is sent: without the log nothing is.
    let log = IntentLog::open()?;
    let org = destination.open(policy).await?;
    match create(&log, &org, &wish, asks, printer).await {
        Ok(Some(finished)) => {
            warn_of_another_api(&org.client, printer);
            let exit = CreateReport::new(&finished.outcome, &context).print(printer);
            deliver(&finished.intent, printer).await;
            Ok(exit)
        }
        Ok(None) => Ok(CreateReport::cancelled(&wish.name, &context).print_cancelled(printer)),
        Err(failure) => {
            Ok(CreateReport::withheld(wish.name.as_str(), failure, &context).print(printer))
        }
    }
}

/// Determines the org, has the name typed if that `asks` for it, and creates the portal. Returns `None`
/// if the user declines.
async fn create(
    log: &IntentLog,
    org: &Org,
    wish: &CreateOperation,
    asks: bool,
    printer: &Printer,
) -> Result<Option<Finished>, Failure> {
    let mut stop = stop_flag();
    let names: Vec<_> = wish.names().map(ToString::to_string).collect();
    let identity = identify(log, org, &names, "created", &mut stop).await?;
    let name = wish.name.as_str();
    if asks {
        let facts = confirmation::of_create(wish, &Facts::find(org, &identity).await);
        if !prompt::confirm_by_typing(&facts, "the name", name, raised(&mut stop)).await? {
            return Ok(None);
        }
    }
    let (client, place) = (&org.client, org.place.clone());
    let whose = Whose { identity, place, batch_row: None };
    let create = SafeCreate { log, client, whose, printer };
    let progress = Progress::new(name, client.policy().deadline, printer);
    let work = create.run(wish.clone(), (), stop, |activity| progress.watch(activity));
    progress.during(work).await.map(Some)
}

/// The name and its fallbacks; every broken rule of each is reported.
fn wish<'a>(
    args: &'a Args,
    printer: &Printer,
) -> Result<CreateOperation, (&'a str, InvalidPortalName)> {
    let parse = |name: &'a str| name_argument::parse(name, printer).map_err(|error| (name, error));
    let name = parse(&args.name);
    let fallbacks: Vec<_> = args.fallbacks.iter().map(|name| parse(name)).collect();
    let fallbacks = fallbacks.into_iter().collect::<Result<Vec<_>, _>>();
    Ok(CreateOperation::new(name?).with_fallbacks(fallbacks?))
}

/// The account may live elsewhere than the user said.
fn warn_of_another_api(client: &Client, printer: &Printer) {
    if let (Some(named), Some(used)) = (client.api_domain_mismatch(), client.api_url()) {
        printer.warning(format_args!(
            "the accounts server names {named} as the API; {used} was used, as given"
        ));
    }
}
