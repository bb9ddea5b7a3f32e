//! `portal create NAME`: creates one portal, safely.

mod batch;
mod dry_run;
mod progress;
mod resume;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use portal_http::client::{Client, Creating, IntentSink};
use portal_model::flow::{Intent, Policy};
use portal_model::outcome::{ExitClass, NotCreated};
use portal_model::{InvalidPortalName, Outcome, PortalName};

use crate::failure::Failure;
use crate::invalid_name;
use crate::pending::{self, PendingCreate};
use crate::printer::Printer;
use crate::report::{Asked, Report};
use crate::signal::interrupted;
use crate::target::{Place, SECRETS, TargetArgs};

/// Create a portal, or many from a file; none can ever be deleted
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = format!("{HELP}\n\n{SECRETS}\n\nExample:\n  portal create PortalsAPItest100 --profile acme\n  portal create --from portals.csv"))]
pub(crate) struct Args {
    /// The name: 6 to 30 letters and digits, unique over all of Zoho
    #[arg(required_unless_present_any = ["resume", "from"])]
    name: Option<String>,
    /// A name to try when the one before belongs to another organization
    #[arg(long = "or", value_name = "NAME")]
    alternatives: Vec<String>,
    /// A portal of that name that is there already is a success
    #[arg(long)]
    ensure: bool,
    /// Create it even where the org has another portal
    #[arg(long)]
    allow_another: bool,
    /// Show the requests that would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Don't ask; needed where nobody can be asked
    #[arg(long)]
    yes: bool,
    /// Settle a create that was left in doubt; without NAME, all of them
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with_all = ["name", "alternatives", "dry_run"])]
    #[expect(clippy::option_option, reason = "clap's form of an option whose value is optional")]
    resume: Option<Option<String>>,
    #[command(flatten)]
    batch: batch::BatchArgs,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    target: TargetArgs,
}

const HELP: &str = "\
It looks first which portals the org has, then sends one request; where the answer is lost it finds \
out what happened. Nothing is created twice.

--from: the column `or` may be left out; it has names to try when the first is taken, separated by \
|. Nothing is sent unless the whole file is right. What happens is kept in a journal beside the file, \
and the same command again goes on where it was; a batch whose rows differ exits with 1.

Exit status: 0 created, 1 refused, 2 nothing was sent (an invalid name, wrong usage), 3 refused for \
want of a permission or a valid token, 4 the portal or the name is there already, 5 in doubt (settle \
it with --resume), 6 certainly not created, try again.";

/// How patient a create is.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Patience")]
struct Patience {
    /// Longest time for one request, such as 10s [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// Longest time for the whole create [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    deadline: Option<Duration>,
    /// How long a create may take effect after its answer was lost [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    settle: Option<Duration>,
}

impl Patience {
    fn policy(&self, allow_another: bool) -> Result<Policy, Failure> {
        let mut policy = Policy::default();
        policy.attempt_timeout = self.timeout.unwrap_or(policy.attempt_timeout);
        policy.deadline = self.deadline.unwrap_or(policy.deadline);
        policy.settle = self.settle.unwrap_or(policy.settle);
        policy.allow_another = allow_another;
        policy.check().map_err(|error| {
            Failure::usage(error.to_string()).hint("lengthen --deadline, or shorten --timeout")
        })?;
        Ok(policy)
    }
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "expected a time such as 300ms, 10s or 2m")
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    // Where something is settled nothing is created, so another portal doesn't matter.
    let policy = args.patience.policy(args.allow_another || args.resume.is_some())?;
    if let Some(file) = &args.batch.from {
        return batch::run(file, args, &policy, printer).await;
    }
    let Some(name) = &args.name else {
        let only = args.resume.as_ref().and_then(Option::as_deref);
        return resume::run(only, &args.target, &policy, printer).await;
    };
    let destination = args.target.destination()?;
    let place = destination.place().clone();
    let asked = Asked {
        profile: place.profile().map(str::to_owned),
        requested: (!args.alternatives.is_empty()).then(|| name.clone()),
        ensure: args.ensure,
        settled: false,
    };
    let names = match names(name, &args.alternatives, printer) {
        Ok(names) => names,
        Err((name, invalid)) => return Ok(Report::invalid(name, &invalid, &asked).print(printer)),
    };
    if args.dry_run {
        return Ok(dry_run::run(&names, &destination, &args.target, printer));
    }
    if !args.yes && !destination.is_this_machine() && !confirm(&question(&names.0, &place))? {
        let reason = NotCreated::Stopped;
        let outcome = Outcome::NotCreated { name: names.0, reason };
        return Ok(Report::new(&outcome, &asked).print(printer));
    }
    let org = destination.open(args.target.api_version, policy.clone()).await?;
    let outcome = create(&org.client, names, place, &policy, printer).await?;
    warn_of_another_api(&org.client, printer);
    Ok(Report::new(&outcome, &asked).print(printer))
}

