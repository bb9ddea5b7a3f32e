//! What `portal create` and `portal rename` have in common: preview, prompt, progress and report.

use std::time::{Duration, SystemTime};

use portal_http::client::{Call, Client, Ended, InFlight, SafeClient};
use portal_ledger::{Entry, EntryId, Ledger};
use portal_model::flow::Policy;
use portal_model::outcome::{NotDone, Origin};
use portal_model::{InvalidPortalName, ListPortals, Operation, Outcome};
use tokio::sync::watch;

use crate::commands::policy_args::PolicyArgs;
use crate::commands::target_args::TargetArgs;
use crate::org::ledger;
use crate::org::running::Running;
use crate::org::target::Target;
use crate::report::cause;
use crate::report::cause::ReportContext;
use crate::report::confirmation::Facts;
use crate::report::entry::begun;
use crate::report::failure::{ErrorKind, ExitClass, Failure};
use crate::report::outcome::Report;
use crate::report::place::Place;
use crate::sys::signal::{raised, stop_flag, until_stopped};
use crate::terminal::printer::Printer;
use crate::terminal::progress::during;
use crate::terminal::prompt;

/// What to do without a terminal to ask on.
pub(super) const HOW_TO_CONFIRM: &str =
    "pass `--yes` to confirm; `--dry-run` shows what would be done";

/// Where and how a create or a rename is done.
#[derive(Debug, clap::Args)]
pub(super) struct OperationArgs {
    /// Show what would be done, and change nothing
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

/// What is wanted, or a name that is invalid.
pub(super) type Wanted<'a> = Result<Operation, (&'a str, InvalidPortalName)>;

/// A create or a rename, as the command line asks for it.
struct Request {
    operation: Operation,
    target: Target,
    policy: Policy,
    consent: Consent,
    context: ReportContext,
}

/// Whether it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consent {
    /// With `--yes`, or on this machine.
    Given,
    /// Once the user has typed the name.
    Asked,
    /// A preview is all.
    DryRun,
}

impl OperationArgs {
    /// Does what is wanted, with a policy that is `adjusted`; with `ensure` a portal that exists is a success.
    /// `why` names what has to be confirmed.
    pub(super) async fn run(
        &self,
        wanted: Wanted<'_>,
        ensure: bool,
        adjusted: impl FnOnce(&mut Policy),
        why: &str,
        printer: &Printer,
    ) -> Result<ExitClass, Failure> {
        let target = self.target.target().await?;
        let is_this_machine = target.hosts.is_this_machine();
        let mut policy = self.policy.policy(target.policy(Policy::default()), is_this_machine)?;
        adjusted(&mut policy);
        let org = self.target.arguments(&target.place);
        let context = ReportContext { ensure, ..ReportContext::new(&target.place, org, &policy) };
        let operation = match wanted {
            Ok(operation) => operation,
            Err((name, invalid)) => {
                return Ok(Report::invalid(name, &invalid, &context).print_json(printer));
            }
        };
        let consent = if self.dry_run {
            Consent::DryRun
        } else if self.yes || is_this_machine {
            Consent::Given
        } else {
            prompt::require_terminal(why, HOW_TO_CONFIRM)?;
            Consent::Asked
        };
        Request { operation, target, policy, consent, context }.run(printer).await
    }
}

impl Request {
    async fn run(self, printer: &Printer) -> Result<ExitClass, Failure> {
        // Before anything is sent: without the ledger nothing is.
        let place = ledger::Place::of(&self.target.place)?;
        let ledger = match place.open().await {
            Ok(ledger) => ledger,
            Err(failure) => return Ok(self.withheld(failure).print(printer)),
        };
        let mut stop = stop_flag();
        let deadline = self.policy.deadline;
        let client = self.target.client(self.policy.clone())?;
        let safe = self.target.safe(client, &ledger, None);
        let call = safe.perform(self.operation.clone());
        if self.consent != Consent::Given {
            match Box::pin(self.ask(&safe, call.clone(), &mut stop)).await {
                Ok(None) => {}
                Ok(Some(report)) => return Ok(report.print(printer)),
                Err(why) => return Ok(self.not_begun(&safe, call, why).await.print(printer)),
            }
        }
        let name = self.operation.names().next().unwrap_or_default();
        let ended = finish(call.start(), name, deadline, &mut stop, printer).await;
        warn_of_another_api(safe.client(), printer);
        let exit = self.report(&ledger, &ended.outcome).await.print(printer);
        if let (Outcome::Created { .. }, Some(next)) = (&ended.outcome, self.next())
            && !printer.is_json()
        {
            printer.note(format_args!("Next: {next}"));
        }
        if let (Consent::Given, Outcome::Renamed { old, new }) = (self.consent, &ended.outcome)
            && !new.is_same_as(old)
        {
            printer.warning(format_args!(
                "links to {old} no longer work, its users were not notified, and any organization \
                 can take the name {old}"
            ));
        }
        Ok(exit)
    }

