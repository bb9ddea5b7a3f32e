//! `portal create NAME`: creates one portal, safely.

mod dry_run;

pub(super) use self::dry_run::DryRun;
use portal_http::client::Client;
use portal_model::{InvalidPortalName, PortalName};

use crate::commands::policy_args::PolicyArgs;
use crate::commands::sections::{About, Environment, Examples, ExitStatus, ORG, Sections, SeeAlso};
use crate::commands::target_args::TargetArgs;
use crate::org::destination::Org;
use crate::report::call_error;
use crate::report::context::ReportContext;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::report::outcome::{CreateStatus, Report};
use crate::safe::confirmation::{self, Facts};
use crate::safe::create::{SafeCreate, deliver};
use crate::safe::intent_log::IntentLog;
use crate::safe::unidentified::unidentified;
use crate::sys::signal::{raised, stop_flag};
use crate::terminal::name_argument;
use crate::terminal::printer::Printer;
use crate::terminal::progress::Progress;
use crate::terminal::prompt;

/// Create a portal
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(add = SECTIONS)]
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

const SECTIONS: Sections = Sections(&[
    About(
        "Lists the org's portals first, then sends one request. If the response is lost, lists \
              again until the outcome is certain.",
    ),
    ExitStatus(
        "0 created, 1 rejected, 2 invalid name or usage, 3 no permission or no valid token, 4 the \
         portal or the name exists, 5 in doubt (see `portal recover`), 6 not created, try again, 74 \
         stdout not writable, 130 interrupted or declined",
    ),
    Environment(&[ORG]),
    Examples(
        "portal create --local PortalsAPItest100\n\
         portal create PortalsAPItest100 --profile acme --dry-run",
    ),
    SeeAlso(&["recover", "login", "profiles"]),
]);

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let destination = args.target.destination()?;
    let place = destination.place().clone();
    let mut policy = args.policy.policy(destination.default_policy())?;
    policy.allow_another = args.allow_another;
    let context = ReportContext {
        profile: place.profile().map(str::to_owned),
        org: args.target.arguments(&place),
        requested: (!args.fallbacks.is_empty()).then(|| args.name.clone()),
        ensure: args.ensure,
        verified_after: Some(policy.processing_time.saturating_add(policy.list_lag)),
        ..ReportContext::default()
    };
    let (name, fallbacks) = match names(&args.name, &args.fallbacks, printer) {
        Ok(names) => names,
        Err((name, invalid)) => {
            return Ok(
                Report::<CreateStatus>::invalid(name, &invalid, &context).print_json(printer)
            );
        }
    };
    if args.dry_run {
        return Ok(dry_run::run(&name, &fallbacks, &destination, printer));
    }
    let asks = !args.yes && !destination.is_this_machine();
    if asks {
        prompt::require_terminal_for_create()?;
    }
    // Before anything is sent: without the log nothing is.
    let log = IntentLog::open()?;
    let org = destination.open(policy).await?;
    create(&log, &org, name, fallbacks, asks, &context, printer).await
}

async fn create(
    log: &IntentLog,
    org: &Org,
    name: PortalName,
    fallbacks: Vec<PortalName>,
    asks: bool,
    context: &ReportContext,
    printer: &Printer,
) -> Result<ExitClass, Failure> {
    let mut stop = stop_flag();
    let identified = tokio::select! {
        identified = org.identify() => identified,
        // An earlier run of this create may be in doubt: that is looked up, nothing is sent.
        () = raised(&mut stop) => Ok(org.known_identity()),
    };
    let identity = match identified {
        Ok(identity) => identity,
        Err(error) => {
            let failure = call_error::unidentified(&error);
            let names: Vec<_> =
                std::iter::once(&name).chain(&fallbacks).map(ToString::to_string).collect();
            let known = org.known_identity();
            let failure = unidentified(log, &known, &org.place, &names, "created", failure).await;
            return Ok(
                Report::<CreateStatus>::withheld(name.as_str(), failure, context).print(printer)
            );
        }
    };
    if asks {
        let facts = Facts::find(org, &identity).await;
        let facts = confirmation::of_create(&name, &fallbacks, &facts);
        if !prompt::confirm_by_typing(&facts, "the name", name.as_str(), raised(&mut stop)).await? {
            return Ok(Report::<CreateStatus>::cancelled(&name, context).print_cancelled(printer));
        }
    }
    let create = SafeCreate {
        log,
        client: &org.client,
        place: &org.place,
        identity: &identity,
        batch_row: None,
        printer,
    };
    let requested = name.to_string();
    let progress = Progress::new(&requested, org.client.policy().deadline, printer);
    let work = create.run(name, fallbacks, (), stop, |activity| progress.watch(activity));
    let finished = match progress.during(work).await {
        Ok(finished) => finished,
        Err(failure) => {
            return Ok(
                Report::<CreateStatus>::withheld(&requested, failure, context).print(printer)
            );
        }
    };
    warn_of_another_api(&org.client, printer);
    let exit = Report::new(&finished.outcome, context).print(printer);
    deliver(&finished.intent, printer).await;
    Ok(exit)
}

/// The name and its fallbacks; every broken rule of each is reported.
fn names<'a>(
    name: &'a str,
    fallbacks: &'a [String],
    printer: &Printer,
) -> Result<(PortalName, Vec<PortalName>), (&'a str, InvalidPortalName)> {
    let parse = |name: &'a str| name_argument::parse(name, printer).map_err(|error| (name, error));
    let name = parse(name);
    let fallbacks: Vec<_> = fallbacks.iter().map(|name| parse(name)).collect();
    Ok((name?, fallbacks.into_iter().collect::<Result<_, _>>()?))
}

/// The account may live elsewhere than the user said.
fn warn_of_another_api(client: &Client, printer: &Printer) {
    if let (Some(named), Some(used)) = (client.api_domain_mismatch(), client.api_url()) {
        printer.warning(format_args!(
            "the accounts server names {named} as the API; {used} was used, as given"
        ));
    }
}