/// The name and its alternatives; every broken rule of each is said.
fn names<'a>(
    name: &'a str,
    alternatives: &'a [String],
    printer: &Printer,
) -> Result<(PortalName, Vec<PortalName>), (&'a str, InvalidPortalName)> {
    let parse = |name: &'a str| invalid_name::parse(name, printer).map_err(|error| (name, error));
    let name = parse(name);
    let alternatives: Vec<_> = alternatives.iter().map(|name| parse(name)).collect();
    Ok((name?, alternatives.into_iter().collect::<Result<_, _>>()?))
}

fn question(name: &PortalName, place: &Place) -> String {
    format!("Create the portal {name} in {place}? It can never be deleted.")
}

/// Asks, since a create can't be undone. Where nobody can be asked nothing is sent.
fn confirm(question: &str) -> Result<bool, Failure> {
    let mut stderr = std::io::stderr();
    if !std::io::stdin().is_terminal() || !stderr.is_terminal() {
        return Err(Failure::usage("a portal can't be deleted, and there is nobody to ask")
            .hint("`--yes` says that it is wanted; `--dry-run` shows what would be sent"));
    }
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Settles what an earlier process left in doubt about this name, then creates it.
async fn create(
    client: &Client,
    (name, alternatives): (PortalName, Vec<PortalName>),
    place: Place,
    policy: &Policy,
    printer: &Printer,
) -> Result<Outcome, Failure> {
    for left in pending::left()? {
        if left.place == place && name.is_same_as(left.intent.name.as_str()) {
            printer
                .note(format_args!("An earlier create of {name} is in doubt; settling it first."));
            let intent = left.intent.clone();
            let outcome = settle(client, &intent, PendingCreate::settling(left)?, policy, printer);
            match outcome.await {
                Outcome::NotCreated { reason: NotCreated::Exhausted, .. } => {}
                outcome => return Ok(outcome),
            }
        }
    }
    let flow = client.flow(name).or(alternatives);
    let creating = client.create_with(flow, PendingCreate::new(place)?);
    Ok(finish(creating, policy, printer).await)
}

async fn settle(
    client: &Client,
    intent: &Intent,
    sink: impl IntentSink,
    policy: &Policy,
    printer: &Printer,
) -> Outcome {
    finish(client.resume(intent.clone(), sink), policy, printer).await
}

/// Waits for the outcome. Ctrl-C asks for an honest one, soon.
async fn finish(mut creating: Creating, policy: &Policy, printer: &Printer) -> Outcome {
    let mut progress = progress::Progress::new(creating.activity(), policy, printer);
    let mut interrupted = std::pin::pin!(interrupted());
    loop {
        tokio::select! {
            outcome = &mut creating => return outcome,
            () = &mut interrupted => {
                creating.stop();
                return creating.await;
            }
            () = progress.tick() => {}
        }
    }
}

/// The account may live elsewhere than the user said.
fn warn_of_another_api(client: &Client, printer: &Printer) {
    if let (Some(answered), Some(used)) = (client.api_domain_mismatch(), client.api_url()) {
        printer.warning(format_args!(
            "the accounts server says that the API is at {answered}; {used} was used, as given"
        ));
    }
}
