//! `portal create NAME`: creates one portal, safely.

mod dry_run;

pub(super) use self::dry_run::DryRun;
use portal_http::client::Client;
use portal_model::{InvalidPortalName, PortalName};
use tokio::sync::watch;

use crate::commands::policy_args::PolicyArgs;
use crate::commands::sections::{About, Environment, Examples, ExitStatus, ORG, Sections, SeeAlso};
use crate::commands::target_args::TargetArgs;
use crate::org::destination::Org;
use crate::org::identity::Identity;
use crate::report::context::ReportContext;
use crate::report::exit::ExitClass;
use crate::report::failure::Failure;
use crate::report::outcome::CreateReport;
use crate::safe::confirmation::{self, Facts};
use crate::safe::create::{Finished, SafeCreate, deliver};
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
            return Ok(CreateReport::invalid(name, &invalid, &context).print_json(printer));
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
    let create = Create { log: &log, org: &org, name, fallbacks, printer };
    let requested = create.name.as_str();
    let mut stop = stop_flag();
    let identity = match create.identify(&mut stop).await {
        Ok(identity) => identity,
        Err(failure) => {
            return Ok(CreateReport::withheld(requested, failure, &context).print(printer));
        }
    };
    if asks && !create.confirm(&identity, &mut stop).await? {
        return Ok(CreateReport::cancelled(&create.name, &context).print_cancelled(printer));
    }
    let finished = match create.run(&identity, stop).await {
        Ok(finished) => finished,
        Err(failure) => {
            return Ok(CreateReport::withheld(requested, failure, &context).print(printer));
        }
    };
    warn_of_another_api(&org.client, printer);
    let exit = CreateReport::new(&finished.outcome, &context).print(printer);
    deliver(&finished.intent, printer).await;
    Ok(exit)
}

/// A create in an org of which the intent log may have entries.
struct Create<'a> {
    log: &'a IntentLog,
    org: &'a Org,
    name: PortalName,
    fallbacks: Vec<PortalName>,
    printer: &'a Printer,
}

impl Create<'_> {
    async fn identify(&self, stop: &mut watch::Receiver<bool>) -> Result<Identity, Failure> {
        let identified = tokio::select! {
            identified = self.org.identify() => identified,
            // An earlier run of this create may be in doubt: that is looked up, nothing is sent.
            () = raised(stop) => Ok(self.org.known_identity()),
        };
        match identified {
            Ok(identity) => Ok(identity),
            Err(error) => {
                let names = std::iter::once(&self.name).chain(&self.fallbacks);
                let names: Vec<_> = names.map(ToString::to_string).collect();
                let target = &self.org.target;
                Err(unidentified(self.log, target, &names, "created", &error).await)
            }
        }
    }

    /// Has the name typed.
    async fn confirm(
        &self,
        identity: &Identity,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<bool, Failure> {
        let facts = Facts::find(self.org, identity).await;
        let facts = confirmation::of_create(&self.name, &self.fallbacks, &facts);
        prompt::confirm_by_typing(&facts, "the name", self.name.as_str(), raised(stop)).await
    }

    async fn run(
        &self,
        identity: &Identity,
        stop: watch::Receiver<bool>,
    ) -> Result<Finished, Failure> {
        let Org { client, place, .. } = self.org;
        let (log, printer) = (self.log, self.printer);
        let create = SafeCreate { log, client, place, identity, batch_row: None, printer };
        let (name, fallbacks) = (self.name.clone(), self.fallbacks.clone());
        let progress = Progress::new(self.name.as_str(), client.policy().deadline, printer);
        let work = create.run(name, fallbacks, (), stop, |activity| progress.watch(activity));
        progress.during(work).await
    }
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