    /// What people do once a portal was created.
    fn next(&self) -> Option<&'static str> {
        Some(match self.target.place {
            Place::Local => {
                "`portal serve` for your own code; `portal login` for an org of Zoho CRM"
            }
            _ if self.target.hosts.is_this_machine() => {
                Running::at(&self.target.hosts.api.url()?)?.admin?;
                "`portal requests` shows what was sent"
            }
            _ => "invite its users in Zoho CRM, under Setup > Channels > Portals",
        })
    }

    /// Looks at what would come of it, and has the name typed if it would be sent. Returns the report of
    /// what need not be sent, and fails with why it is not begun.
    async fn ask(
        &self,
        safe: &SafeClient,
        call: Call,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Option<Report>, Failure> {
        let preview = tokio::select! {
            preview = Box::pin(call.preview()) => preview.map_err(|error| cause::preview(&error))?,
            () = raised(stop) => return Err(cancelled()),
        };
        let org = safe.identify().await.map_err(|error| cause::unidentified(&error))?;
        let would_be_sent = matches!(
            preview.outcome,
            Outcome::NotCreated { why: NotDone::Preview, .. }
                | Outcome::NotRenamed { why: NotDone::Preview, .. }
        );
        let is_dry = self.consent == Consent::DryRun;
        if is_dry && would_be_sent {
            let place = match self.target.place {
                Place::Local => Place::Local.to_string(),
                Place::Profile(_) | Place::Explicit(_) => org.to_string(),
            };
            return Ok(Some(Report::would_be_sent(&self.operation, &place, &self.context)));
        }
        // Don't ask if the reply changes nothing.
        if is_dry || (!would_be_sent && preview.outcome.is_certain()) {
            return Ok(Some(self.report(safe.ledger(), &preview.outcome).await));
        }
        let portals = safe.client().call(&ListPortals).await.ok();
        let facts = Facts {
            operation: &self.operation,
            org: &org,
            profile: self.context.profile.as_deref(),
            portals: portals.as_deref(),
            is_in_doubt: preview.entry.as_ref().is_some_and(Entry::is_in_doubt),
        };
        let (what, expected) = facts.to_type();
        if prompt::confirm_by_typing(&facts.text(), what, expected, raised(stop)).await? {
            return Ok(None);
        }
        Err(cancelled())
    }

    /// Of what is not begun because of `why`: what an earlier run left in doubt stays so (rule 11).
    async fn not_begun(&self, safe: &SafeClient, call: Call, why: Failure) -> Report {
        let call = call.start();
        call.stop();
        let outcome = call.await.outcome;
        if outcome.is_certain() {
            self.withheld(why)
        } else {
            self.report(safe.ledger(), &outcome).await
        }
    }

    fn withheld(&self, why: Failure) -> Report {
        Report::withheld(&self.operation, why, &self.context)
    }

    async fn report(&self, ledger: &Ledger, outcome: &Outcome) -> Report {
        let begun = begun_earlier(ledger, outcome).await;
        let is_preview = self.consent == Consent::DryRun;
        let context = ReportContext { is_preview, begun, ..self.context.clone() };
        Report::new(outcome, &self.operation, &context)
    }
}

/// Waits for the end of a call, with its progress on stderr. Ctrl-C stops it, and it ends soon.
pub(super) async fn finish(
    call: InFlight,
    name: &str,
    deadline: Duration,
    stop: &mut watch::Receiver<bool>,
    printer: &Printer,
) -> Ended {
    let activity = call.activity();
    let ended = during(until_stopped(call, stop), name, deadline, activity, printer).await;
    warn_if_not_written(&ended, printer);
    ended
}

pub(super) fn warn_if_not_written(ended: &Ended, printer: &Printer) {
    if let Some(error) = &ended.not_written {
        let name = ended.outcome.name();
        printer.warning(format_args!(
            "the outcome of {name} is not in the ledger, and the next run determines it again: {error}"
        ));
    }
}

/// When the create was begun that made the portal of `outcome`, if the ledger has it.
async fn begun_earlier(ledger: &Ledger, outcome: &Outcome) -> Option<SystemTime> {
    let Outcome::Present { origin: Origin::CreatedEarlier { entry, .. }, .. } = outcome else {
        return None;
    };
    begun(&ledger.entry(&EntryId::new(entry)).await.ok()??)
}

/// The account may live elsewhere than the user said.
fn warn_of_another_api(client: &Client, printer: &Printer) {
    if let (Some(named), Some(used)) = (client.api_domain_mismatch(), client.api_url()) {
        printer.warning(format_args!(
            "the accounts server names {named} as the API; {used} was used, as given"
        ));
    }
}

fn cancelled() -> Failure {
    Failure::new(ErrorKind::Cancelled, "cancelled; nothing was sent")
}
